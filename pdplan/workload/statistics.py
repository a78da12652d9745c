"""What a trace says: rate by window, burstiness, lengths, correlation, reuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.law import Array
from pdplan.workload.prefix import prefix_reuse
from pdplan.workload.ticks import detect_tick, spread_ticks
from pdplan.workload.traces import Trace

#: Windows over which counts are compared [s].
WINDOWS_S: Final = (1.0, 10.0, 60.0, 300.0)
_LEAST_WINDOWS: Final = 5  # a variance over fewer windows says nothing
_LEAST_GAPS: Final = 10  # likewise of gaps inside a window
_LEAST_TICKS: Final = 3  # counts over fewer ticks of the clock show how ticks were spread, not the traffic


@dataclass(frozen=True)
class ArrivalStatistics:
    """How requests arrived.

    Parameters
    ----------
    rate : float
        Mean rate [1/s].
    span_s : float
        Time observed [s].
    window_s : float
        Window of the next three [s].
    peak_rate : float
        Rate in the busiest window [1/s].
    p99_rate : float
        Rate that 99% of the windows do not exceed [1/s].
    local_scv : float or None
        Squared coefficient of variation of gaps inside windows, each against its window's own mean gap [-]:
        1 for traffic that is Poisson with a slowly moving rate. None where windows hold too few requests,
        or where the clock is coarser than the gaps.
    index_of_dispersion : mapping
        Window [s] to Var N / E N of the counts [-]: 1 at every window for a Poisson process. Windows that the
        span or the clock does not allow are left out.
    tick_s : float or None
        Spacing of coarse timestamps [s], which were spread before all of the above.
    duplicate_share : float
        Share of requests with the timestamp of the one before [-].
    """

    rate: float
    span_s: float
    window_s: float
    peak_rate: float
    p99_rate: float
    local_scv: float | None
    index_of_dispersion: Mapping[float, float]
    tick_s: float | None
    duplicate_share: float


@dataclass(frozen=True)
class LengthStatistics:
    """Moments and percentiles of one length [tok]; ``scv`` is dimensionless."""

    mean: float
    scv: float
    least: float
    p50: float
    p90: float
    p99: float
    p999: float
    most: float


@dataclass(frozen=True)
class TraceStatistics:
    """Everything `describe` says of a trace."""

    requests: int
    arrivals: ArrivalStatistics
    prompt: LengthStatistics
    output: LengthStatistics
    correlation: float  #: Pearson, of the token counts [-]
    rank_correlation: float  #: Spearman [-]
    prefix_hit: float | None  #: share of prompt tokens found in a cache without limit; None without hashes
    uncached: LengthStatistics | None  #: prompt tokens left to prefill then


def describe_trace(trace: Trace, *, window_s: float = 60.0) -> TraceStatistics:
    """Return the statistics of a trace."""
    reuse = (
        prefix_reuse(trace.hash_ids, trace.prompt_tokens, trace.block_tokens)
        if trace.hash_ids is not None and trace.block_tokens is not None
        else None
    )
    return TraceStatistics(
        len(trace),
        arrival_statistics(trace.arrival_s, window_s=window_s),
        length_statistics(trace.prompt_tokens),
        length_statistics(trace.output_tokens),
        pearson(trace.prompt_tokens, trace.output_tokens),
        pearson(_ranks(trace.prompt_tokens), _ranks(trace.output_tokens)),
        None if reuse is None else reuse.hit_ratio,
        None if reuse is None else length_statistics(reuse.uncached_tokens),
    )


def arrival_statistics(arrival_s: Array, *, window_s: float = 60.0) -> ArrivalStatistics:
    """Return how requests arrived, after spreading coarse timestamps.

    The raw variation of gaps is left out on purpose: a drifting rate or a coarse clock makes it large without
    any burst, and the laws of queues would take it for one.

    Raises
    ------
    InputError
        Fewer than two requests, or all at one moment.

    Examples
    --------
    >>> rng = np.random.Generator(np.random.Philox(1))
    >>> s = arrival_statistics(np.cumsum(rng.exponential(0.1, 20000)))
    >>> round(s.rate, 1), 0.95 < s.local_scv < 1.05, 0.5 < s.index_of_dispersion[10.0] < 1.5
    (10.1, True, True)
    """
    if arrival_s.size < 2 or arrival_s[-1] <= arrival_s[0]:
        raise InputError("a trace with fewer than two moments of arrival has no rate")
    clock = detect_tick(arrival_s)
    span_s = float(arrival_s[-1] - arrival_s[0]) + (clock.tick_s or 0.0)
    spread = spread_ticks(arrival_s - arrival_s[0], clock.tick_s)
    window = min(window_s, span_s)
    counts = window_counts(spread, span_s, window)
    return ArrivalStatistics(
        (arrival_s.size if clock.tick_s else arrival_s.size - 1) / span_s,
        span_s,
        window,
        float(counts.max() / window),
        float(np.quantile(counts, 0.99, method="inverted_cdf") / window),
        local_scv(spread, window) if arrival_s.size * (clock.tick_s or 0.0) <= span_s else None,
        {
            w: index_of_dispersion(window_counts(spread, span_s, w))
            for w in WINDOWS_S
            if span_s >= _LEAST_WINDOWS * w and w >= _LEAST_TICKS * (clock.tick_s or 0.0)
        },
        clock.tick_s,
        clock.duplicate_share,
    )


def window_counts(arrival_s: Array, span_s: float, window_s: float) -> Array:
    """Return the number of arrivals in each whole window of the span (the rest at the end is left out).

    Examples
    --------
    >>> window_counts(np.array([0.1, 0.2, 1.5, 2.9, 3.1]), 3.5, 1.0).tolist()
    [2.0, 1.0, 1.0]
    """
    windows = max(int(span_s / window_s + 1e-9), 1)
    at = (arrival_s / window_s).astype(np.intp)
    return np.bincount(at[at < windows], minlength=windows).astype(float)


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

    Examples
    --------
    >>> local_scv(np.arange(100.0), 50.0)
    0.0
    """
    window = (arrival_s / window_s).astype(np.intp)
    inside = window[1:] == window[:-1]
    at, gaps = window[1:][inside], np.diff(arrival_s)[inside]
    n = np.bincount(at).astype(float)
    one, two = np.bincount(at, gaps), np.bincount(at, gaps**2)
    keep = (n >= _LEAST_GAPS) & (one > 0)
    if not keep.any():
        return None
    n, mean, square = n[keep], one[keep] / n[keep], two[keep] / n[keep]
    scv = np.maximum(square / mean**2 - 1.0, 0.0) * n / (n - 1.0)
    return float(n @ scv / n.sum())


def length_statistics(tokens: Array) -> LengthStatistics:
    """Return moments and percentiles of lengths.

    Examples
    --------
    >>> s = length_statistics(np.array([10.0, 20.0, 30.0, 40.0]))
    >>> s.mean, round(s.scv, 6), s.p50, s.p99
    (25.0, 0.2, 20.0, 40.0)
    """
    if tokens.size == 0:
        raise InputError("no lengths: a trace needs at least one request")
    quantiles = np.quantile(tokens, (0.0, 0.5, 0.9, 0.99, 0.999, 1.0), method="inverted_cdf")
    mean = float(tokens.mean())
    return LengthStatistics(mean, float(tokens.var()) / mean**2 if mean else 0.0, *map(float, quantiles))


def pearson(x: Array, y: Array) -> float:
    """Return the Pearson correlation of two samples [-]; 0 where one does not vary.

    Examples
    --------
    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])), 6)
    1.0
    """
    a, b = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _ranks(x: Array) -> Array:
    """Return mid-ranks, equal for equal values."""
    _, group, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Array = (last - (count - 1) / 2.0)[group]
    return ranks
