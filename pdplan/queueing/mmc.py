"""M/M/c: Poisson arrivals, exponential service, one queue before c servers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive, require_stable
from pdplan.errors import InputError
from pdplan.queueing._invert import invert_smooth
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.queueing.erlang import delay_mean_wait, erlang_c
from pdplan.trust import Trust

Array = NDArray[np.float64]


def require_servers(servers: Any) -> None:
    """Raise `InputError` unless ``servers`` is a whole number of at least 1.

    Examples
    --------
    >>> require_servers(2.5)
    Traceback (most recent call last):
    pdplan.errors.InputError: servers is 2.5: it must be a whole number of at least 1
    """
    if isinstance(servers, bool) or not np.isfinite(servers) or servers != int(servers) or servers < 1:
        raise InputError(f"servers is {servers:g}: it must be a whole number of at least 1")


def hypoexponential_term(rate_a: Any, rate_b: Any, t: Any) -> Any:
    """(e^(-a t) - e^(-b t))/(b - a) >= 0 [s], also where the two rates meet.

    Examples
    --------
    >>> import math
    >>> math.isclose(hypoexponential_term(1.0, 1.0, 2.0), 2 * math.exp(-2))
    True
    """
    slow, gap = np.minimum(rate_a, rate_b), np.abs(np.subtract(rate_b, rate_a))
    return np.exp(-slow * t) * t * special.exprel(-gap * t)


@dataclass(frozen=True)
class MMc(LittleMixin):
    """The M/M/c station; exact, for c up to 1e7.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service_s : float
        Mean service [s].
    servers : int
        Number of servers c [-].

    Notes
    -----
    P(W > t) = C(c, a) exp(-(c/S - lam) t). Source: Gross et al., Fundamentals of Queueing Theory (4th ed.,
    2008), section 2.3.

    Raises
    ------
    InputError
        A parameter is not positive, or servers is no whole number.
    UnstableError
        lam S >= c.

    Examples
    --------
    >>> desk = MMc(arrival_rate=6.0, service_s=1 / 3, servers=3)
    >>> round(desk.mean_queue_length, 12)
    0.888888888889
    >>> round(desk.wait_quantile_s(0.99), 6)
    1.264747
    """

    arrival_rate: float
    service_s: float
    servers: int

    def __post_init__(self) -> None:
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("service_s", self.service_s, "s")
        require_servers(self.servers)
        require_stable(self.utilization, what="the M/M/c pool")

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @property
    def offered_erlangs(self) -> float:
        """Mean number of busy servers, a = lam S [erlang]."""
        return self.arrival_rate * self.service_s

    @property
    def utilization(self) -> float:
        """Load per server, rho = a/c [-]."""
        return self.offered_erlangs / self.servers

    @cached_property
    def wait_probability(self) -> float:
        """P(W > 0), Erlang C [-]."""
        return float(erlang_c(self.servers, self.offered_erlangs))

    @property
    def delay_rate(self) -> float:
        """Rate of the exponential wait of those who wait, c/S - lam [1/s]."""
        return (self.servers - self.offered_erlangs) / self.service_s

    @property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        return float(delay_mean_wait(self.wait_probability, self.arrival_rate, self.service_s, self.servers))

    @property
    def mean_response_s(self) -> float:
        """E T [s]."""
        return self.mean_wait_s + self.service_s

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        return each_t(t, lambda u: self.wait_probability * np.exp(-self.delay_rate * u))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]; 0 where p <= P(W = 0)."""

        def quantile(level: Array) -> Array:
            waits = 1 - level < self.wait_probability
            ratio = np.where(waits, self.wait_probability / (1 - level), 1.0)
            return np.log(ratio) / self.delay_rate

        return each_p(p, quantile)

    def response_sf(self, t: Any) -> Any:
        """P(T > t): the service alone, or after an independent exponential delay."""
        mu = 1 / self.service_s

        def sf(u: Array) -> Array:
            late = self.wait_probability * mu * hypoexponential_term(mu, self.delay_rate, u)
            return np.asarray(np.exp(-mu * u) + late)

        return each_t(t, sf)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]."""
        guess = self.mean_response_s
        return each_p(p, lambda q: invert_smooth(self.response_sf, 1 - q, np.full(q.shape, guess)))
