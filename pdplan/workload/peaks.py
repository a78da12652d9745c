"""Rates of busy windows: what to plan for when the rate of a trace moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.workload.law import Array
from pdplan.workload.ticks import detect_tick, spread_ticks
from pdplan.workload.traces import Trace
from pdplan.workload.windows import window_counts

_MOST_WINDOWS: Final = 5e7
_LEAST_TICKS: Final = 3  # counts over fewer ticks of the clock show how ticks were spread, not the traffic


@dataclass(frozen=True, slots=True)
class PlannedRate:
    """The rate that a share of the windows of a trace does not exceed.

    Parameters
    ----------
    rate : float
        The rate to plan for [1/s].
    quantile : float
        Share of windows asked for [-].
    window_s : float
        Length of a window [s].
    windows : int
        Whole windows in the trace.
    time_share : float
        Share of the windows, so of the time, whose rate is at most ``rate`` [-].
    request_share : float
        Share of the requests (those in whole windows) that arrive in these windows [-].
    mean_rate, peak_rate : float
        Over all windows, and in the busiest one [1/s].

    Examples
    --------
    >>> print(PlannedRate(7.4, 0.99, 60.0, 58, 0.983, 0.975, 5.5, 8.5))
    7.4 req/s, the p99 of 58 windows of 60 s: covers 98.3% of the time and 97.5% of the requests
    """

    rate: float
    quantile: float
    window_s: float
    windows: int
    time_share: float
    request_share: float
    mean_rate: float
    peak_rate: float

    def __str__(self) -> str:
        return (
            f"{self.rate:.4g} req/s, the p{100 * self.quantile:g} of {self.windows} windows of "
            f"{self.window_s:g} s: covers {100 * self.time_share:.3g}% of the time and "
            f"{100 * self.request_share:.3g}% of the requests"
        )


def window_rates(arrivals: Trace | Array, window_s: float) -> Array:
    """Return the rate in each whole window [1/s], coarse timestamps spread first.

    Parameters
    ----------
    arrivals : Trace or array
        A trace, or arrivals in order [s].
    window_s : float
        Length of a window [s]; at least three ticks of the clock, at most the span.

    Raises
    ------
    InputError
        No times, a window longer than the trace or so short that there are more than 5e7 of them, or one that
        the clock is too coarse for.

    Examples
    --------
    >>> window_rates(np.array([0.0, 0.5, 1.0, 2.5, 3.5, 4.0]), 2.0).tolist()
    [1.5, 1.0]
    """
    require_positive("window_s", window_s, "s")
    times = arrivals.arrival_s if isinstance(arrivals, Trace) else np.asarray(arrivals, dtype=float)
    if times.size < 2 or times[-1] <= times[0]:
        raise InputError("a trace with fewer than two moments of arrival has no rate")
    tick = detect_tick(times).tick_s
    span_s = float(times[-1] - times[0]) + (tick or 0.0)
    if window_s > span_s:
        raise InputError(f"windows of {window_s:g} s: the trace spans {span_s:.4g} s; give a shorter window")
    if span_s / window_s > _MOST_WINDOWS:
        raise InputError(
            f"windows of {window_s:g} s: the trace spans {span_s:.4g} s, which are more than "
            f"{_MOST_WINDOWS:.0e} of them; give longer windows"
        )
    if tick is not None and window_s < _LEAST_TICKS * tick:
        raise InputError(
            f"windows of {window_s:g} s: the clock of the trace ticks every {tick:g} s; "
            f"give windows of {_LEAST_TICKS * tick:g} s or more"
        )
    return window_counts(spread_ticks(times - times[0], tick), span_s, window_s) / window_s


def rate_for(arrivals: Trace | Array, window_s: float, quantile: float) -> PlannedRate:
    """Return the rate that a share ``quantile`` of the windows does not exceed, and what that covers.

    The quantile is the smallest window rate with at least that share of the windows at or below it, so few
    windows round up: p99 of fewer than 100 windows is the busiest one.

    Parameters
    ----------
    arrivals : Trace or array
        A trace, or arrivals in order [s].
    window_s : float
        Length of a window [s]. In short windows chance adds to the rate: a count N varies by sqrt(N) even
        where nothing drifts, and the planner's laws hold that variation already.
    quantile : float
        Share of windows, in (0, 1] [-].

    Raises
    ------
    InputError
        As `window_rates`; a quantile out of range.

    Examples
    --------
    >>> r = rate_for(np.array([0.0, 0.5, 1.0, 2.5, 3.5, 4.0]), 2.0, 0.5)
    >>> r.rate, r.time_share, r.request_share, r.peak_rate
    (1.0, 0.5, 0.4, 1.5)
    """
    require_fraction("quantile", quantile, open_low=True)
    rates = window_rates(arrivals, window_s)
    rate = float(np.quantile(rates, quantile, method="inverted_cdf"))
    covered = rates <= rate
    return PlannedRate(
        rate,
        quantile,
        window_s,
        int(rates.size),
        float(covered.mean()),
        float(rates[covered].sum() / rates.sum()),
        float(rates.mean()),
        float(rates.max()),
    )
