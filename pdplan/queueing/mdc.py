"""M/D/c: Poisson arrivals, constant service, one queue before c servers (or equal jobs dealt round robin)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.errors import InputError
from pdplan.queueing._invert import invert_smooth
from pdplan.queueing._mdc_queue import QueueTail, queue_tail
from pdplan.queueing._poisson import poisson_pmf
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.queueing.mmc import require_servers
from pdplan.queueing.spitzer import mdc_wait_probability_and_mean
from pdplan.trust import Trust

Array = NDArray[np.float64]

_MAX_SERVERS = 1_000_000
_BLOCK = 1 << 20  # most Poisson terms held at once


@dataclass(frozen=True)
class MDc(LittleMixin):
    """The M/D/c station, percentiles included; exact at any load, for c up to 1e6.

    Equal jobs dealt round robin over c servers wait exactly as long as in one queue.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service_s : float
        The service time of every customer [s].
    servers : int
        Number of servers c [-], at most 1e6.

    Notes
    -----
    For (k-1) D <= x < k D and y = lam (k D - x),
    P(W <= x) = sum_{j=0}^{kc-1} e^-y y^j/j! P(Lq <= kc-j-1): all terms positive. The tail is summed here.
    Source: G. J. Franx, A simple solution for the M/D/c waiting time distribution, Operations Research
    Letters 29 (2001) 221-229; the queue law is in `pdplan.queueing._mdc_queue`.

    Raises
    ------
    InputError
        A parameter is not positive, or servers is no whole number up to 1e6.
    UnstableError
        lam D >= c.

    Examples
    --------
    >>> pool = MDc(arrival_rate=3.6, service_s=1.0, servers=4)
    >>> round(pool.mean_wait_s, 6), round(pool.wait_quantile_s(0.99), 5)
    (0.999966, 5.33938)
    """

    arrival_rate: float
    service_s: float
    servers: int

    def __post_init__(self) -> None:
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("service_s", self.service_s, "s")
        require_servers(self.servers)
        if self.servers > _MAX_SERVERS:
            raise InputError(
                f"servers is {self.servers}: M/D/c is solved up to {_MAX_SERVERS}; use MMc as a bound"
            )
        require_stable(self.utilization, what="the M/D/c pool")

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @property
    def utilization(self) -> float:
        """Load per server, rho = lam D/c [-]."""
        return self.arrival_rate * self.service_s / self.servers

    @cached_property
    def _queue(self) -> QueueTail:
        return queue_tail(self.utilization, self.servers)

    @cached_property
    def wait_probability(self) -> float:
        """P(W > 0) [-]."""
        return float(self._sf_in_services(np.zeros(1))[0])

    @cached_property
    def mean_wait_s(self) -> float:
        """E W [s]: Spitzer's sum at light load, where few wait; the factorised queue near saturation."""
        if self._queue.near_saturation:
            return self._queue.mean / self.arrival_rate
        return mdc_wait_probability_and_mean(self.utilization, self.servers)[1] * self.service_s

    @property
    def mean_response_s(self) -> float:
        """E T [s]."""
        return self.mean_wait_s + self.service_s

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        return each_t(t, lambda u: self._sf_in_services(u / self.service_s))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]; 0 where p <= P(W = 0)."""

        def quantile(level: Array) -> Array:
            guess = np.full(level.shape, max(self.mean_wait_s / self.service_s, 1e-9))
            return self.service_s * invert_smooth(self._sf_in_services, 1 - level, guess)

        return each_p(p, quantile)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]."""
        return each_p(p, lambda level: self.wait_quantile_s(level) + self.service_s)

    def _sf_in_services(self, x: Array) -> Array:
        """P(W > x D), in blocks that bound the memory."""
        offered = self.servers * self.utilization
        widest = offered * math.exp(self._queue.decay)  # j is Poisson of this mean, seen from the tail
        length = int(widest + 10 * math.sqrt(widest) + 60)
        rows = max(1, _BLOCK // length)
        parts = [self._sf_block(x[i : i + rows]) for i in range(0, x.size, rows)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _sf_block(self, x: Array) -> Array:
        """Franx' sum for the tail at each x >= 0 [services]; P(Lq > m) = 1 for m < 0 closes it."""
        period = np.floor(x) + 1
        y = self.servers * self.utilization * (period - x)
        steps = (period * self.servers).astype(np.int64)  # k c
        first = np.maximum(np.floor(y - 9 * np.sqrt(y) - 20), 0).astype(np.int64)
        tilted = y * math.exp(self._queue.decay)
        final = (tilted + 10 * np.sqrt(tilted) + 40).astype(np.int64)
        j = first[:, None] + np.arange(int((final - first).max()) + 1)[None, :]
        chance = poisson_pmf(j, np.broadcast_to(y[:, None], j.shape))
        return np.asarray((chance * self._queue.sf(steps[:, None] - 1 - j)).sum(axis=1))
