"""Which line of a scenario file is to blame: pydantic's errors as one line a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pdplan.errors import ScenarioError, did_you_mean
from pdplan.spec.fields import KEY_UNITS
from pdplan.spec.scenario import Origin, Scenario
from pdplan.spec.yaml_lines import Path_


def explain_validation(error: ValidationError, document: Mapping[str, Any], origin: Origin) -> ScenarioError:
    """Turn pydantic's first error into ``file:line: what is wrong, and the remedy``."""
    problems = error.errors(include_url=False)
    problems = [e for e in problems if not _wrong_branch(e)] or problems
    problem = min(problems, key=lambda e: (e["type"] != "extra_forbidden", -len(e["loc"])))
    path = _clean(problem["loc"], document)
    where = origin.at(_written(path, document))
    dotted = _dotted(path, document)
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _fields_at(path[:-1])
        hint = did_you_mean(str(path[-1]), known, limit=1) or _known(known)
        return ScenarioError(f"{where}: unknown key {str(path[-1])[:60]!r}{_inside(path, document)}{hint}")
    if kind == "missing":
        return ScenarioError(f"{where}: {dotted} is missing: add it")
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        if message.startswith("value is "):
            return ScenarioError(f"{where}: {dotted} is {message.removeprefix('value is ')}")
        return ScenarioError(f"{where}: {dotted + ': ' if dotted else ''}{message}")
    given = problem["input"]
    if kind == "literal_error":
        expected = problem["ctx"]["expected"]
        options = [o.strip("'") for o in expected.replace(" or ", ", ").split(", ")]
        hint = did_you_mean(str(given), options)
        return ScenarioError(f"{where}: {dotted} is {given!r}: it must be {expected}{hint}")
    return ScenarioError(f"{where}: {dotted} {_is(given)}: {_must(problem, path)}")


def _known(fields: list[str]) -> str:
    """What may be written instead: short lists in full."""
    return f"; known: {', '.join(fields)}" if 0 < len(fields) <= 8 else "; `pdplan schema` has the known keys"


def _is(given: Any) -> str:
    """What was given, as people say it."""
    if given is None:
        return "is empty"
    if isinstance(given, (dict, list, tuple)):
        return f"is {'a mapping' if isinstance(given, dict) else 'a list' if given else 'an empty list'}"
    text = repr(given)
    return f"is {text if len(text) <= 80 else text[:60] + '...'}"


def _must(problem: Any, path: Path_) -> str:
    """What it must be: pydantic's words for people."""
    kind = problem["type"]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        fields = _fields_at(path)
        return "it must be a mapping" + (f" with {', '.join(fields)}" if fields else "")
    if kind == "too_short":
        return f"give at least {problem['ctx']['min_length']}"
    if kind == "too_long":
        return f"give at most {problem['ctx']['max_length']}"
    if kind in _MUST:
        return _MUST[kind]
    message = str(problem["msg"]).replace("Input should be", "it must be")
    return f"{message[0].lower()}{message[1:]}"


#: kind of pydantic's error -> what the value must be
_MUST: Final = {
    "tuple_type": "it must be a list",
    "list_type": "it must be a list",
    "string_type": "it must be a text",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number, written with digits alone",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "finite_number": "it must be finite",
}


#: names pydantic puts into a location for the branches of unions such as ``latency: str | InlineLatency``
_BRANCHES: Final = frozenset({"str", "constrained-str", "InlineLatency", "TraceRate", "[key]"})


def _wrong_branch(problem: Any) -> bool:
    """Whether an error belongs to the branch of a union that the writer did not mean."""
    return problem["type"] in ("string_type", "model_type") and bool(_BRANCHES & set(problem["loc"]))


def _clean(loc: tuple[int | str, ...], document: Mapping[str, Any]) -> Path_:
    """Drop from a pydantic location what is not a key of the document (union branch names, ``[key]``)."""
    return tuple(step for step in loc if step not in _BRANCHES and not str(step).startswith("function-"))


def _written(path: Path_, document: Any) -> Path_:
    """Map a model path to the path as written: class index to name, fields to keys with units."""
    out: list[str | int] = []
    place: Any = document
    for step in path:
        key: Any = step
        if isinstance(place, dict):
            if key not in place:
                if isinstance(step, int) and out == ["classes"] and step < len(place):
                    key = list(place)[step]
                else:
                    key = next((k for k in place if isinstance(k, str) and same_field(k, str(step))), step)
            place = place.get(key)
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        else:
            place = None
        out.append(key)
    return tuple(out)


def _dotted(path: Path_, document: Mapping[str, Any]) -> str:
    """``classes.chat.slo.ttft`` rather than ``classes[0].slo.ttft``."""
    words: list[str] = []
    classes = document.get("classes")
    for i, step in enumerate(path):
        if i == 1 and path[0] == "classes" and isinstance(step, int):
            name: Any = None
            if isinstance(classes, list) and step < len(classes) and isinstance(classes[step], dict):
                name = classes[step].get("name")
            elif isinstance(classes, dict):
                name = list(classes)[step]
            words.append(str(name if name is not None else step))
        else:
            words.append(str(step))
    return ".".join(word if word.isprintable() else repr(word) for word in words)


def _inside(path: Path_, document: Mapping[str, Any]) -> str:
    return f" in {_dotted(path[:-1], document)}" if len(path) > 1 else ""


def _fields_at(path: Path_) -> list[str]:
    """Names of the fields of the model at ``path``."""
    model: type[BaseModel] = Scenario
    for step in path:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(str(step))
        found = _model_in(field.annotation) if field else None
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model inside an annotation such as ``tuple[RequestClass, ...]`` or ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _model_in(a)) is not None), None)


def same_field(written: str, wanted: str) -> bool:
    """Whether a key written with its unit (``rate_req_per_s``) is the field that is being set."""
    return written == wanted or any(written == wanted + suffix for suffix in KEY_UNITS)
