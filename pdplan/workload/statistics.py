"""What a trace says: rate by window, burstiness, lengths, correlation, classes, reuse."""

from __future__ import annotations

from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.classes import suggested_classes
from pdplan.workload.described import ArrivalStatistics, LengthStatistics, ReuseStatistics, TraceStatistics
from pdplan.workload.histogram import TokenHistogram, pearson_of, rank_correlation
from pdplan.workload.law import Array
from pdplan.workload.prefix import prefix_reuse
from pdplan.workload.ticks import detect_tick, spread_ticks
from pdplan.workload.traces import Trace
from pdplan.workload.windows import DAY_S, day_profile, index_of_dispersion, local_scv, window_counts

#: Windows over which counts are compared [s].
WINDOWS_S: Final = (1.0, 10.0, 60.0, 300.0, 3600.0)
#: Quantiles of the window rates that are kept [-].
RATE_QUANTILES: Final = (0.05, 0.5, 0.9, 0.95, 0.99)
_MOST_WINDOWS: Final = 4_000_000  # windows are left out where a trace has more of them
_LEAST_WINDOWS: Final = 5  # a variance over fewer windows says nothing
_LEAST_TICKS: Final = 3  # counts over fewer ticks of the clock show how ticks were spread, not the traffic


def describe_trace(
    trace: Trace, *, window_s: float = 60.0, cache_tokens: float | None = None
) -> TraceStatistics:
    """Return the statistics of a trace.

    Parameters
    ----------
    trace : Trace
    window_s : float
        Window of the rates [s].
    cache_tokens : float, optional
        Size of a prefix cache to look at beside one without limit [tok].

    Raises
    ------
    InputError
        A cache smaller than a block, or a cache for a trace that does not tell which prompts share a prefix.
    """
    of_prompt, of_output = TokenHistogram.of(trace.prompt_tokens), TokenHistogram.of(trace.output_tokens)
    reuse = trace_reuse(trace, cache_tokens)
    return TraceStatistics(
        len(trace),
        arrival_statistics(trace.arrival_s, window_s=window_s) if trace.has_times else None,
        _of_histogram(of_prompt),
        _of_histogram(of_output),
        pearson_of(trace.prompt_tokens, trace.output_tokens, of_prompt.mean, of_output.mean),
        rank_correlation(trace.prompt_tokens, trace.output_tokens, of_prompt, of_output),
        reuse[0].hit if reuse else None,
        reuse[0].uncached if reuse else None,
        reuse,
        suggested_classes(trace.prompt_tokens, trace.output_tokens, trace.labels),
        _day_rates(trace),
    )


def trace_reuse(trace: Trace, cache_tokens: float | None = None) -> tuple[ReuseStatistics, ...]:
    """Return what a prefix cache without limit, and one of ``cache_tokens`` [tok], would have held.

    Raises
    ------
    InputError
        As `describe_trace`.
    """
    if trace.hash_ids is None or trace.block_tokens is None:
        if cache_tokens is not None:
            raise InputError(
                f"trace {trace.source}: it does not tell which prompts share a prefix (no hash_ids), so "
                "nothing can be said of a cache"
            )
        return ()
    sizes: list[float | None] = [None]
    if cache_tokens is not None:
        if cache_tokens < trace.block_tokens:
            raise InputError(
                f"a cache of {cache_tokens:g} tokens holds no block of {trace.block_tokens} tokens: give more"
            )
        sizes.append(cache_tokens)
    found = []
    for size in sizes:
        blocks = None if size is None else int(size // trace.block_tokens)
        reuse = prefix_reuse(trace.hash_ids, trace.prompt_tokens, trace.block_tokens, blocks)
        found.append(
            ReuseStatistics(
                size,
                reuse.hit_ratio,
                length_statistics(reuse.cached_tokens),
                length_statistics(reuse.uncached_tokens),
            )
        )
    return tuple(found)


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
    tick_s = clock.tick_s or 0.0
    span_s = float(arrival_s[-1] - arrival_s[0]) + tick_s
    from_zero = arrival_s if arrival_s[0] == 0.0 else arrival_s - arrival_s[0]
    spread = spread_ticks(from_zero, clock.tick_s)
    window = min(max(window_s, span_s / _MOST_WINDOWS), span_s)
    rates = window_counts(spread, span_s, window) / window
    quantiles = np.quantile(rates, RATE_QUANTILES, method="inverted_cdf")
    return ArrivalStatistics(
        (arrival_s.size if clock.tick_s else arrival_s.size - 1) / span_s,
        span_s,
        window,
        float(rates.max()),
        float(quantiles[-1]),
        local_scv(spread, window) if arrival_s.size * tick_s <= span_s else None,
        {
            w: index_of_dispersion(window_counts(spread, span_s, w))
            for w in WINDOWS_S
            if _LEAST_WINDOWS * w <= span_s <= _MOST_WINDOWS * w and w >= _LEAST_TICKS * tick_s
        },
        clock.tick_s,
        clock.duplicate_share,
        dict(zip(RATE_QUANTILES, quantiles.tolist(), strict=True)),
        int(rates.size),
    )


def length_statistics(tokens: Array) -> LengthStatistics:
    """Return moments and percentiles of lengths.

    Examples
    --------
    >>> s = length_statistics(np.array([10.0, 20.0, 30.0, 40.0]))
    >>> s.mean, round(s.scv, 6), s.p50, s.p99
    (25.0, 0.2, 20.0, 40.0)
    """
    return _of_histogram(TokenHistogram.of(tokens))


def _of_histogram(histogram: TokenHistogram) -> LengthStatistics:
    quantiles = histogram.quantiles(np.array([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]))
    return LengthStatistics(histogram.mean, histogram.scv, *map(float, quantiles))


def _day_rates(trace: Trace) -> tuple[float, ...] | None:
    if trace.arrival_s[-1] < DAY_S:
        return None
    start = 0.0 if trace.start_epoch_s is None else trace.start_epoch_s % DAY_S
    return tuple(day_profile(trace.arrival_s, start).tolist())
