"""Quantities at the edge: ``"400 ms"``, ``"200 Gb/s"``, ``"80 GiB"`` become SI floats, and back.

Inside pdplan every number is SI: seconds, bytes, bytes/s, FLOP/s, 1/s, tokens, tokens/s, US dollars per hour,
watts. Bits and bytes (b, B) and decimal and binary prefixes (GB, GiB) are different units and never mix.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from pdplan.errors import UnitError, did_you_mean

_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_DECIMAL: Final = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def _per(base: Mapping[str, float], seconds: Mapping[str, float]) -> dict[str, float]:
    return {f"{b}/{s}": x / y for b, x in base.items() for s, y in seconds.items()}


_PER_TIME: Final = {k: v for k, v in _SECONDS.items() if k in ("ms", "s", "sec", "min", "h", "d")}
_BYTES: Final = {p + "B": x for p, x in (_DECIMAL | _BINARY).items()}
_BITS: Final = {p + "b": x / 8 for p, x in _DECIMAL.items()} | {p + "bit": x / 8 for p, x in _DECIMAL.items()}
_TOKENS: Final = {
    p + t: x
    for p, x in (("", 1.0), ("k ", 1e3), ("k", 1e3), ("M ", 1e6), ("M", 1e6), ("G ", 1e9), ("G", 1e9))
    for t in ("tok", "token", "tokens")
}
_REQUESTS: Final = {"req": 1.0, "requests": 1.0, "request": 1.0, "kreq": 1e3}

#: dimension -> (SI unit, {unit: factor to SI})
DIMENSIONS: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "time": ("s", _SECONDS),
    "bytes": ("B", _BYTES),
    "bytes_per_s": (
        "B/s",
        _per(_BYTES, {"s": 1.0})
        | _per(_BITS, {"s": 1.0})
        | {p + "bps": x / 8 for p, x in _DECIMAL.items() if p},
    ),
    "flops_per_s": ("FLOP/s", {p + f: x for p, x in _DECIMAL.items() for f in ("FLOP/s", "FLOPS", "FLOPs")}),
    "rate": (
        "req/s",
        _per(_REQUESTS, _PER_TIME)
        | {"rps": 1.0, "qps": 1.0, "/s": 1.0, "1/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
    ),
    "tokens": ("tok", _TOKENS),
    "tokens_per_s": ("tok/s", _per(_TOKENS, _PER_TIME)),
    "price": ("USD/h", {"USD/h": 1.0, "$/h": 1.0, "USD/hr": 1.0, "$/hr": 1.0}),
    "power": ("W", {"W": 1.0, "kW": 1e3, "MW": 1e6}),
    "fraction": ("", {"%": 0.01}),
}
_BARE_OK: Final = frozenset({"tokens", "fraction"})
_EXAMPLE: Final = {
    "time": "400 ms",
    "bytes": "80 GiB",
    "bytes_per_s": "200 Gb/s",
    "flops_per_s": "989 TFLOP/s",
    "rate": "8 req/s",
    "tokens": "2048 tok",
    "tokens_per_s": "5 M tok/min",
    "price": "2.5 USD/h",
    "power": "700 W",
    "fraction": "90%",
}
_NOUN: Final = {
    "time": "a time",
    "bytes": "a size in bytes",
    "bytes_per_s": "a bandwidth",
    "flops_per_s": "a compute rate",
    "rate": "a request rate",
    "tokens": "a number of tokens",
    "tokens_per_s": "a token rate",
    "price": "a price",
    "power": "a power",
    "fraction": "a fraction",
}
_QUANTITY: Final = re.compile(
    r"^\s*(?P<number>[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>.*?)\s*$"
)


def parse(value: object, dimension: str, *, what: str = "value") -> float:
    """Return ``value`` in the SI unit of ``dimension``.

    Parameters
    ----------
    value : str or number
        A number with a unit. A bare number is accepted only for tokens and fractions, where it cannot be
        misread; elsewhere the unit is asked for.
    dimension : str
        A key of `DIMENSIONS`.
    what : str
        What the value is, for the message.

    Raises
    ------
    UnitError
        Not a quantity, unknown unit, wrong dimension, not finite.

    Examples
    --------
    >>> parse("400 ms", "time")
    0.4
    >>> parse("200 Gb/s", "bytes_per_s"), parse("25 GB/s", "bytes_per_s")
    (25000000000.0, 25000000000.0)
    >>> parse("80 GiB", "bytes") / parse("80 GB", "bytes")
    1.073741824
    >>> round(parse("5 M tok/min", "tokens_per_s"), 3)
    83333.333
    >>> parse("90%", "fraction")
    0.9
    >>> parse("400", "time", what="ttft")
    Traceback (most recent call last):
    pdplan.errors.UnitError: ttft is 400 without a unit: give a time such as "400 ms"
    """
    table = DIMENSIONS[dimension][1]
    hint = f'give {_NOUN[dimension]} such as "{_EXAMPLE[dimension]}"'
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UnitError(f"{what} is {_shown(value)}: {hint}")
    if isinstance(value, (int, float)):
        number, unit = _finite(value), ""
    else:
        match = _QUANTITY.match(value)
        if match is None:
            raise UnitError(f"{what} is {_shown(value)}, not a number with a unit: {hint}")
        number, unit = float(match["number"].replace("_", "")), match["unit"]
    if not math.isfinite(number):
        raise UnitError(f"{what} is {_shown(value)}: it must be finite; {hint}")
    if not unit:
        if dimension in _BARE_OK:
            return number
        raise UnitError(f"{what} is {value} without a unit: {hint}")
    factor = table.get(unit)
    if factor is None:
        factor = table.get(re.sub(r"\s+", " ", unit.replace(" /", "/").replace("/ ", "/")))
    if factor is None:
        raise UnitError(f"{what} is {_shown(value)}: {_why_not(unit, dimension)}; {hint}")
    result = number * factor if factor >= 1 else number / (1.0 / factor)  # 95% is 0.95, not 95 x 0.01
    if not math.isfinite(result):
        raise UnitError(f"{what} is {_shown(value)}: too large; {hint}")
    return result


def _finite(value: int | float) -> float:
    """Return a number as a float; one too large for that is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: object) -> str:
    """Show a value as written, a long one cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _why_not(unit: str, dimension: str) -> str:
    """Say what is wrong with ``unit``: another dimension, a near miss, or unknown."""
    for other, (_, table) in DIMENSIONS.items():
        if other != dimension and unit in table:
            return f"{unit!r} is the unit of {_NOUN[other]}, not of {_NOUN[dimension]}"
    return f"unknown unit {unit!r}{did_you_mean(unit, DIMENSIONS[dimension][1])}"


_SCALES: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "time": ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    "bytes": ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "bytes_per_s": ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")),
    "flops_per_s": ((1e15, "PFLOP/s"), (1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1.0, "FLOP/s")),
    "rate": ((1.0, "req/s"), (1 / 60, "req/min"), (1 / 3600, "req/h")),
    "tokens": ((1.0, "tok"),),
    "tokens_per_s": ((1e6, "M tok/s"), (1e3, "k tok/s"), (1.0, "tok/s")),
    "price": ((1.0, "USD/h"),),
    "power": ((1e6, "MW"), (1e3, "kW"), (1.0, "W")),
    "fraction": ((0.01, "%"),),
}


def show(value: float, dimension: str, *, digits: int = 3) -> str:
    """Return ``value`` (SI) as a short quantity a person reads, which `parse` reads back.

    Examples
    --------
    >>> show(0.0107, "time"), show(25e9, "bytes_per_s"), show(268435456, "bytes")
    ('10.7 ms', '25 GB/s', '256 MiB')
    >>> show(0.85, "fraction"), show(8.0, "rate"), show(90.0, "time")
    ('85%', '8 req/s', '90 s')
    """
    scales = _SCALES[dimension]
    if dimension == "time":
        scales = scales[2:] if abs(value) < 600 else scales
    factor, unit = next(((f, u) for f, u in scales if abs(value) >= f * (1 - 0.5 * 10**-digits)), scales[-1])
    text = _significant(value / factor, digits)
    return f"{text}%" if unit == "%" else f"{text} {unit}"


def _significant(x: float, digits: int) -> str:
    """Format with ``digits`` significant digits, plain notation between 1e-3 and 1e6."""
    if x == 0:
        return "0"
    if 1e-3 <= abs(x) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(x))))
        text = f"{x:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{x:.{digits - 1}e}"
