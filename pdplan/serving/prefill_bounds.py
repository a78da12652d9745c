r"""Cheap brackets of the prefill wait, for searches over many fleets.

With gaps of Erlang-n (n = 1: Poisson) and the root :math:`\theta` of
:math:`M_S(\theta)\,(n\lambda'/(n\lambda'+\theta))^n = 1`,

.. math:: \frac{e^{-\theta t}}{\sup_x g(x)} \le P(W > t) \le e^{-\theta t},
    \quad g(x) = E[e^{\theta (S - x)} | S > x]

Source: S. M. Ross, Annals of Probability 2 (1974) 417-421.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pdplan.checks import require_fraction
from pdplan.queueing.service import Atoms
from pdplan.serving.prefill_queue import RouterBracket

if TYPE_CHECKING:
    from pdplan.serving.prefill_station import PrefillStation


def decay_rate(arrival_rate: float, service: Atoms, gaps: int) -> float:
    """Root theta > 0 of M_S(theta) A(theta) = 1 for Erlang-``gaps`` arrivals at ``arrival_rate`` [1/s].

    Examples
    --------
    >>> round(decay_rate(0.5, Atoms([1.0], [1.0]), 1), 6)       # 0.5 (e^theta - 1) = theta
    1.256431
    """
    v, w = service.values_s, service.weights
    phase_s = 1.0 / (gaps * arrival_rate)
    load = arrival_rate * service.mean_s
    # from above: the log is convex, zero at 0 with slope E S - E A < 0; this start is past the root
    spread = service.mean_s**2 * service.scv + 1.0 / (gaps * arrival_rate**2)
    theta = 2.0 * (1.0 / arrival_rate - service.mean_s) / spread
    for _ in range(60):
        value, slope = _log_and_slope(theta, v, w, gaps, phase_s)
        if value > 0:
            break
        theta *= 1.5
    for _ in range(60):
        value, slope = _log_and_slope(theta, v, w, gaps, phase_s)
        new = theta - value / slope
        if not new > 0:
            new = theta / 2
        if abs(new - theta) < 1e-10 * theta * max(1.0 - load, 1e-6):
            return new
        theta = new
    return theta


def _log_and_slope(
    theta: float, values: np.ndarray, weight: np.ndarray, gaps: int, phase_s: float
) -> tuple[float, float]:
    """Log of M_S(theta) A(theta), and its derivative."""
    peak = theta * float(values[-1])
    terms = weight * np.exp(theta * values - peak)
    total = float(terms.sum())
    value = peak + math.log(total) - gaps * math.log1p(theta * phase_s)
    return value, float(terms @ values) / total - gaps * phase_s / (1.0 + theta * phase_s)


def decay_and_overshoot(arrival_rate: float, service: Atoms, gaps: int) -> tuple[float, float]:
    """Return theta [1/s] and log sup g: P(W > t) lies between e^{-theta t}/sup g and e^{-theta t}.

    Examples
    --------
    >>> theta, log_sup = decay_and_overshoot(0.5, Atoms([1.0], [1.0]), 1)
    >>> round(theta - log_sup, 9)                       # sup g = e^{theta D} for equal services
    0.0
    """
    theta = decay_rate(arrival_rate, service, gaps)
    v, w = service.values_s, service.weights
    before = np.concatenate([[0.0], v[:-1]])
    shifted = np.cumsum((w * np.exp(theta * (v - v[-1])))[::-1])[::-1] / np.cumsum(w[::-1])[::-1]
    return theta, float((np.log(shifted) + theta * (v[-1] - before)).max())


def exponential_bounds_s(arrival_rate: float, service: Atoms, gaps: int, p: float) -> tuple[float, float]:
    """Lower and upper bound of the p-quantile of the wait at one instance [s].

    Parameters
    ----------
    arrival_rate : float
        Prompts per second of the instance [1/s].
    service : Atoms
        Prefill times.
    gaps : int
        Gaps between arrivals are Erlang-``gaps``: 1 for random routing, n for round robin.
    p : float
        Probability [-], in [0, 1).

    Examples
    --------
    >>> low, high = exponential_bounds_s(0.9, Atoms([1.0], [1.0]), 1, 0.99)
    >>> low < 21.6 < high, high - low < 1.01            # M/D/1
    (True, True)
    """
    require_fraction("p", p, open_high=True)
    theta, log_sup = decay_and_overshoot(arrival_rate, service, gaps)
    log_tail = -math.log1p(-p)
    return max(0.0, (log_tail - log_sup) / theta), log_tail / theta


def wait_quantile_bounds_s(station: PrefillStation, p: float) -> tuple[float, float]:
    """Cheap bracket of the p-quantile of the wait at a prefill pool [s].

    Rigorous for ``one_at_a_time`` under random and round-robin routing. For least work left the upper end is
    that of round robin, for join shortest queue and power of two that of random (orders of the means, taken
    over to percentiles); their lower end is 0. ``mm1`` and ``batched`` answer with their laws, which are
    cheap or have no bound.
    """
    require_fraction("p", p, open_high=True)
    if station.discipline != "one_at_a_time" or station.unequal_stages:
        queue = station.queue
        if isinstance(queue, RouterBracket):
            low, high = queue.wait_quantile_bounds_s(p)
            return float(low), float(high)
        value = float(queue.wait_quantile_s(p))
        return value, value
    rate, service = station.arrival_rate / station.instances, station.service
    if station.router == "random" or station.instances == 1:
        return exponential_bounds_s(rate, service, 1, p)
    dealt = exponential_bounds_s(rate, service, station.instances, p)
    if station.router == "round_robin":
        return dealt
    if station.router == "least_work":
        return 0.0, dealt[1]
    return 0.0, exponential_bounds_s(rate, service, 1, p)[1]
