"""The statistics of a trace as one JSON document, in SI units."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pdplan.workload.described import ArrivalStatistics, ReuseStatistics, TraceStatistics
from pdplan.workload.traces import Trace


def trace_document(trace: Trace, measured: TraceStatistics) -> dict[str, Any]:
    """Return what `describe_trace` found, ready for JSON.

    Times are in seconds, rates per second, lengths in tokens; what a trace does not tell is null.

    Examples
    --------
    >>> from pdplan.workload.statistics import describe_trace
    >>> t = Trace(np.array([0.0, 2.0]), np.array([5.0, 7.0]), np.array([1.0, 3.0]), None, None, "x", "memory")
    >>> found = trace_document(t, describe_trace(t))
    >>> found["requests"], found["arrivals"]["rate_per_s"], found["prompt_tokens"]["mean"], found["reuse"]
    (2, 0.5, 6.0, [])
    """
    return {
        "source": trace.source,
        "format": trace.format,
        "requests": measured.requests,
        "start_epoch_s": trace.start_epoch_s,
        "notes": list(trace.notes),
        "skipped_rows": [s._asdict() for s in trace.skipped],
        "arrivals": None if measured.arrivals is None else _arrivals(measured.arrivals),
        "prompt_tokens": asdict(measured.prompt),
        "output_tokens": asdict(measured.output),
        "length_correlation": measured.correlation,
        "rank_correlation": measured.rank_correlation,
        "sessions": session_counts(trace),
        "reuse": [_reuse(r) for r in measured.reuse],
        "block_tokens": trace.block_tokens,
        "suggested_classes": None if measured.classes is None else asdict(measured.classes),
        "day_rates_per_s": None if measured.day_rates is None else list(measured.day_rates),
    }


def _arrivals(arrivals: ArrivalStatistics) -> dict[str, Any]:
    return {
        "rate_per_s": arrivals.rate,
        "span_s": arrivals.span_s,
        "window_s": arrivals.window_s,
        "windows": arrivals.windows,
        "peak_rate_per_s": arrivals.peak_rate,
        "rate_quantiles": {f"{100 * p:g}": rate for p, rate in arrivals.rate_quantiles.items()},
        "local_scv": arrivals.local_scv,
        "index_of_dispersion": {f"{w:g}": x for w, x in arrivals.index_of_dispersion.items()},
        "tick_s": arrivals.tick_s,
        "duplicate_share": arrivals.duplicate_share,
    }


def _reuse(reuse: ReuseStatistics) -> dict[str, Any]:
    return {
        "cache_tokens": reuse.cache_tokens,
        "hit": reuse.hit,
        "cached_tokens": asdict(reuse.cached),
        "uncached_tokens": asdict(reuse.uncached),
    }


def session_counts(trace: Trace) -> dict[str, float] | None:
    """Return how many conversations there are and how many requests each has on average."""
    if trace.sessions is None or not (trace.sessions >= 0).any():
        return None
    known = trace.sessions[trace.sessions >= 0]
    number = int(np.unique(known).size)
    return {"sessions": number, "requests_per_session": known.size / number}
