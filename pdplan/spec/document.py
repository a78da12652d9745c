"""Read one YAML document of the catalog and turn every defect into one line that names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pdplan.errors import InputError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 4_000_000
Item = TypeVar("Item", bound=BaseModel)


class _Loader(_Base):  # type: ignore[misc]
    """Safe YAML in which a date stays a string, so that a document is JSON too."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in _Base.yaml_implicit_resolvers.items()
}


def read_text(path: Path) -> str:
    """Return the text of a small UTF-8 file.

    Raises
    ------
    InputError
        Not there, not readable, not text, or larger than 4 MB.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(
                f"{path}: larger than {_MAX_BYTES // 10**6} MB, so it is not a file of this kind"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text") from error


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises
    ------
    InputError
        The file cannot be read, is not YAML, or is not a mapping.
    """
    text = read_text(path)
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise InputError(f"{where}: is not YAML ({getattr(error, 'problem', None) or 'syntax'})") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: must be a mapping of keys to values, and is {_kind(document)}")
    return {str(key): value for key, value in document.items()}


def _kind(document: object) -> str:
    return {type(None): "empty", list: "a list", str: "a text"}.get(type(document), "a single value")


def validated(kind: type[Item], document: dict[str, Any], where: str) -> Item:
    """Return ``document`` as a ``kind``.

    Raises
    ------
    InputError
        The first thing that is wrong, in one line that starts with ``where``.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {key + ': ' if key else ''}{said}{more}") from error
