"""M/G/c: Poisson arrivals, any service law, one queue before c servers (least work left)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.errors import UnsupportedError
from pdplan.queueing._layers import TAILS, Layers
from pdplan.queueing._mgc_wait import InterpolatedWait, LadderWait
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.queueing.lattice import LatticeLaw, masses_mean
from pdplan.queueing.lattice_sums import convolve, lattice_law
from pdplan.queueing.mdc import MDc
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.mgc_means import boxma_cohen_huffels, min_residual_mean
from pdplan.queueing.mmc import MMc, require_servers
from pdplan.queueing.service import ServiceLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]

#: Beyond this squared coefficient of variation the mean formula is known to fail (5 times low at 250).
MAX_SCV = 100.0
_POINTS = 1 << 14


class _Wait(Protocol):
    """What a law of the wait must answer here."""

    def quantile(self, p: Array) -> Array: ...

    def sf(self, t: Array) -> Array: ...


@dataclass(frozen=True, eq=False)
class MGc(LittleMixin):
    """The M/G/c station: a good mean, approximate percentiles, no bound claimed.

    The mean is that of Boxma, Cohen and Huffels. Percentiles interpolate between M/D/c and M/M/c where the
    service varies less than an exponential (Tijms), and come from the residual decomposition of Tijms, van
    Hoorn and Federgruen, stretched to that mean, where it varies more. One server is M/G/1 itself.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service : ServiceLaw
        S.
    servers : int
        Number of servers c [-].

    Notes
    -----
    Measured for c = 2..32, rho = 0.3-0.98 (``docs/validation/law_accuracy.md``), mean and p99 of the wait:
    within 2% and 3% for Erlang-4 service; 4% and 9% for two-phase service of scv 4; 10% and 19% for lognormal
    service of scv 2, the worst at c = 32, rho = 0.8. Percentiles are answered up to 1 - 1e-7.

    Raises
    ------
    InputError
        A parameter out of range.
    UnsupportedError
        More than one server and a squared coefficient of variation above 100.
    UnstableError
        lam E S >= c.

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Hyperexponential
    >>> pool = MGc(arrival_rate=3.2, service=Hyperexponential(1.0, 4.0), servers=4)
    >>> round(pool.mean_wait_s, 3), pool.trust.value  # 1.7176 by matrix methods
    (1.713, 'approximate')
    """

    arrival_rate: float
    service: ServiceLaw
    servers: int

    def __post_init__(self) -> None:
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_servers(self.servers)
        require_stable(self.utilization, what="the M/G/c pool")
        if self.servers > 1 and self.service.scv > MAX_SCV:
            raise UnsupportedError(
                f"service scv is {self.service.scv:.4g}: the M/G/c formulas hold up to {MAX_SCV:g}; "
                "simulate this pool, or send long jobs to a pool of their own"
            )

    @property
    def trust(self) -> Trust:
        """Exact for constant service, bounded for one server, else approximate."""
        if self.service.scv == 0:
            return Trust.EXACT
        return Trust.BOUNDED if self.servers == 1 else Trust.APPROXIMATE

    @property
    def utilization(self) -> float:
        """Load per server, rho = lam E S/c [-]."""
        return self.arrival_rate * self.service.mean_s / self.servers

    @cached_property
    def constant(self) -> MDc:
        """The station with the same mean service, constant."""
        return MDc(self.arrival_rate, self.service.mean_s, self.servers)

    @cached_property
    def exponential(self) -> MMc:
        """The station with the same mean service, exponential."""
        return MMc(self.arrival_rate, self.service.mean_s, self.servers)

    @cached_property
    def _min_residual(self) -> float:
        return min_residual_mean(self.service, self.servers)

    @cached_property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        if self.servers == 1:
            return MG1(self.arrival_rate, self.service).mean_wait_s
        slow, fast = self.exponential.mean_wait_s, self.constant.mean_wait_s
        if self.service.scv == 0 or fast == 0:
            return fast
        return float(boxma_cohen_huffels(slow, fast, self.service.scv, self.servers, self._min_residual))

    @property
    def mean_response_s(self) -> float:
        """E T [s]."""
        return self.mean_wait_s + self.service.mean_s

    @cached_property
    def _wait(self) -> _Wait:
        if self.service.scv <= 1:
            return InterpolatedWait(self.constant, self.exponential, self.service.scv)
        return LadderWait(self.exponential, self.service, self._min_residual, self.mean_wait_s)

    @cached_property
    def _one(self) -> MG1:
        return MG1(self.arrival_rate, self.service)

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        return self._one.wait_sf(t) if self.servers == 1 else each_t(t, lambda u: self._wait.sf(u))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]."""
        if self.servers == 1:
            return self._one.wait_quantile_s(p)
        return each_p(p, lambda level: self._wait.quantile(level))

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]."""
        if self.servers == 1:
            return self._one.response_quantile_s(p)
        if self.service.scv == 0:
            return self.constant.response_quantile_s(p)
        return each_p(p, lambda level: self._response.quantile(level))

    def wait_lattice(self, step_s: float, n: int) -> LatticeLaw:
        """Law of the wait on the lattice 0, step_s, ... of ``n`` points, for sums with other delays."""
        if self.servers == 1:
            return self._one.wait_lattice(step_s, n)
        middle = np.asarray((np.arange(n) + 0.5) * step_s, dtype=np.float64)
        if isinstance(self._wait, InterpolatedWait):
            t, tail = self._wait.curve(float(middle[-1]), 2048)
            sf = np.exp(np.interp(middle, t, np.log(np.maximum(tail, 1e-300))))
        else:
            sf = self._wait.sf(middle)
        limited = np.concatenate([[0.0], np.cumsum(sf) * step_s])
        zero = 1 - float(self.wait_sf(0.0))
        return LatticeLaw(step_s, masses_mean(limited, step_s), zero_mass=zero, trust=self.trust)

    @cached_property
    def _response(self) -> Layers:
        def build(tail: float) -> LatticeLaw:
            wait = self._far_wait_s(tail / 2)
            reach = wait + float(self.service.quantile_s(1 - tail / 4))
            step = reach / (_POINTS - 2)
            service = lattice_law(
                lambda t: 1 - np.asarray(self.service.sf(t)),
                self.service.limited_mean_s,
                step_s=step,
                n=_POINTS,
            )
            return convolve([self.wait_lattice(step, _POINTS), LatticeLaw(step, service.pmf)])

        return Layers(build)

    def _far_wait_s(self, tail: float) -> float:
        """The wait at a small tail [s], beyond the last percentile on offer at its exponential pace."""
        last = max(tail, TAILS[-1])
        q = self.wait_quantile_s(np.array([0.5, 1 - 10 * last, 1 - last]))
        return float(q[2] + (q[2] - q[1]) * np.log10(last / tail))
