"""Readers of the fields of a latency profile: each returns a checked value or says what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdplan.errors import InputError, UnknownNameError, did_you_mean

#: Keys of a profile, of a variant with fits, of a variant with tables.
TOP_KEYS = frozenset(
    [
        "name",
        "aliases",
        "what",
        "model",
        "accelerator",
        "engine",
        "weights_dtype",
        "kv_dtype",
        "measured",
        "variants",
        "kv_capacity",
        "engine_overhead",
        "calibration",
        "notes",
        "sources",
    ]
)
FITTED_KEYS = frozenset(
    [
        "tp",
        "pp",
        "prefill_ms",
        "decode_ms",
        "prefill_tokens_range",
        "decode_batch_range",
        "decode_context_range",
        "decode_context_sum_range",
        "fit_error",
        "identifiability",
        "ttft_overhead_ms",
        "ttft_overhead_per_token_ms",
    ]
)
TABLE_KEYS = frozenset(
    ["tp", "pp", "prefill_tokens_per_s", "prefill_table", "decode_tables", "ttft_overhead_ms"]
)


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


def entries(where: str, entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return a list that must be there and hold something."""
    values = required(where, entry, key)
    if not isinstance(values, list) or not values:
        raise InputError(f"{where}: {key} must be a list of at least one entry")
    return values


def sentences(where: str, entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts, empty where there is none."""
    values = entry.get(key, [])
    if not isinstance(values, list):
        raise InputError(f"{where}: {key} must be a list of sentences")
    return tuple(str(v) for v in values)


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
    """Return a (lowest, highest) pair; both alike where one value was measured."""
    values = numbers(where, entry, key)
    if len(values) != 2 or not values[0] <= values[1]:
        raise InputError(f"{where}: {key} is {list(values)}: give [lowest, highest]")
    return values[0], values[1]


def optional_pair(where: str, entry: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """Return a (lowest, highest) pair, None where it is not given."""
    return pair(where, entry, key) if key in entry else None


def calibration(where: str, document: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the measured step factor and how it was measured."""
    entry = document.get("calibration", {})
    known_keys(f"{where}, calibration", entry, frozenset(["step_factor", "how"]))
    if "step_factor" not in entry:
        return None, ""
    factor = number(f"{where}, calibration", entry, "step_factor")
    if not 0.1 < factor <= 1.0:
        raise InputError(
            f"{where}, calibration: step_factor is {factor:g}: it must be above 0.1 and at most 1"
        )
    return factor, str(entry.get("how", ""))
