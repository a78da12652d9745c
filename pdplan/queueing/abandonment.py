"""M/M/c+M, Erlang's A: customers who give up after an exponential patience."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.queueing._invert import invert_smooth
from pdplan.queueing._layers import Layers
from pdplan.queueing._poisson import inverse_erlang, inverse_palm, log_inverse_palm, palm_abandon
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.queueing.lattice import LatticeLaw, masses_mean
from pdplan.queueing.lattice_sums import convolve, lattice_law
from pdplan.queueing.mmc import require_servers
from pdplan.queueing.service_continuous import Exponential
from pdplan.trust import Trust

Array = NDArray[np.float64]

_POINTS = 1 << 14


@dataclass(frozen=True)
class ErlangA(LittleMixin):
    """The M/M/c+M station at any load; the cost does not grow with its size.

    ``mean_wait_s``, ``wait_sf`` and ``wait_quantile_s`` are about all customers, a wait ending in service or
    in giving up. ``served_...`` and ``response_quantile_s`` are about those who are served.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service_s : float
        Mean service [s].
    servers : int
        Number of servers c [-].
    patience_s : float
        Mean patience 1/theta [s].

    Notes
    -----
    With x = c/(S theta), y = lam/theta, Palm's A(x, y) = 1F1(1; x+1; y) and Erlang's B(c, lam S):
    P(W > 0) = A B/(1 + (A - 1) B), P(abandon | W > 0) = 1/(rho A) + 1 - 1/rho, and theta E W = P(abandon).
    The wait V offered to a customer without end of patience has P(V > t)/P(V > 0) =
    gamma(x, y e^(-theta t))/gamma(x, y).
    Source: C. Palm, Tele 1 (1957); A. Mandelbaum, S. Zeltyn, The Palm/Erlang-A queue, with applications to
    call centers (2005), sections 3-5; F. Baccelli, G. Hebuterne, On queues with impatient customers (1981).

    Raises
    ------
    InputError
        A parameter is not positive, or servers is no whole number.

    Examples
    --------
    >>> station = ErlangA(arrival_rate=9.5, service_s=1.0, servers=10, patience_s=2.0)
    >>> round(station.abandon_probability, 10)
    0.084452009
    """

    arrival_rate: float
    service_s: float
    servers: int
    patience_s: float

    def __post_init__(self) -> None:
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("service_s", self.service_s, "s")
        require_positive("patience_s", self.patience_s, "s")
        require_servers(self.servers)

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @property
    def utilization(self) -> float:
        """Offered load per server, rho = lam S/c [-]; it may pass 1."""
        return self.arrival_rate * self.service_s / self.servers

    @property
    def _xy(self) -> tuple[float, float]:
        return self.servers * self.patience_s / self.service_s, self.arrival_rate * self.patience_s

    @cached_property
    def wait_probability(self) -> float:
        """P(W > 0) [-]."""
        palm = float(inverse_palm(*self._xy)[0])
        below = float(inverse_erlang(self.servers, self.arrival_rate * self.service_s)[0])
        return 1 / (below * palm + 1 - palm)

    @cached_property
    def abandon_probability(self) -> float:
        """Share of all customers who give up [-]."""
        return self.wait_probability * float(palm_abandon(*self._xy)[0])

    @property
    def throughput(self) -> float:
        """Customers served [1/s]."""
        return self.arrival_rate * (1 - self.abandon_probability)

    @property
    def mean_wait_s(self) -> float:
        """E W of all customers [s]."""
        return self.abandon_probability * self.patience_s

    @property
    def mean_response_s(self) -> float:
        """Mean time in the station of all customers, those who give up included [s]."""
        return self.mean_wait_s + (1 - self.abandon_probability) * self.service_s

    def _tail_ratio(self, t: Array, step: int) -> Array:
        """gamma(x + step, y')/(y^step gamma(x, y)) with y' = y exp(-t/patience), for step 0 or 1."""
        x, y = self._xy
        left = -np.expm1(-t / self.patience_s)  # 1 - y'/y
        log_palms = log_inverse_palm(x, y) - log_inverse_palm(x + step, np.maximum(y * (1 - left), 1e-300))
        return np.asarray(x / (x + step) * np.exp(-(x + step) * t / self.patience_s + y * left + log_palms))

    def offered_wait_sf(self, t: Any) -> Any:
        """P(V > t): the wait of a customer who would never give up."""
        return each_t(t, lambda u: self.wait_probability * self._tail_ratio(u, 0))

    def wait_sf(self, t: Any) -> Any:
        """P(W > t) of all customers, W the shorter of patience and offered wait."""
        return each_t(t, lambda u: self.offered_wait_sf(u) * np.exp(-u / self.patience_s))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait of all customers [s]; 0 where p <= P(W = 0)."""
        return each_p(p, lambda q: invert_smooth(self.wait_sf, 1 - q, np.full(q.shape, self._guess_s)))

    def served_wait_sf(self, t: Any) -> Any:
        """P(W > t) of those who are served."""
        share = self.wait_probability / (1 - self.abandon_probability)
        return each_t(t, lambda u: share * self._tail_ratio(u, 1))

    def served_wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait of those who are served [s]."""
        return each_p(p, lambda q: invert_smooth(self.served_wait_sf, 1 - q, np.full(q.shape, self._guess_s)))

    @property
    def _guess_s(self) -> float:
        return self.service_s / self.servers + self.mean_wait_s

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service of those who are served [s]."""
        return each_p(p, lambda level: self._response.quantile(level))

    @cached_property
    def _response(self) -> Layers:
        service = Exponential(self.service_s)

        def build(tail: float) -> LatticeLaw:
            reach = self.served_wait_quantile_s(1 - tail / 2) - self.service_s * np.log(tail / 4)
            step = float(reach) / (_POINTS - 2)
            sf = self.served_wait_sf((np.arange(_POINTS) + 0.5) * step)
            limited = np.concatenate([[0.0], np.cumsum(sf) * step])
            own = lattice_law(
                lambda t: 1 - np.asarray(service.sf(t)), service.limited_mean_s, step_s=step, n=_POINTS
            )
            wait = LatticeLaw(step, masses_mean(limited, step), trust=self.trust)
            return convolve([wait, LatticeLaw(step, own.pmf, trust=self.trust)])

        return Layers(build)
