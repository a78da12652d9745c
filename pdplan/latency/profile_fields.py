"""Readers of the fields of a latency profile: each returns a checked value or says what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdplan.errors import InputError, UnknownNameError, did_you_mean


def known_keys(where: str, entry: Any, known: frozenset[str]) -> None:
    """Refuse what is no mapping, and keys that are not known."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected keys and values, found {entry!r}")
    for key in entry:
        if key not in known:
            raise UnknownNameError(f"{where}: unknown key {key!r}{did_you_mean(str(key), known)}")


def required(where: str, entry: Mapping[str, Any], key: str) -> Any:
    """Return the value of ``key``."""
    if not isinstance(entry, Mapping) or entry.get(key) is None:
        raise InputError(f"{where}: {key} is missing")
    return entry[key]


def number(where: str, entry: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Return a number."""
    value = entry.get(key, default) if default is not None else required(where, entry, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{where}: {key} is {value!r}: it must be a number")
    return float(value)


def ms(where: str, entry: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Return a time given in ms, in seconds."""
    return number(where, entry, key, default) / 1e3


def count(where: str, entry: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """Return a whole number of at least 1."""
    value = number(where, entry, key, default)
    if value < 1 or value != int(value):
        raise InputError(f"{where}: {key} is {value:g}: it must be a whole number of at least 1")
    return int(value)


def numbers(where: str, entry: Mapping[str, Any], key: str) -> tuple[float, ...]:
    """Return a list of numbers."""
    values = required(where, entry, key)
    if not isinstance(values, list):
        raise InputError(f"{where}: {key} is {values!r}: it must be a list of numbers")
    return tuple(number(where, {key: v}, key) for v in values)


def pair(where: str, entry: Mapping[str, Any], key: str) -> tuple[float, float]:
    """Return a (lowest, highest) pair."""
    values = numbers(where, entry, key)
    if len(values) != 2 or not values[0] < values[1]:
        raise InputError(f"{where}: {key} is {list(values)}: give [lowest, highest]")
    return values[0], values[1]
