"""One server, Poisson arrivals, exponential service: M/M/1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.trust import Trust

Array = NDArray[np.float64]


def mm1_mean_wait_s(arrival_rate: Any, service_s: Any) -> Any:
    """Mean wait of M/M/1: E W = lam D^2 / (1 - lam D).

    Parameters
    ----------
    arrival_rate : float or array or symbol
        lam [1/s], > 0.
    service_s : float or array or symbol
        Mean service D [s], > 0.

    Returns
    -------
    float or array or symbol
        E W [s].

    Raises
    ------
    InputError, UnstableError
        Not positive; lam D >= 1.

    Notes
    -----
    Source: L. Kleinrock, Queueing Systems I (1975), section 3.2.

    Examples
    --------
    >>> round(mm1_mean_wait_s(2.0, 1 / 3), 12)
    0.666666666667
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("service_s", service_s, "s")
    require_stable(arrival_rate * service_s)
    return arrival_rate * service_s**2 / (1 - arrival_rate * service_s)


@dataclass(frozen=True)
class MM1(LittleMixin):
    """M/M/1: Poisson arrivals, exponential service, first come first served.

    P(W > t) = rho exp(-(1/D - lam) t); the response is exponential with rate 1/D - lam.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    service_s : float
        Mean service D [s].

    Raises
    ------
    InputError, UnstableError
        Not positive; lam D >= 1.

    Notes
    -----
    Source: D. Gross and C. M. Harris, Fundamentals of Queueing Theory (1998), section 2.2.

    Examples
    --------
    >>> law = MM1(arrival_rate=24.0, service_s=1 / 30)
    >>> round(law.mean_in_system, 9), round(law.wait_quantile_s(0.99), 4)
    (4.0, 0.7303)
    """

    arrival_rate: float
    service_s: float

    def __post_init__(self) -> None:
        """Check rate, service and stability."""
        mm1_mean_wait_s(self.arrival_rate, self.service_s)

    @property
    def utilization(self) -> float:
        """rho = lam D [-]."""
        return self.arrival_rate * self.service_s

    @property
    def _decay(self) -> float:
        """1/D - lam [1/s]."""
        return (1 - self.utilization) / self.service_s

    @property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        return float(mm1_mean_wait_s(self.arrival_rate, self.service_s))

    @property
    def mean_response_s(self) -> float:
        """E T = 1/(1/D - lam) [s]."""
        return 1 / self._decay

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    def wait_sf(self, t: Any) -> Any:
        """P(W > t); t in [s]."""
        return each_t(t, lambda x: self.utilization * np.exp(-self._decay * x))

    def response_sf(self, t: Any) -> Any:
        """P(T > t); t in [s]."""
        return each_t(t, lambda x: np.exp(-self._decay * x))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]: max(0, log(rho/(1-p)) / (1/D - lam))."""

        def quantile(x: Array) -> Array:
            return np.asarray(np.maximum(0.0, np.log(self.utilization) - np.log1p(-x)) / self._decay)

        return each_p(p, quantile)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]: -log(1-p) / (1/D - lam)."""
        return each_p(p, lambda x: -np.log1p(-x) / self._decay)
