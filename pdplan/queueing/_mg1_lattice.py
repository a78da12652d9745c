"""M/G/1 on a lattice: the wait is a geometric sum of residual services.

``W = S_e1 + ... + S_eN`` with P(N = n) = (1-rho) rho^n (Pollaczek-Khinchine read as a ladder; W. Feller,
An Introduction to Probability Theory and Its Applications II (1971), XII.5). Rounding every residual service
down or up encloses W; splitting it between its neighbours so that its mean is kept gives the point law.
The masses of the sum are the power series of (1-rho)/(1 - rho h(z)), taken on a circle of radius below 1 so
that what wraps around the transform is multiplied by ``_WRAP``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pdplan.queueing.lattice import LatticeLaw, masses_down, masses_mean, masses_up
from pdplan.queueing.service import ServiceLaw

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_WRAP = 1e-9
_MAX_POINTS = 1 << 18


def _tilt(n: int) -> Array:
    return np.asarray(np.exp(np.arange(n) * (math.log(_WRAP) / (2 * n))))


def _transform(masses: Array) -> ComplexArray:
    """Transform of masses (last axis) on the circle."""
    n = masses.shape[-1]
    return np.asarray(np.fft.rfft(masses * _tilt(n), 2 * n))


def _masses(transform: ComplexArray) -> Array:
    """Back from `_transform`."""
    n = transform.shape[-1] - 1
    return np.asarray(np.fft.irfft(transform, 2 * n)[..., :n] / _tilt(n))


@lru_cache(maxsize=4)
def _circle(n: int) -> tuple[ComplexArray, ComplexArray]:
    """1 - z and z^n on the points of the circle that `_transform` uses, without cancellation near z = 1."""
    j = np.arange(n + 1)
    half = np.pi * j / (2 * n)
    log_radius = math.log(_WRAP) / (2 * n)
    radius = math.exp(log_radius)
    real = -math.expm1(log_radius) + 2 * radius * np.sin(half) ** 2
    ends = math.exp(n * log_radius) * (1.0 - 2.0 * (j % 2))
    return np.asarray(real + 1j * radius * np.sin(2 * half)), np.asarray(ends.astype(np.complex128))


def _ladder(residual: Array, rho: float) -> ComplexArray:
    """Transform of the geometric sum: (1-rho) / (1 - rho h(z)).

    1 - h(z) is summed from the tails of h, (1 - z) sum_k P(X > k) z^k, which keeps its digits where both
    1 - rho and 1 - h(z) are tiny: heavy traffic costs no accuracy.
    """
    n = residual.shape[-1]
    tails = np.maximum(1 - np.cumsum(residual, axis=-1), 0.0)
    one_minus_z, z_to_n = _circle(n)
    one_minus_h = one_minus_z * _transform(tails) + tails[..., -1:] * z_to_n
    return np.asarray((1 - rho) / ((1 - rho) + rho * one_minus_h))


def residual_masses(service: ServiceLaw, step_s: float, n: int) -> Array:
    """Masses of the residual service: rounded down, mean kept, rounded up; shape (3, n)."""
    t = np.linspace(0.0, n * step_s, n + 1)
    cdf = np.asarray(service.residual_cdf(t))
    mean = masses_mean(np.asarray(service.residual_limited_mean_s(t)), step_s)
    return np.stack([masses_down(cdf), mean, masses_up(cdf)])


def service_masses(service: ServiceLaw, step_s: float, n: int) -> Array:
    """Masses of the service: rounded down, mean kept, rounded up; shape (3, n)."""
    t = np.linspace(0.0, n * step_s, n + 1)
    cdf = 1 - np.asarray(service.sf(t))
    mean = masses_mean(np.asarray(service.limited_mean_s(t)), step_s)
    return np.stack([masses_down(cdf), mean, masses_up(cdf)])


def wait_lattice(arrival_rate: float, service: ServiceLaw, *, step_s: float, n: int) -> LatticeLaw:
    """Law of the wait on ``n`` points."""
    rho = arrival_rate * service.mean_s
    down, mean, up = _masses(_ladder(residual_masses(service, step_s, n), rho))
    return LatticeLaw(step_s, mean, down, up, zero_mass=1 - rho)


def coarse_bounds_s(
    arrival_rate: float, service: ServiceLaw, reach_s: float, points: int, p: Array
) -> tuple[Array, Array]:
    """Quantiles of the wait with every residual rounded down and up [s], without the point law."""
    # Rounding up lengthens the residuals by half a step on average, and the range with them.
    step = reach_s / (points - 2)
    step *= 1 + 0.6 * step / service.residual_mean_s
    cdf = np.asarray(service.residual_cdf(np.arange(points + 1) * step))
    rho = arrival_rate * service.mean_s
    masses = _masses(_ladder(np.stack([masses_down(cdf), masses_up(cdf)]), rho))
    law = LatticeLaw(step, masses[0], masses[0], masses[1], zero_mass=1 - rho)
    return law.quantile_bounds_s(p)


def response_lattice(arrival_rate: float, service: ServiceLaw, *, step_s: float, n: int) -> LatticeLaw:
    """Law of wait plus service on ``n`` points."""
    rho = arrival_rate * service.mean_s
    ladder = _ladder(residual_masses(service, step_s, n), rho)
    down, mean, up = _masses(ladder * _transform(service_masses(service, step_s, n)))
    return LatticeLaw(step_s, mean, down, up)


def _wait_masses(arrival_rate: float, service: ServiceLaw, step_s: float, n: int) -> Array:
    """Masses of the point law of the wait."""
    t = np.arange(n + 1) * step_s
    residual = masses_mean(np.asarray(service.residual_limited_mean_s(t)), step_s)
    return _masses(_ladder(residual, arrival_rate * service.mean_s))


def _response_masses(arrival_rate: float, service: ServiceLaw, step_s: float, n: int) -> Array:
    """Masses of the point law of wait plus service."""
    t = np.arange(n + 1) * step_s
    residual = masses_mean(np.asarray(service.residual_limited_mean_s(t)), step_s)
    own = masses_mean(np.asarray(service.limited_mean_s(t)), step_s)
    return _masses(_ladder(residual, arrival_rate * service.mean_s) * _transform(own))


PointMasses = Callable[[float, ServiceLaw, float, int], Array]


def _fitted(
    masses: PointMasses, arrival_rate: float, service: ServiceLaw, start_s: float, tail: float, points: int
) -> float:
    """About the (1 - tail)-quantile, from coarse lattices whose range shrinks or grows to fit."""
    reach = start_s
    for _ in range(60):
        cdf = np.cumsum(masses(arrival_rate, service, reach / points, points))
        place = int(np.searchsorted(cdf, 1 - 0.95 * tail))  # a little beyond: the lattice is coarse
        if place >= points:
            reach *= 2
        elif place >= points // 3:
            return reach * (place + 2) / points
        else:
            reach *= max(place, 1) * 1.2 / points
            if reach < 1e-3 * service.mean_s:
                break
    return reach


def wait_range_s(
    arrival_rate: float, service: ServiceLaw, theta: float | None, tail: float, points: int
) -> float:
    """A range [s] that holds the (1 - tail)-quantile of the wait, and not much more."""
    rho = arrival_rate * service.mean_s
    if tail >= rho:
        return service.mean_s
    if theta is None:
        start = service.residual_mean_s / (1 - rho) * -math.log(tail)
        return _fitted(_wait_masses, arrival_rate, service, start, tail, points)
    lundberg = -1.01 * math.log(tail) / theta
    heavy_traffic = -math.log(tail) * service.residual_mean_s / (1 - rho)
    if rho > 0.99 or (rho > 0.5 and lundberg < 1.2 * heavy_traffic):
        return lundberg  # the tail is close to exponential: a coarse lattice has nothing to add
    return min(lundberg, _fitted(_wait_masses, arrival_rate, service, lundberg, tail, points))


def response_range_s(
    arrival_rate: float, service: ServiceLaw, theta: float | None, tail: float, points: int
) -> float:
    """A range [s] that holds the (1 - tail)-quantile of wait plus service, and not much more."""
    wait = wait_range_s(arrival_rate, service, theta, tail / 2, points)
    own = float(service.quantile_s(1 - tail / 2))
    if own < 0.01 * wait:
        return wait + own
    return min(wait + own, _fitted(_response_masses, arrival_rate, service, wait + own, tail, points))


def lundberg_bounds_s(
    arrival_rate: float, service: ServiceLaw, theta: float | None, p: Array
) -> tuple[Array, Array]:
    """Exponential bounds of the quantiles of the wait [s].

    rho exp(-theta (t + max S)) <= P(W > t) <= exp(-theta t)   (S. M. Ross, J. Applied Probability 11 (1974)).
    """
    rho = arrival_rate * service.mean_s
    if theta is None:
        return np.zeros(p.shape), np.where(p <= 1 - rho, 0.0, np.inf)
    log_tail = np.log1p(-p)
    high = np.where(p <= 1 - rho, 0.0, -log_tail / theta)
    return np.maximum((math.log(rho) - log_tail) / theta - service.longest_s, 0.0), high


def points_for(service: ServiceLaw, reach_s: float, tolerance: float) -> int:
    """Lattice points at which the bracket is about ``tolerance`` wide: one step per residual service."""
    wanted = 1.3 * reach_s / (tolerance * service.residual_mean_s)
    return int(min(max(1 << math.ceil(math.log2(max(wanted, 2.0))), 1 << 10), _MAX_POINTS))


def grown(
    build: Callable[[float, int], LatticeLaw],
    narrow: Callable[[LatticeLaw], bool],
    reach_s: float,
    points: int,
    residual_mean_s: float,
) -> LatticeLaw:
    """Double the points until the bracket is narrow, or the largest lattice is reached.

    Rounding up lengthens the sum: the range grows by what half a step per residual service adds, within
    reason.
    """
    while True:
        step = reach_s / (points - 4)
        law = build(step * (1 + min(0.6 * step / residual_mean_s, 0.1)), points)
        if points >= _MAX_POINTS or narrow(law):
            return law
        points *= 2
