"""One server, Poisson arrivals, any service law: M/G/1, with rigorous brackets on every percentile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.queueing._layers import Layers
from pdplan.queueing._mg1_lattice import (
    coarse_bounds_s,
    grown,
    lundberg_bounds_s,
    points_for,
    response_lattice,
    response_range_s,
    wait_lattice,
    wait_range_s,
)
from pdplan.queueing.base import LittleMixin, each_p, each_t, shaped_like
from pdplan.queueing.lattice import LatticeLaw
from pdplan.queueing.service import Atoms, ServiceLaw, lundberg_exponent
from pdplan.trust import Trust

Array = NDArray[np.float64]


def mg1_mean_wait_s(arrival_rate: Any, mean_service_s: Any, service_scv: Any) -> Any:
    """Mean wait of M/G/1: E W = lam E S^2 / (2 (1 - lam E S)).

    Parameters
    ----------
    arrival_rate : float or array or symbol
        lam [1/s], > 0.
    mean_service_s : float or array or symbol
        E S [s], > 0.
    service_scv : float or array or symbol
        Var S / (E S)^2 [-], >= 0.

    Returns
    -------
    float or array or symbol
        E W [s].

    Raises
    ------
    InputError, UnstableError
        Out of range; lam E S >= 1.

    Notes
    -----
    Source: F. Pollaczek, Math. Z. 32 (1930) 64-100; A. Y. Khinchine, Mat. Sbornik 39 (1932) 73-84.

    Examples
    --------
    >>> mg1_mean_wait_s(0.5, 1.0, 3.0)
    2.0
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("mean_service_s", mean_service_s, "s")
    require_positive("service_scv", service_scv, zero_ok=True)
    require_stable(arrival_rate * mean_service_s)
    second_moment = mean_service_s**2 * (1 + service_scv)
    return arrival_rate * second_moment / (2 * (1 - arrival_rate * mean_service_s))


def mg1_wait_quantile_bounds_fast(
    arrival_rate: float, service: ServiceLaw, p: Any, *, points: int = 512
) -> tuple[Any, Any]:
    """Two-sided rigorous bounds on the p-quantile of the M/G/1 wait, in well under a millisecond.

    The tighter of two pairs: services rounded up and down on a coarse lattice, and Lundberg's inequality
    with its lower companion ``P(W > t) >= rho exp(-theta (t + max S))``.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    service : ServiceLaw
        S.
    p : float or array
        Probability [-], in [0, 1).
    points : int
        Lattice points [-].

    Returns
    -------
    tuple of (float or array)
        Lower and upper bound [s]; both 0 where p <= 1 - rho.

    Raises
    ------
    InputError, UnstableError
        Out of range; lam E S >= 1.

    Notes
    -----
    Source: S. M. Ross, Journal of Applied Probability 11 (1974) 417-421 (bounds of the exponential kind).

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> low, high = mg1_wait_quantile_bounds_fast(0.8, Exponential(1.0), 0.99)
    >>> low <= 21.910 <= high, high / low < 1.1
    (True, True)
    """
    require_fraction("p", p, open_high=True)
    mg1_mean_wait_s(arrival_rate, service.mean_s, service.scv)
    levels = np.ravel(np.asarray(p, dtype=np.float64))
    theta = lundberg_exponent(arrival_rate, service)
    low, high = lundberg_bounds_s(arrival_rate, service, theta, levels)
    reach = wait_range_s(arrival_rate, service, theta, 1 - float(levels.max()), points=128)
    n = points if theta is not None else 4 * points  # without Lundberg's bound the lattice stands alone
    coarse_low, coarse_high = coarse_bounds_s(arrival_rate, service, reach, n, levels)
    low, high = np.maximum(low, coarse_low), np.minimum(high, coarse_high)
    return shaped_like(p, low), shaped_like(p, high)


@dataclass(frozen=True, eq=False)
class MG1(LittleMixin):
    """M/G/1: Poisson arrivals, services drawn from any law, first come first served.

    Percentiles come from lattices grown until the rigorous bracket at p99 is narrower than ``tolerance``
    (or the lattice has 2^18 points); the point value is that of the mean-preserving lattice, which is far
    closer than the bracket. Percentiles are answered up to 1 - 1e-7.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    service : ServiceLaw
        S.
    tolerance : float
        Width of the bracket at p99, relative [-].

    Raises
    ------
    InputError, UnstableError
        Out of range; lam E S >= 1.

    Examples
    --------
    >>> law = MG1.from_atoms(arrival_rate=0.5, values_s=[0.5, 1.5], weights=[1, 1])
    >>> round(law.mean_wait_s, 9)
    0.625
    >>> low, high = law.wait_quantile_bounds_s(0.99)
    >>> low <= law.wait_quantile_s(0.99) <= high, high / low < 1.01
    (True, True)
    """

    arrival_rate: float
    service: ServiceLaw
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Check rate, service and stability."""
        mg1_mean_wait_s(self.arrival_rate, self.service.mean_s, self.service.scv)
        require_fraction("tolerance", self.tolerance, open_low=True, open_high=True)

    @classmethod
    def from_atoms(
        cls, *, arrival_rate: float, values_s: Sequence[float] | Array, weights: Sequence[float] | Array
    ) -> MG1:
        """M/G/1 whose services are weighted values: a histogram."""
        return cls(arrival_rate=arrival_rate, service=Atoms(values_s, weights))

    @property
    def utilization(self) -> float:
        """rho = lam E S [-]."""
        return self.arrival_rate * self.service.mean_s

    @property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        return float(mg1_mean_wait_s(self.arrival_rate, self.service.mean_s, self.service.scv))

    @property
    def mean_response_s(self) -> float:
        """E T = E W + E S [s]."""
        return self.mean_wait_s + self.service.mean_s

    @property
    def trust(self) -> Trust:
        """Bounded: percentiles lie in their brackets; the mean is exact."""
        return Trust.BOUNDED

    @cached_property
    def decay_per_s(self) -> float | None:
        """Decay rate theta of the tail of the wait [1/s]; None for heavy tails."""
        return lundberg_exponent(self.arrival_rate, self.service)

    def wait_lattice(self, step_s: float, n: int) -> LatticeLaw:
        """Law of the wait on the lattice 0, step_s, ... of ``n`` points, with its enclosing laws."""
        return wait_lattice(self.arrival_rate, self.service, step_s=step_s, n=n)

    def response_lattice(self, step_s: float, n: int) -> LatticeLaw:
        """Law of wait plus service on the lattice of ``n`` points, with its enclosing laws."""
        return response_lattice(self.arrival_rate, self.service, step_s=step_s, n=n)

    @cached_property
    def _wait(self) -> Layers:
        def build(tail: float) -> LatticeLaw:
            reach = wait_range_s(self.arrival_rate, self.service, self.decay_per_s, tail, points=1024)
            check = np.array([max(0.99, 1 - 100 * tail)])

            def narrow(law: LatticeLaw) -> bool:
                low, high = self._meet(law.quantile_bounds_s(check), self._lundberg(check))
                return bool(high[0] - low[0] <= self.tolerance * high[0])

            points = points_for(self.service, reach, self.tolerance)
            return grown(self.wait_lattice, narrow, reach, points, self.service.residual_mean_s)

        return Layers(build)

    @cached_property
    def _response(self) -> Layers:
        def build(tail: float) -> LatticeLaw:
            reach = response_range_s(self.arrival_rate, self.service, self.decay_per_s, tail, points=1024)
            check = np.array([max(0.99, 1 - 100 * tail)])

            def narrow(law: LatticeLaw) -> bool:
                low, high = law.quantile_bounds_s(check)
                return bool(high[0] - low[0] <= self.tolerance * high[0])

            points = points_for(self.service, reach, self.tolerance)
            return grown(self.response_lattice, narrow, reach, points, self.service.residual_mean_s)

        return Layers(build)

    def _lundberg(self, p: Array) -> tuple[Array, Array]:
        return lundberg_bounds_s(self.arrival_rate, self.service, self.decay_per_s, p)

    @staticmethod
    def _meet(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
        """The intersection of two brackets."""
        return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])

    def wait_sf(self, t: Any) -> Any:
        """P(W > t); t in [s]. Tails below 1e-7 are not resolved, except by exp(-theta t)."""
        decay, rho = self.decay_per_s, self.utilization

        def sf(x: Array) -> Array:
            out = np.minimum(self._wait.sf(x), rho)
            if decay is None:
                return out
            return np.clip(out, rho * np.exp(-decay * (x + self.service.longest_s)), np.exp(-decay * x))

        return each_t(t, sf)

    def wait_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Proven lower and upper bounds of the p-quantile of the wait [s]."""
        levels = np.ravel(np.asarray(p, dtype=np.float64))
        require_fraction("p", levels, open_high=True)
        low, high = self._meet(self._wait.bounds(levels), self._lundberg(levels))
        return shaped_like(p, low), shaped_like(p, high)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]; 0 where p <= 1 - rho."""
        return each_p(p, lambda x: np.clip(self._wait.quantile(x), *self._lundberg(x)))

    def response_sf(self, t: Any) -> Any:
        """P(T > t) of wait plus service; t in [s]."""
        return each_t(t, self._response.sf)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]."""

        def quantile(x: Array) -> Array:
            low, high = self._lundberg(x)
            return np.asarray(np.clip(self._response.quantile(x), low, high + self.service.longest_s))

        return each_p(p, quantile)

    def response_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Proven lower and upper bounds of the p-quantile of wait plus service [s]."""
        levels = np.ravel(np.asarray(p, dtype=np.float64))
        require_fraction("p", levels, open_high=True)
        wait_low, wait_high = self._lundberg(levels)
        around = (wait_low, wait_high + self.service.longest_s)
        low, high = self._meet(self._response.bounds(levels), around)
        return shaped_like(p, low), shaped_like(p, high)
