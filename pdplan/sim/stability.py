"""Whether a run was in a steady state: the trend of the requests in the system."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pdplan.sim.raw import RawRun

Array = NDArray[np.float64]
Regime = Literal["steady", "saturated", "backlogged"]

#: Moments at which the requests in the system are counted.
SAMPLES = 256
#: Share of the arrivals' time that is not looked at: the system fills.
SKIPPED = 0.1
#: Growth over the window, in units of its mean, from which on a trend is a backlog (a queue that grows from
#: nothing has 2).
GROWTH = 0.5
#: Standard errors by which a trend must differ from none.
SIGNIFICANT = 3.0
#: Share of the arrivals that a queue limit or lost patience must turn away, and share of time at the limit
#: of a station, from which on a run without a trend is saturated.
LOST = 0.001
FULL = 0.98


@dataclass(frozen=True, slots=True)
class Stability:
    """The verdict on a run.

    Attributes
    ----------
    regime : str
        ``steady``; ``saturated``: a station is at its limit, and a queue limit, lost patience or a fixed
        number of users keeps the backlog from growing; ``backlogged``: more arrived than was served and the
        requests in the system grew until the arrivals ended.
    growth_per_s : float
        Trend of the requests in the system [1/s].
    mean_in_system, largest_in_system : float
        While requests arrived [-].
    reason : str
        One line.
    """

    regime: Regime
    growth_per_s: float
    mean_in_system: float
    largest_in_system: int
    reason: str

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "regime": self.regime,
            "growth_per_s": self.growth_per_s,
            "mean_in_system": self.mean_in_system,
            "largest_in_system": self.largest_in_system,
            "reason": self.reason,
        }


def in_system(raw: RawRun, moments: Array) -> Array:
    """Return how many requests are in the system at each moment [-].

    Examples
    --------
    A request from 0 to 2 s and one from 1 to 5 s: see tests/sim/test_sim_stability.py.
    """
    arrived = np.searchsorted(np.sort(raw.arrival_s), moments, side="right")
    left = np.searchsorted(np.sort(raw.end_s), moments, side="right")
    return (arrived - left).astype(float)


def trend(values: Array) -> tuple[float, float]:
    """Return (slope per sample, its standard error), corrected for the first-order correlation of the rest.

    The number of samples is reduced by (1 - r)/(1 + r), r the lag-1 correlation of the residuals.
    Source: B. D. Santer et al., J. Geophys. Res. 105 (2000) 7337-7356, eqs 3-6.

    Examples
    --------
    >>> slope, error = trend(np.arange(100.0))
    >>> round(slope, 6), error < 1e-6
    (1.0, True)
    """
    n = values.size
    x = np.arange(n) - 0.5 * (n - 1)
    spread = float((x**2).sum())
    slope = float((x * values).sum()) / spread
    rest = values - values.mean() - slope * x
    power = float((rest**2).sum())
    r = float((rest[1:] * rest[:-1]).sum()) / power if power > 0 else 0.0
    effective = max(2.5, n * (1 - r) / (1 + r)) if r > 0 else float(n)
    return slope, math.sqrt(power / (effective - 2.0) / spread)


def stability(raw: RawRun, *, prefill_busy: float = 0.0, batch_full: float = 0.0) -> Stability:
    """Judge a run between a tenth of its arrivals' time and the last arrival.

    Not from the end of the warm-up: a backlog has none, and the later one looks the flatter it seems.

    Parameters
    ----------
    raw : RawRun
    prefill_busy, batch_full : float
        Share of time in which prefill works, and in which decode batches are full [-].

    Returns
    -------
    Stability
    """
    first, last = float(raw.arrival_s.min()), float(raw.arrival_s.max())
    start = first + SKIPPED * (last - first)
    lost = 1.0 - float(raw.completed.mean())
    limit = _at_limit(prefill_busy, batch_full)
    if last <= start:
        return Stability("steady", 0.0, float(len(raw.arrival_s)), len(raw.arrival_s), "all arrive at once")
    count = in_system(raw, np.linspace(start, last, SAMPLES))
    mean, largest = float(count.mean()), int(count.max())
    slope, error = trend(count)
    growth = slope * SAMPLES / (last - start)
    if slope > SIGNIFICANT * error and slope * SAMPLES > GROWTH * max(mean, 1.0):
        cause = f"; {limit}" if limit else ""
        return Stability(
            "backlogged",
            growth,
            mean,
            largest,
            f"requests in the system grew by {growth:.3g}/s to {count[-1]:.0f} when arrivals ended{cause}",
        )
    if lost > LOST:
        return Stability("saturated", growth, mean, largest, f"{lost:.2%} of the requests were turned away")
    if limit:
        return Stability("saturated", growth, mean, largest, limit)
    return Stability("steady", growth, mean, largest, f"{mean:.3g} requests in the system, no trend")


def _at_limit(prefill_busy: float, batch_full: float) -> str:
    """What is at its limit, in words."""
    if prefill_busy > FULL:
        return f"prefill works {prefill_busy:.1%} of the time"
    if batch_full > FULL:
        return f"decode batches are full {batch_full:.1%} of the time"
    return ""
