"""Counts in windows of time: rates, dispersion, burstiness inside windows, the day's profile."""

from __future__ import annotations

from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.histogram import Places, chunks
from pdplan.workload.law import Array

_LEAST_GAPS: Final = 10  # a variance of fewer gaps inside a window says nothing
_HOUR_S: Final = 3600.0
#: Fewer seconds than this are no profile of a day.
DAY_S: Final = 86400.0


def window_counts(arrival_s: Array, span_s: float, window_s: float) -> Array:
    """Return the number of arrivals in each whole window of the span (the rest at the end is left out).

    Parameters
    ----------
    arrival_s : array
        Arrivals in order, from 0 [s].
    span_s, window_s : float
        Time observed, and length of a window [s].

    Examples
    --------
    >>> window_counts(np.array([0.1, 0.2, 1.5, 2.9, 3.1]), 3.5, 1.0).tolist()
    [2.0, 1.0, 1.0]
    """
    windows = max(int(span_s / window_s + 1e-9), 1)
    return np.diff(np.searchsorted(arrival_s, np.arange(windows + 1) * window_s)).astype(float)


def index_of_dispersion(counts: Array) -> float:
    """Return Var N / E N of counts in windows [-] (Cox and Lewis 1966, section 4.5).

    Examples
    --------
    >>> index_of_dispersion(np.array([2.0, 4.0, 2.0, 4.0]))
    0.4444444444444444
    """
    return float(np.var(counts, ddof=1) / np.mean(counts))


def local_scv(arrival_s: Array, window_s: float) -> float | None:
    """Return the SCV of gaps inside windows, each window against its own mean gap [-].

    Windows with fewer than 10 gaps are left out; the others weigh by their gaps.

    Parameters
    ----------
    arrival_s : array
        Arrivals in order, from 0 [s].
    window_s : float
        Length of a window [s].

    Examples
    --------
    >>> local_scv(np.arange(100.0), 50.0)
    0.0
    """
    windows = int(arrival_s[-1] / window_s) + 1
    first = np.searchsorted(arrival_s, np.arange(windows + 1) * window_s)
    gaps = np.diff(first) - 1
    keep = np.flatnonzero(gaps >= _LEAST_GAPS)
    if not keep.size:
        return None
    start, end, n = first[keep], first[keep + 1] - 1, gaps[keep].astype(float)
    mean = (arrival_s[end] - arrival_s[start]) / n
    square = _sums_of_squares(arrival_s, start, end) / n
    moving = mean > 0
    if not moving.any():
        return None
    n, mean, square = n[moving], mean[moving], square[moving]
    scv = np.maximum(square / mean**2 - 1.0, 0.0) * n / (n - 1.0)
    return float(n @ scv / n.sum())


def _sums_of_squares(arrival_s: Array, start: Places, end: Places) -> Array:
    """Return the sum of squared gaps between the arrivals ``start`` to ``end`` of each window."""
    # running sums restart in each chunk of arrivals, so that they stay as exact as one chunk's
    sums = np.zeros(start.size)
    for part in chunks(arrival_s.size - 1):
        running = np.zeros(part.stop - part.start + 1)
        np.cumsum(np.diff(arrival_s[part.start : part.stop + 1]) ** 2, out=running[1:])
        lo, hi = np.searchsorted(end, part.start, side="right"), np.searchsorted(start, part.stop)
        inside = slice(int(lo), int(hi))
        a = np.clip(start[inside], part.start, part.stop) - part.start
        b = np.clip(end[inside], part.start, part.stop) - part.start
        sums[inside] += running[b] - running[a]
    return sums


def day_profile(arrival_s: Array, start_of_day_s: float = 0.0) -> Array:
    """Return the mean rate in each of the 24 hours of the day [1/s].

    Parameters
    ----------
    arrival_s : array
        Arrivals in order, from 0 [s]; over a day at least.
    start_of_day_s : float
        Time of day of the first arrival [s after midnight].

    Raises
    ------
    InputError
        Less than a day.

    Examples
    --------
    >>> rates = day_profile(np.arange(0.0, 2 * 86400.0 + 1.0, 10.0))
    >>> rates.size, round(float(rates[3]), 3)
    (24, 0.1)
    """
    span_s = float(arrival_s[-1])
    if span_s < DAY_S:
        raise InputError(f"the trace spans {span_s / 3600:.3g} h: a profile of the day needs 24 h")
    first_hour = int(start_of_day_s // _HOUR_S)
    hours = int((start_of_day_s + span_s) // _HOUR_S) - first_hour + 1
    edges = np.clip((first_hour + np.arange(hours + 1)) * _HOUR_S - start_of_day_s, 0.0, span_s)
    counts = np.diff(np.searchsorted(arrival_s, edges)).astype(float)
    hour = (first_hour + np.arange(hours)) % 24
    requests = np.bincount(hour, counts, minlength=24)
    seconds = np.bincount(hour, np.diff(edges), minlength=24)
    rates: Array = requests / seconds
    return rates
