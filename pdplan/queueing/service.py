"""Service-time laws: all that a queue needs to know of a service time.

One primitive carries everything: the partial moments ``E[S^k; S <= x]``. From it follow the distribution
function, ``E min(S, x)``, the residual service ``S_e`` met by an arrival (the stationary excess, density
``P(S > x)/E S``) and the masses on a lattice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing._roots import find_root, invert_decreasing
from pdplan.queueing.base import shaped_like

Array = NDArray[np.float64]


class ServiceLaw:
    """A service time ``S > 0`` with two finite moments.

    Subclasses give ``mean_s`` (E S [s]), ``scv`` (Var S / (E S)^2 [-]) and the first three methods.
    """

    mean_s: float
    scv: float

    def partial_moment(self, order: int, x: Array) -> Array:
        """E[S^order; S <= x] for order 0, 1, 2 and x >= 0 [s^order]."""
        raise NotImplementedError

    def log_mgf(self, theta: float) -> float:
        """Log of E exp(theta S), ``inf`` where it does not exist; theta in [1/s]."""
        raise NotImplementedError

    def poisson_counts(self, rate: float, n: int) -> Array:
        """P(j Poisson arrivals at ``rate`` [1/s] during S), j = 0..n-1."""
        raise NotImplementedError

    @property
    def longest_s(self) -> float:
        """Supremum of S [s], ``inf`` if unbounded."""
        return math.inf

    @property
    def second_moment_s2(self) -> float:
        """E S^2 [s^2]."""
        return self.mean_s**2 * (1 + self.scv)

    @property
    def residual_mean_s(self) -> float:
        """E S_e = E S^2 / (2 E S) [s]."""
        return self.mean_s * (1 + self.scv) / 2

    def sf(self, x: Any) -> Any:
        """P(S > x)."""
        return shaped_like(x, 1 - self.partial_moment(0, np.ravel(np.asarray(x, dtype=float))))

    def limited_mean_s(self, x: Any) -> Any:
        """E min(S, x) [s]."""
        flat = np.ravel(np.asarray(x, dtype=float))
        return shaped_like(x, self.partial_moment(1, flat) + flat * (1 - self.partial_moment(0, flat)))

    def residual_cdf(self, x: Any) -> Any:
        """P(S_e <= x) = E min(S, x) / E S."""
        return np.minimum(self.limited_mean_s(x) / self.mean_s, 1.0)

    def residual_limited_mean_s(self, x: Any) -> Any:
        """E min(S_e, x) = (E[S^2; S <= x]/2 + x E[S; S > x] - x^2 P(S > x)/2) / E S  [s]."""
        flat = np.ravel(np.asarray(x, dtype=float))
        over, mean_over = 1 - self.partial_moment(0, flat), self.mean_s - self.partial_moment(1, flat)
        inside = self.partial_moment(2, flat) / 2
        return shaped_like(x, (inside + flat * mean_over - flat * flat * over / 2) / self.mean_s)

    def quantile_s(self, p: Any) -> Any:
        """Smallest x with P(S <= x) >= p [s]."""
        level = 1 - np.ravel(np.asarray(p, dtype=float))
        return shaped_like(p, invert_decreasing(self.sf, level, np.full(level.shape, self.mean_s)))


@dataclass(frozen=True, eq=False)
class Atoms(ServiceLaw):
    """A service time with finitely many values: a length histogram mapped through a latency model.

    Parameters
    ----------
    values_s : sequence of float
        Service times [s], > 0, in any order.
    weights : sequence of float
        Their probabilities [-]; normalised here if they are counts.

    Raises
    ------
    InputError
        Shapes that differ, nothing given, values or weights out of range.

    Examples
    --------
    >>> s = Atoms([0.1, 0.3], [1, 1])
    >>> round(s.mean_s, 12), round(s.scv, 12), s.limited_mean_s(0.2)
    (0.2, 0.25, 0.15000000000000002)
    """

    values_s: Array
    weights: Array
    mean_s: float
    scv: float

    def __init__(self, values_s: Sequence[float] | Array, weights: Sequence[float] | Array) -> None:
        values, chances = np.ravel(np.asarray(values_s, float)), np.ravel(np.asarray(weights, float))
        if values.shape != chances.shape or not values.size:
            raise InputError(
                f"a service law needs as many weights as values: {chances.size} against {values.size}"
            )
        require_positive("service values", values, "s")
        require_positive("service weights", chances, zero_ok=True)
        require_positive("the sum of service weights", float(chances.sum()))
        order = np.argsort(values, kind="stable")
        order = order[chances[order] > 0]
        values, chances = values[order], chances[order] / chances.sum()
        mean = float(chances @ values)
        object.__setattr__(self, "values_s", values)
        object.__setattr__(self, "weights", chances)
        object.__setattr__(self, "mean_s", mean)
        object.__setattr__(self, "scv", float(chances @ (values / mean - 1) ** 2))

    @cached_property
    def _sums(self) -> tuple[Array, ...]:
        """Running sums of w v^k, k = 0, 1, 2."""
        return tuple(np.r_[0.0, np.cumsum(self.weights * self.values_s**k)] for k in range(3))

    @property
    def longest_s(self) -> float:
        """The largest value [s]."""
        return float(self.values_s[-1])

    def partial_moment(self, order: int, x: Array) -> Array:
        """E[S^order; S <= x] [s^order]."""
        sums = self._sums[order]
        at_most = sums[np.searchsorted(self.values_s, x, side="right")]
        return np.minimum(at_most, 1.0) if order == 0 else at_most

    def log_mgf(self, theta: float) -> float:
        """Log of sum w exp(theta v)."""
        if abs(theta) * self.longest_s < 1:  # keeps its digits for small theta
            return math.log1p(float(self.weights @ np.expm1(theta * self.values_s)))
        shift = theta * float(self.values_s[-1 if theta > 0 else 0])
        return shift + math.log(float(self.weights @ np.exp(theta * self.values_s - shift)))

    def poisson_counts(self, rate: float, n: int) -> Array:
        """Mixture of Poisson(rate v) laws."""
        j = np.arange(n)[:, None]
        mean = rate * self.values_s[None, :]
        terms = np.exp(special.xlogy(j, mean) - mean - special.gammaln(j + 1))
        return np.asarray(terms @ self.weights)


def Deterministic(service_s: float) -> Atoms:
    """A service time that is always ``service_s`` [s].

    Examples
    --------
    >>> Deterministic(0.2).scv
    0.0
    """
    return Atoms([service_s], [1.0])


def lundberg_exponent(arrival_rate: float, service: ServiceLaw) -> float | None:
    """Decay rate theta > 0 of the M/G/1 wait [1/s]: lam (E exp(theta S) - 1) = theta.

    ``P(W > t) <= exp(-theta t)``. None where no such root exists (heavy tails).

    Parameters
    ----------
    arrival_rate : float
        lam [1/s], with lam E S < 1.
    service : ServiceLaw
        S.

    Notes
    -----
    Source: S. Asmussen, Applied Probability and Queues (2003), chapter XIII (the Lundberg equation).

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> round(lundberg_exponent(0.8, Exponential(1.0)), 12)  # 1/E S - lam
    0.2
    """

    def excess(theta: float) -> float:
        log_mgf = service.log_mgf(theta)
        if log_mgf > 30:  # the one is lost below 1e-13 of the mgf
            return math.log(arrival_rate) + log_mgf - math.log(theta)
        return math.log(arrival_rate * math.expm1(log_mgf) / theta)

    # The excess is convex with slope E S_e at 0, where it is log rho: the straight line overshoots the root.
    high = -math.log(arrival_rate * service.mean_s) / service.residual_mean_s * (1 + 1e-9)
    low = high * 1e-6
    while excess(high) < 0:  # rounding, where rho is within 1e-9 of 1
        high *= 1.1
    while excess(low) > 0:
        high, low = low, low * 1e-3
        if low < 1e-200:
            return None
    if math.isinf(excess(high)):
        for _ in range(200):  # walk back into the domain, to stay above the root if there is one
            middle = 0.5 * (low + high)
            value = excess(middle)
            if math.isfinite(value) and value > 0:
                return find_root(excess, low, middle)
            low, high = (middle, high) if value <= 0 else (low, middle)
        return None
    return find_root(excess, low, high)
