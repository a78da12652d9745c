"""Quantised timestamps: found, measured and spread, so that a clock is not taken for burstiness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.workload.law import Array

_LEAST_DUPLICATES: Final = 0.05  # fewer equal timestamps than this are chance, not a coarse clock
_JITTER: Final = 0.02  # a gap this near to a whole number of ticks counts as one
_ON_TICK: Final = 0.95  # share of gaps that must be whole numbers of ticks
_MOST_GAPS: Final = 1 << 20  # one clock stamps the whole trace: its start shows the tick


@dataclass(frozen=True)
class Clock:
    """How coarse the timestamps of a trace are.

    Parameters
    ----------
    tick_s : float or None
        Spacing of the timestamps [s]; None where they are fine enough.
    duplicate_share : float
        Share of requests that carry the timestamp of the request before them [-].
    """

    tick_s: float | None
    duplicate_share: float


def detect_tick(arrival_s: Array) -> Clock:
    """Return the tick of the clock that stamped these arrivals, if it is coarse.

    A coarse clock leaves many equal timestamps *and* gaps that are whole numbers of one tick (a per-stamp
    jitter of 2% is allowed). Requests that truly come in groups have the first and not the second.

    Parameters
    ----------
    arrival_s : array
        Arrivals in order [s].

    Examples
    --------
    >>> clock = detect_tick(np.floor(np.arange(100) * 0.3 / 3.0) * 3.0)
    >>> clock.tick_s, clock.duplicate_share
    (3.0, 0.9)
    >>> detect_tick(np.cumsum([0.31, 0.27, 0.44, 0.12])).tick_s is None
    True
    """
    moments = int(np.count_nonzero(arrival_s[1:] > arrival_s[:-1])) + 1
    duplicates = 1.0 - moments / arrival_s.size if arrival_s.size else 0.0
    if duplicates < _LEAST_DUPLICATES or moments < 3:
        return Clock(None, duplicates)
    gaps = np.diff(arrival_s[:_MOST_GAPS])
    positive = gaps[gaps > 0]
    if positive.size < 2:
        return Clock(None, duplicates)
    shortest = float(np.quantile(positive, 0.01))
    near = positive[positive < 20.5 * shortest]  # far gaps add up the error of the first guess
    counts = np.maximum(np.round(near / shortest), 1.0)
    tick = float(near.sum() / counts.sum())
    on_tick = np.abs(near - np.round(near / tick) * tick) <= _JITTER * tick
    if near.size < 0.5 * positive.size or on_tick.mean() < _ON_TICK:
        return Clock(None, duplicates)
    return Clock(round(tick, 9), duplicates)


def spread_ticks(arrival_s: Array, tick_s: float | None, *, seed: int = 0) -> Array:
    """Return the arrivals moved to random places inside their tick, in order [s].

    A stamp is taken as rounded down: the request came within one tick after it. Places are uniform and
    independent (Philox, ``seed``): evenly spaced ones would look more regular than any traffic.

    Examples
    --------
    >>> spread = spread_ticks(np.repeat([0.0, 3.0], 10), 3.0)
    >>> bool(spread[9] < 3.0 <= spread[10]), bool(np.all(np.diff(spread) >= 0))
    (True, True)
    """
    if tick_s is None:
        return arrival_s
    random = np.random.Generator(np.random.Philox(seed))
    spread: Array = random.random(arrival_s.size)
    spread *= tick_s
    spread += arrival_s
    spread.sort()
    return spread
