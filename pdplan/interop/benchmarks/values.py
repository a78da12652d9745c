"""Numbers out of other people's files: the missing and the impossible are left out or refused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pdplan.errors import InputError, did_you_mean
from pdplan.latency.measured import ServedRequest, Spread

NAMES: Final = ("mean", "p50", "p90", "p95", "p99")
MS: Final = 1e-3
SECONDS: Final = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
    "nanoseconds": 1e-9,
}


def finite(value: Any) -> float | None:
    """Return a finite number as float; None for anything else.

    Examples
    --------
    >>> finite(2), finite("inf"), finite(True), finite(float("nan"))
    (2.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def need(values: Mapping[str, Any], key: str, where: str, *, least: float = 0.0) -> float:
    """Return a number that the file must hold.

    Raises
    ------
    InputError
        Missing, not a finite number, or below ``least``.
    """
    if key not in values:
        raise InputError(f"{where}: no {key}{did_you_mean(key, map(str, values))}")
    number = finite(values[key])
    if number is None or number < least:
        raise InputError(
            f"{where}: {key} is {str(values[key])[:60]!r}: it must be a finite number of at least {least:g}"
        )
    return number


def need_count(values: Mapping[str, Any], key: str, where: str, *, least: int = 0) -> int:
    """Return a whole number that the file must hold (1.0 counts as whole)."""
    number = need(values, key, where, least=least)
    if number != int(number):
        raise InputError(f"{where}: {key} is {number:g}: it must be a whole number")
    return int(number)


def optional(values: Mapping[str, Any], key: str) -> float | None:
    """Return a number of at least 0 where the file holds one."""
    number = finite(values.get(key))
    return number if number is not None and number >= 0 else None


def degree(values: Mapping[str, Any], *keys: str) -> int | None:
    """Return a degree of parallelism where one of the keys holds one, as number or text."""
    for key in keys:
        text = str(values.get(key, "")).removesuffix(".0")
        if text.isdecimal() and int(text[:9]) >= 1:
            return int(text[:9])
    return None


def spread(values: Mapping[str, Any], scale: float, what: str, prefix: str, corrections: list[str]) -> Spread:
    """Return mean and percentiles in s; what is impossible is left out and said.

    Parameters
    ----------
    values : mapping
        Raw values under the names mean, p50, p90, p95, p99; any may be missing or None.
    scale : float
        Seconds in the unit of the file [s].
    what : str
        Name of the latency, for the sentences.
    prefix : str
        What the sentences begin with.
    corrections : list of str
        Gets a sentence for each value that is left out, and for percentiles that fall.
    """
    kept: dict[str, float] = {}
    for name in NAMES:
        raw = values.get(name)
        number = finite(raw)
        if number is not None and number >= 0:
            kept[name] = number * scale
        elif raw is not None:
            corrections.append(f"{prefix}{name} of {what} is {str(raw)[:40]}: left out.")
    ranks = [name for name in NAMES[1:] if name in kept]
    falls = [f"{b} < {a}" for a, b in itertools.pairwise(ranks) if kept[b] < kept[a] * (1 - 1e-9)]
    if falls:
        corrections.append(
            f"{prefix}Percentiles of {what} fall ({', '.join(falls)}), which cannot be: kept as reported."
        )
    return Spread(**kept)


def spread_of(samples_s: Sequence[float] | Iterable[float]) -> Spread:
    """Return mean and percentiles of samples [s] (linear between order statistics); empty gives None.

    Examples
    --------
    >>> spread_of([0.1, 0.2, 0.3]).p50
    0.2
    """
    samples = np.asarray(list(samples_s), dtype=float)
    if samples.size == 0:
        return Spread()
    p50, p90, p95, p99 = np.percentile(samples, (50, 90, 95, 99)).tolist()
    return Spread(float(samples.mean()), p50, p90, p95, p99)


def tpot_of(served: Iterable[ServedRequest]) -> Spread:
    """Return TPOT = (e2e - TTFT)/(output - 1) over the requests with at least two output tokens [s]."""
    return spread_of((r.e2e_s - r.ttft_s) / (r.output_tokens - 1) for r in served if r.output_tokens > 1)


def mean_gap_s(e2e_s: float | None, ttft_s: float | None, output_tokens: float) -> float | None:
    """Return (mean e2e - mean TTFT)/(mean output - 1) [s]: exactly the mean gap between tokens.

    The mean of TPOT over requests is the same where all outputs are equally long, near it otherwise.

    Examples
    --------
    >>> mean_gap_s(3.0, 1.0, 101)
    0.02
    """
    if e2e_s is None or ttft_s is None or output_tokens <= 1 or e2e_s < ttft_s:
        return None
    return (e2e_s - ttft_s) / (output_tokens - 1)


def compare_tpot(reported_s: float | None, gap_s: float | None, prefix: str, corrections: list[str]) -> None:
    """Say where the reported mean TPOT is more than 25% off the one from mean e2e, TTFT and tokens."""
    if reported_s and gap_s and abs(reported_s / gap_s - 1) > 0.25:
        corrections.append(
            f"{prefix}Mean TPOT is {reported_s * 1e3:.4g} ms, but mean e2e, TTFT and tokens give "
            f"{gap_s * 1e3:.4g} ms: kept as reported; answers of mixed length explain some of it."
        )


def counted(number: float, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "request"), counted(3, "request")
    ('1 request', '3 requests')
    """
    return f"{number:g} {noun}" + ("" if number == 1 else "s")
