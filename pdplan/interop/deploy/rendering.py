"""Templates to text. Jinja2 is imported when something is rendered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class Manifest:
    """One file: its name, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Export:
    """The files of one target, with what they were checked against and what must be known."""

    target: str
    files: tuple[Manifest, ...]
    against: tuple[str, ...]
    notes: tuple[str, ...]


def render(template: str, **context: Any) -> str:
    """Fill a template of this package; a name that is missing is an error, not an empty text."""
    return _environment().get_template(template).render(**context)


def quoted(text: str) -> str:
    """Quote a text for YAML: as in JSON, which YAML reads alike, or in single quotes where that reads better.

    Examples
    --------
    >>> print(quoted("0.92"), quoted('{"a":1}'), quoted("it's"))
    "0.92" '{"a":1}' "it's"
    """
    if '"' in text and "'" not in text and text.isascii() and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=True)


def comment(lines: list[str]) -> str:
    """Put ``#`` before each line.

    Examples
    --------
    >>> print(comment(["one", "", "two"]))
    # one
    #
    # two
    """
    return "\n".join(f"# {line}".rstrip() for line in lines)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pdplan.interop.deploy"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # YAML and shell: values are quoted where they stand
    )
    environment.filters["q"] = quoted
    environment.filters["comment"] = comment
    return environment
