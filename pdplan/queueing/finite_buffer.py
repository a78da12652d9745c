"""One server with room for K customers, the one in service included: M/M/1/K and M/G/1/K, at any load."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing._roots import invert_decreasing
from pdplan.queueing.base import each_p, each_t
from pdplan.queueing.plot import PlotsWait
from pdplan.queueing.service import ServiceLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]


def _require_room(capacity: int) -> None:
    if capacity != int(capacity) or capacity < 1:
        raise InputError(f"capacity is {capacity}: it must be a whole number of at least 1 (one in service)")


def mm1k_number_law(rho: float, capacity: int) -> Array:
    """P(n in system) of M/M/1/K, n = 0..K: rho^n / (1 + rho + ... + rho^K), any rho > 0.

    Parameters
    ----------
    rho : float
        lam E S [-], > 0; 1 and above are allowed.
    capacity : int
        K [-], the one in service included.

    Raises
    ------
    InputError
        Out of range.

    Notes
    -----
    Source: D. Gross and C. M. Harris, Fundamentals of Queueing Theory (1998), section 2.4.

    Examples
    --------
    >>> mm1k_number_law(1.0, 3).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    require_positive("rho", rho)
    _require_room(capacity)
    n = np.arange(capacity + 1)
    logs = n * np.log(rho)
    weights = np.exp(logs - logs.max())  # the largest power is 1: no overflow at any load
    return np.asarray(weights / weights.sum())


def mg1k_left_behind(arrival_rate: float, service: ServiceLaw, capacity: int) -> Array:
    """Law of the number left behind by departures of M/G/1/K, n = 0..K-1.

    With a_j = P(j arrivals in a service), the balance of the embedded chain gives upwards
    pi_{n+1} a_0 = pi_n - pi_0 a_n - sum_{1<=i<=n} pi_i a_{n-i+1}; the sums are taken over tails of a, so
    that every term is positive and nothing cancels.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s], > 0.
    service : ServiceLaw
        S.
    capacity : int
        K [-], the one in service included.

    Notes
    -----
    Source: J. Keilson, J. Royal Statistical Society B 28 (1966) 190-201; H. Takagi, Queueing Analysis 2
    (1993), chapter 5.

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> mg1k_left_behind(1.0, Exponential(1.0), 3).round(12).tolist()
    [0.333333333333, 0.333333333333, 0.333333333333]
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    _require_room(capacity)
    a = service.poisson_counts(arrival_rate, capacity + 1)
    if a[0] == 0.0:  # more than 700 arrivals in every service: the room is always full
        return np.asarray(np.eye(1, capacity, capacity - 1)[0])
    above = np.maximum(1 - np.cumsum(a), 0.0)  # P(more than j)
    law = np.zeros(capacity)
    law[0] = 1.0
    for n in range(capacity - 1):
        # flow up across n | n+1 equals flow down: pi_{n+1} a_0 = pi_0 P(>n) + sum_{1<=i<=n} pi_i P(>n-i+1)
        law[n + 1] = (law[0] * above[n] + law[1 : n + 1] @ above[n:0:-1]) / a[0]
        if law[n + 1] > 1e200:
            law /= law[n + 1]
    return np.asarray(law / law.sum())


class _Finite:
    """Numbers of a finite buffer from the loss and the mean number; times are those of accepted customers."""

    arrival_rate: float

    @property
    def loss_probability(self) -> float:
        """Fraction of arrivals turned away [-]."""
        raise NotImplementedError

    @property
    def mean_in_system(self) -> float:
        """E L, customers waiting or in service [-]."""
        raise NotImplementedError

    @property
    def offered_load(self) -> float:
        """lam E S [-]; may be 1 or more."""
        raise NotImplementedError

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @property
    def accepted_rate(self) -> float:
        """Customers let in [1/s]."""
        return self.arrival_rate * (1 - self.loss_probability)

    @property
    def utilization(self) -> float:
        """Fraction of time the server works, lam E S (1 - loss) [-]."""
        return self.offered_load * (1 - self.loss_probability)

    @property
    def mean_queue_length(self) -> float:
        """E Lq, customers waiting [-]."""
        return self.mean_in_system - self.utilization

    @property
    def mean_wait_s(self) -> float:
        """E W of accepted customers [s]."""
        return self.mean_queue_length / self.accepted_rate

    @property
    def mean_response_s(self) -> float:
        """E T of accepted customers [s]."""
        return self.mean_in_system / self.accepted_rate


@dataclass(frozen=True)
class MM1K(_Finite, PlotsWait):
    """M/M/1/K: exponential service, arrivals that find K customers are lost. Any load.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    service_s : float
        E S [s].
    capacity : int
        K [-], the one in service included.

    Raises
    ------
    InputError
        Out of range.

    Examples
    --------
    >>> law = MM1K(arrival_rate=2.0, service_s=1.0, capacity=1)
    >>> round(law.loss_probability, 12), law.mean_wait_s  # rho/(1+rho)
    (0.666666666667, 0.0)
    """

    arrival_rate: float
    service_s: float
    capacity: int

    def __post_init__(self) -> None:
        """Check arguments."""
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("service_s", self.service_s, "s")
        _require_room(self.capacity)

    @property
    def offered_load(self) -> float:
        """lam E S [-]."""
        return self.arrival_rate * self.service_s

    @cached_property
    def _numbers(self) -> Array:
        return mm1k_number_law(self.offered_load, self.capacity)

    @property
    def loss_probability(self) -> float:
        """Fraction of arrivals turned away [-]."""
        return float(self._numbers[-1])

    @property
    def mean_in_system(self) -> float:
        """E L [-]."""
        return float(self._numbers @ np.arange(self.capacity + 1))

    @property
    def mean_queue_length(self) -> float:
        """E Lq [-]."""
        return float(self._numbers[1:] @ np.arange(self.capacity))

    def _sf(self, t: Array, stages: int) -> Array:
        """P(sum of n + stages services > t), n the number met by an accepted customer."""
        met = self._numbers[:-1] / self._numbers[:-1].sum()
        shape = np.arange(self.capacity) + stages
        tails = special.gammaincc(np.maximum(shape, 1)[None, :], t[:, None] / self.service_s)
        return np.asarray(np.where(shape > 0, tails, 0.0) @ met)

    def wait_sf(self, t: Any) -> Any:
        """P(W > t) of accepted customers; t in [s]."""
        return each_t(t, lambda x: self._sf(x, 0))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait of accepted customers [s]."""
        return each_p(p, lambda x: self._invert(x, 0))

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service of accepted customers [s]."""
        return each_p(p, lambda x: self._invert(x, 1))

    def _invert(self, p: Array, stages: int) -> Array:
        guess = np.full(p.shape, self.service_s * self.capacity)
        return invert_decreasing(lambda t: self._sf(t, stages), 1 - p, guess)


@dataclass(frozen=True, eq=False)
class MG1K(_Finite):
    """M/G/1/K: any service law, arrivals that find K customers are lost. Any load.

    P(loss) = 1 - 1/(pi_0 + rho), P(n) = pi_n/(pi_0 + rho) for n < K, with pi the law left behind by
    departures (`mg1k_left_behind`). Means only: the wait of accepted customers is not a function of pi.

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    service : ServiceLaw
        S.
    capacity : int
        K [-], the one in service included.

    Raises
    ------
    InputError
        Out of range.

    Notes
    -----
    Source: H. Takagi, Queueing Analysis 2 (1993), chapter 5.

    Examples
    --------
    >>> from pdplan.queueing.service import Deterministic
    >>> round(MG1K(arrival_rate=0.5, service=Deterministic(1.0), capacity=1).loss_probability, 12)
    0.333333333333
    """

    arrival_rate: float
    service: ServiceLaw
    capacity: int

    def __post_init__(self) -> None:
        """Check arguments."""
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        _require_room(self.capacity)

    @property
    def offered_load(self) -> float:
        """lam E S [-]."""
        return self.arrival_rate * self.service.mean_s

    @cached_property
    def _left(self) -> Array:
        return mg1k_left_behind(self.arrival_rate, self.service, self.capacity)

    @property
    def loss_probability(self) -> float:
        """Fraction of arrivals turned away [-], to 1e-15 absolute."""
        return max(0.0, 1 - 1 / (float(self._left[0]) + self.offered_load))

    @property
    def mean_in_system(self) -> float:
        """E L [-]."""
        scale = float(self._left[0]) + self.offered_load
        inside = float(self._left @ np.arange(self.capacity)) / scale
        return inside + self.capacity * self.loss_probability
