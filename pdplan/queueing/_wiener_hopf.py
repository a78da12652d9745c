"""The wait under renewal arrivals: a random walk on a lattice, factored through its cepstrum.

The wait of successive customers follows W' = max(0, W + X), X = S - A (D. V. Lindley 1952). With X on a
lattice, ``phi(z) = E z^X``, Spitzer's identity (F. Spitzer, Trans. AMS 82 (1956) 323-339) reads::

    E z^W = exp( sum_{k>0} u_k (z^k - 1) ),    u_k = -[z^k] log(1 - phi(z)) = sum_n P(X_1+...+X_n = k)/n

The coefficients come from one transform on the circle |z| = exp(theta h / 2), where |phi| < 1 and the
logarithm has no branch to choose; theta is the decay rate of the tail, E exp(theta X) = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.queueing._roots import find_root
from pdplan.queueing.lattice import masses_mean
from pdplan.queueing.service import Atoms, ServiceLaw

Array = NDArray[np.float64]

_HEAVY = 1e-9  # a service law without exponential moments is cut at this tail
_SPAN = 64.0  # lattice length in units of 1/theta: what wraps around is below exp(-25) at a tail of 1e-6
_MAX_POINTS = 1 << 19
_NOISE = 1e-14
_COARSE = 0.02  # share of the variance of S - A that rounding may add


@dataclass(frozen=True, eq=False)
class WalkWait:
    """The wait on a lattice: mean [s], P(W = 0), step [s] and masses.

    ``lost_variance``: share of the second moment of the service that lies beyond the cut of a heavy tail [-].
    """

    mean_s: float
    zero_mass: float
    step_s: float
    pmf: Array
    lost_variance: float = 0.0


def light_tailed(service: ServiceLaw) -> ServiceLaw:
    """The law itself, or one on 4096 atoms cut far in its tail where it has no exponential moments."""
    if math.isfinite(service.log_mgf(1e-9 / service.mean_s)):
        return service
    end = float(service.quantile_s(1 - _HEAVY))
    points = 4096
    step = end / points
    masses = masses_mean(np.asarray(service.limited_mean_s(np.arange(points + 1) * step)), step)
    values: Array = np.asarray((np.arange(points) + 1e-9) * step)
    return Atoms(values, np.maximum(masses, 0.0))


def decay_rate(interarrival: ServiceLaw, service: ServiceLaw) -> float | None:
    """Root theta > 0 of E exp(theta S) E exp(-theta A) = 1 [1/s]; None if no customer ever waits much."""

    def log_phi(theta: float) -> float:
        return service.log_mgf(theta) + interarrival.log_mgf(-theta)

    spread = service.scv * service.mean_s**2 + interarrival.scv * interarrival.mean_s**2
    drift = interarrival.mean_s - service.mean_s
    high = 2 * drift / spread if spread > 0 else 1 / drift
    low = 1e-6 * high
    while log_phi(low) > 0:
        high, low = low, 1e-3 * low
    for _ in range(60):
        if log_phi(high) > 0:
            break
        low, high = high, 2 * high
        if high * service.mean_s > 1e4:
            return None
    for _ in range(100):
        if math.isfinite(log_phi(high)):
            break
        middle = 0.5 * (low + high)
        low, high = (middle, high) if log_phi(middle) < 0 else (low, middle)
    else:
        return low  # the root is within rounding of the end of the domain
    return find_root(log_phi, low, high)


def _masses(law: ServiceLaw, step_s: float, n: int) -> Array:
    """Lattice masses, none where a side holds less than ``_NOISE``: the tilt would magnify rounding."""
    t = np.arange(n + 1) * step_s
    masses = masses_mean(np.asarray(law.limited_mean_s(t)), step_s)
    tail = np.asarray(law.sf(t))
    below, above = 1 - tail[1:], np.r_[1.0, tail[: n - 1]]
    return np.where((below < _NOISE) | (above < _NOISE), 0.0, masses)


def _longest(service: ServiceLaw) -> float:
    """The longest service that matters [s]."""
    return service.longest_s if math.isfinite(service.longest_s) else float(service.quantile_s(1 - 1e-14))


def _grid(theta: float, interarrival: ServiceLaw, service: ServiceLaw) -> tuple[float, int]:
    """Step [s] and number of points: long enough for the tail, fine against the spread of S - A."""
    length = _SPAN / theta + 2.2 * _longest(service)
    spread = math.sqrt(service.scv * service.mean_s**2 + interarrival.scv * interarrival.mean_s**2)
    wanted = length / (0.04 * min(spread, service.mean_s))
    points = min(max(1 << math.ceil(math.log2(wanted)), 1 << 14), _MAX_POINTS)
    step = length / points
    if service.scv == 0 and service.mean_s > step:  # a constant service falls on the lattice exactly
        step = service.mean_s / math.floor(service.mean_s / step)
    return step, points


class TooCoarseError(Exception):
    """The largest lattice that is tried would round too much: heavy traffic or an extreme spread."""


def walk_wait(interarrival: ServiceLaw, service: ServiceLaw) -> WalkWait | None:
    """The stationary wait; None where it is zero (no service outlasts the gap that follows).

    Raises
    ------
    TooCoarseError
        Rounding would add more than 2% to the variance of S - A.
    """
    cut = light_tailed(service)
    theta = decay_rate(interarrival, cut)
    if theta is None:
        return None
    step, m = _grid(theta, interarrival, cut)
    n = m // 2
    k = np.arange(n)
    spread = service.scv * service.mean_s**2 + interarrival.scv * interarrival.mean_s**2
    roundings = (service.scv > 0) + (interarrival.scv > 0)  # each adds step^2/6 to the variance
    if roundings * step**2 / 6 > _COARSE * spread:
        raise TooCoarseError
    lean = step * min(theta / 2, 25 / _longest(cut))  # any tilt below theta will do; exp(25) keeps its digits
    own = np.zeros(m)
    inside = k * step < cut.longest_s + step  # an atom at the end has a neighbour beyond it
    own[:n][inside] = (_masses(service, step, n) * np.exp(np.where(inside, lean * k, 0.0)))[inside]
    gap = np.zeros(m)
    gap[0] = (masses := _masses(interarrival, step, n) * np.exp(-lean * k))[0]
    gap[: m - n : -1] = masses[1:]
    log_factor = np.log(1 - np.fft.rfft(own) * np.fft.rfft(gap))
    coefficients = -np.fft.irfft(log_factor, m)
    untilt = np.exp(-lean * np.arange(1, n))
    ahead = np.zeros(m)
    ahead[1:n] = coefficients[1:n]
    plain = coefficients[1:n] * untilt
    pmf = np.fft.irfft(np.exp(np.fft.rfft(ahead) - plain.sum()), m)[:n]
    pmf[1:] *= untilt
    mean = float(plain @ np.arange(1, n)) * step
    lost = 1 - float(service.partial_moment(2, np.array([_longest(cut)]))[0]) / service.second_moment_s2
    # Half of what the lattice calls a tie at zero is a wait below half a step.
    return WalkWait(mean, math.exp(-float(plain.sum()) - 0.5 * float(coefficients[0])), step, pmf, lost)
