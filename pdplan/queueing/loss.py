"""M/M/c/K: c servers, room for K, and arrivals turned away when it is full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing._invert import invert_smooth
from pdplan.queueing._poisson import inverse_erlang, log_inverse_palm, poisson_log_pmf
from pdplan.queueing.base import each_p, each_t
from pdplan.queueing.mmc import require_servers
from pdplan.queueing.plot import PlotsWait
from pdplan.trust import Trust

Array = NDArray[np.float64]

_MAX_PLACES = 1_000_000
_BLOCK = 1 << 18  # most terms held at once


@dataclass(frozen=True)
class MMcK(PlotsWait):
    """The M/M/c/K station at any load; waits are those of the customers let in.

    Parameters
    ----------
    arrival_rate : float
        Arrivals, those turned away included [1/s].
    service_s : float
        Mean service [s].
    servers : int
        Number of servers c [-].
    capacity : int
        Most customers present, K >= c, those in service included [-].

    Notes
    -----
    p_{c+i} is proportional to rho^i, i = 0..K-c, above the Erlang B law of the first c states; a customer let
    in with i before it waits an Erlang(i+1) time of rate c/S.
    Source: Gross et al., Fundamentals of Queueing Theory (4th ed., 2008), section 2.5.

    Raises
    ------
    InputError
        A parameter out of range, or more than a million waiting places.

    Examples
    --------
    >>> station = MMcK(arrival_rate=3.6, service_s=1.0, servers=4, capacity=24)
    >>> round(station.blocking, 9)
    0.010480619
    """

    arrival_rate: float
    service_s: float
    servers: int
    capacity: int

    def __post_init__(self) -> None:
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("service_s", self.service_s, "s")
        require_servers(self.servers)
        if self.capacity != int(self.capacity) or self.capacity < self.servers:
            raise InputError(
                f"capacity is {self.capacity:g}: it counts those in service too, and must be a whole "
                f"number of at least {self.servers}"
            )
        if self.capacity - self.servers > _MAX_PLACES:
            raise InputError(
                f"capacity leaves {self.capacity - self.servers} places to wait: above {_MAX_PLACES} "
                "use MMc, whose queue has no end"
            )

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @property
    def utilization(self) -> float:
        """Offered load per server, rho = lam S/c [-]; it may pass 1."""
        return self.arrival_rate * self.service_s / self.servers

    @cached_property
    def _full_states(self) -> Array:
        """P(c + i present), i = 0..K-c."""
        powers = np.arange(self.capacity - self.servers + 1) * np.log(self.utilization)
        shift = float(powers.max())
        weights = np.exp(powers - shift)
        below = (float(inverse_erlang(self.servers, self.utilization * self.servers)[0]) - 1) * np.exp(-shift)
        return np.asarray(weights / (weights.sum() + below))

    @property
    def blocking(self) -> float:
        """Share of arrivals turned away [-]."""
        return float(self._full_states[-1])

    @property
    def throughput(self) -> float:
        """Customers let in [1/s]."""
        return self.arrival_rate * (1 - self.blocking)

    @property
    def wait_probability(self) -> float:
        """P(W > 0) of those let in [-]."""
        return float(self._ahead.sum())

    @property
    def _ahead(self) -> Array:
        """P(all busy and i waiting) seen by a customer let in, i = 0..K-c-1."""
        return np.asarray(self._full_states[:-1] / (1 - self.blocking))

    @property
    def mean_wait_s(self) -> float:
        """E W of those let in [s]."""
        return float(self._ahead @ np.arange(1, self._ahead.size + 1)) * self.service_s / self.servers

    @property
    def mean_response_s(self) -> float:
        """E T of those let in [s]."""
        return self.mean_wait_s + self.service_s

    @property
    def mean_queue_length(self) -> float:
        """Mean number waiting [-]."""
        return self.throughput * self.mean_wait_s

    @property
    def mean_in_system(self) -> float:
        """Mean number present [-]."""
        return self.throughput * self.mean_response_s

    def wait_sf(self, t: Any) -> Any:
        """P(W > t) of those let in."""
        return each_t(t, lambda u: self._in_blocks(u, self._wait_tail))

    def _in_blocks(self, t: Array, tail: Callable[[Array], Array]) -> Array:
        """Times by waiting places, a bounded number of terms at once."""
        rows = max(1, _BLOCK // self.capacity)
        return np.concatenate([tail(t[i : i + rows]) for i in range(0, t.size, rows)])

    def _wait_tail(self, t: Array) -> Array:
        ahead = self._ahead
        steps = np.arange(1, ahead.size + 1)
        passed = special.gammaincc(steps, self.servers * t[:, None] / self.service_s)
        return np.asarray(passed @ ahead)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait of those let in [s]; 0 where p <= P(W = 0)."""
        guess = self.mean_wait_s + self.service_s / self.servers
        return each_p(p, lambda q: invert_smooth(self.wait_sf, 1 - q, np.full(q.shape, guess)))

    def response_sf(self, t: Any) -> Any:
        """P(T > t) of those let in."""
        return each_t(t, lambda u: self._in_blocks(u, self._response_tail))

    def _response_tail(self, t: Array) -> Array:
        """P(W > t) + P(W <= t, S > t - W), an Erlang(n, c/S) wait folded with the service."""
        ahead, age = self._ahead, np.maximum(t[:, None] / self.service_s, 1e-300)
        direct = (1 - ahead.sum()) * np.exp(-age[:, 0]) + self._wait_tail(t)
        if not ahead.size:
            return np.asarray(direct)
        n = np.arange(1, ahead.size + 1)
        if self.servers == 1:
            log_fold = poisson_log_pmf(n, age)
        else:
            others = (self.servers - 1) * age
            reached = poisson_log_pmf(n, others) - log_inverse_palm(n, others)
            log_fold = reached - n * np.log1p(-1 / self.servers) - age
        return np.asarray(direct + np.exp(log_fold) @ ahead)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service of those let in [s]."""
        guess = self.mean_response_s
        return each_p(p, lambda q: invert_smooth(self.response_sf, 1 - q, np.full(q.shape, guess)))
