"""The page's state: a scenario as a document, and the changes that its controls make to it."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.spec.builtin import BUILTIN
from pdplan.spec.catalog import catalog_document
from pdplan.spec.scenario import Scenario
from pdplan.web.guard import read_scenario

Document = dict[str, Any]

#: Keys of a length form that do not scale with the length.
_SHAPE: Final = frozenset({"scv", "sigma"})


def first_document() -> Document:
    """Return the built-in example."""
    return document_of(read_scenario(BUILTIN))


def document_of(scenario: Scenario) -> Document:
    """Return what a scenario states, in one form: units in the values, nothing that is a default."""
    document: Document = scenario.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    return document


def with_value(document: Document, path: tuple[str | int, ...], value: Any) -> Document:
    """Return the document with one value changed; None takes it out.

    Examples
    --------
    >>> with_value({"a": [{"b": 1}]}, ("a", 0, "c"), 2)
    {'a': [{'b': 1, 'c': 2}]}
    """
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    if value is None:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return changed


def value_at(document: Document, path: tuple[str | int, ...], default: Any = None) -> Any:
    """Return the value at a path.

    Examples
    --------
    >>> value_at({"a": [{"b": 1}]}, ("a", 0, "b")), value_at({}, ("a", "b"), "none")
    (1, 'none')
    """
    place: Any = document
    for key in path:
        try:
            place = place[key]
        except (KeyError, IndexError, TypeError):
            return default
    return place


def scaled_lengths(form: Any, factor: float) -> Any:
    """Return a length form of the same shape, longer or shorter by a factor.

    Examples
    --------
    >>> scaled_lengths({"mean": 100, "scv": 1.5}, 2.0), scaled_lengths(2048.0, 0.5)
    ({'mean': 200, 'scv': 1.5}, 1024)
    >>> scaled_lengths({"quantiles": {"0": 1, "50": 30, "100": 900}}, 0.1)
    {'quantiles': {'0': 1, '50': 3, '100': 90}}
    """
    if isinstance(form, dict):
        return {k: v if k in _SHAPE else scaled_lengths(v, factor) for k, v in form.items()}
    if isinstance(form, (list, tuple)):
        return [scaled_lengths(v, factor) for v in form]
    if isinstance(form, bool) or not isinstance(form, (int, float)):
        return form
    return short(max(1.0, float(form) * factor))


def short(x: float) -> float | int:
    """Return a number to four digits, whole where it is whole.

    Examples
    --------
    >>> short(1234.56), short(0.123456), short(8.0)
    (1235, 0.1235, 8)
    """
    value = float(f"{x:.4g}")
    return int(value) if value.is_integer() else value


def lengths_written_out(document: Document, index: int) -> Document:
    """Return the document with a class's catalog workload written out as laws of lengths."""
    name = value_at(document, ("classes", index, "workload"))
    if name is None:
        return document
    changed = with_value(document, ("classes", index, "workload"), None)
    for key, value in _workload_fields(name).items():
        changed = with_value(changed, ("classes", index, key), value)
    return changed


@cache
def _workload_fields(name: str) -> dict[str, Any]:
    """Return a catalog workload as fields of a class."""
    found = catalog_document("workloads", name)
    fields = {key: _plain(found[key]) for key in ("prompt_tokens", "output_tokens")}
    correlation = found.get("length_correlation")
    return fields | ({} if correlation is None else {"length_correlation": correlation})


def _plain(form: Any) -> Any:
    return {str(k): _plain(v) for k, v in form.items()} if isinstance(form, dict) else form


def with_class(document: Document) -> Document:
    """Return the document with one class more, like the last one.

    Raises
    ------
    InputError
        There are as many as a page shows.
    """
    classes = document["classes"]
    if len(classes) >= 8:
        raise InputError("the page shows at most 8 classes; a file may have 64")
    names = {c.get("name", "all") for c in classes}
    name = next(n for n in (f"class-{i}" for i in range(2, 99)) if n not in names)
    changed = copy.deepcopy(document)
    changed["classes"] = [*classes, copy.deepcopy(classes[-1]) | {"name": name}]
    return _equal_shares(changed)


def without_class(document: Document, index: int) -> Document:
    """Return the document without one class."""
    changed = copy.deepcopy(document)
    del changed["classes"][index]
    return _equal_shares(changed)


def _equal_shares(document: Document) -> Document:
    """Give the classes of a scenario that says its total rate equal shares of it."""
    classes = document["classes"]
    if "total_tokens" not in document:
        return document
    return document | {"classes": [c | {"share": f"{1 / len(classes)!r}"} for c in classes]}
