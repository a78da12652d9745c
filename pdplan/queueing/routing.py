"""Routers without a formula: join the shortest queue, and the shorter of two, between laws that have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.mdc import MDc
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.mgc import MGc
from pdplan.queueing.mmc import MMc
from pdplan.queueing.service import ServiceLaw
from pdplan.queueing.service_continuous import Gamma
from pdplan.trust import Trust


@dataclass(frozen=True)
class RoutingBracket:
    """A router between two laws: least work left below it, random routing above it.

    Attributes
    ----------
    router : str
        The router meant.
    lower, upper : WaitingLaw
        One queue for all servers; a random server for each job.
    mean_trust : Trust
        ``BOUNDED`` where both orders of the means are proven and both ends exact, else ``APPROXIMATE``.
    trust : Trust
        Of percentiles: no order is proven for them, so never better than ``APPROXIMATE``.
    """

    router: str
    lower: WaitingLaw
    upper: WaitingLaw
    mean_trust: Trust
    trust: Trust = Trust.APPROXIMATE

    @property
    def mean_wait_bounds_s(self) -> tuple[float, float]:
        """Lower and upper end for E W [s]."""
        return self.lower.mean_wait_s, self.upper.mean_wait_s

    @property
    def mean_response_bounds_s(self) -> tuple[float, float]:
        """Lower and upper end for E T [s]."""
        return self.lower.mean_response_s, self.upper.mean_response_s

    def wait_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Lower and upper end for the p-quantile of the wait [s]."""
        return _ordered(self.lower.wait_quantile_s(p), self.upper.wait_quantile_s(p))

    def response_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Lower and upper end for the p-quantile of wait plus service [s]."""
        return _ordered(self.lower.response_quantile_s(p), self.upper.response_quantile_s(p))


def _ordered(low: Any, high: Any) -> tuple[Any, Any]:
    """Two ends in their order: an approximate law may cross an exact one where both are small."""
    first, last = np.minimum(low, high), np.maximum(low, high)
    return (float(first), float(last)) if np.ndim(first) == 0 else (first, last)


def _is_exponential(service: ServiceLaw) -> bool:
    return isinstance(service, Gamma) and service.scv == 1


def least_work(arrival_rate: float, service: ServiceLaw, servers: int) -> WaitingLaw:
    """Least work left, which is one queue for all servers: the exact law where there is one.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service : ServiceLaw
        S.
    servers : int
        Number of servers [-].

    Examples
    --------
    >>> from pdplan.queueing.service import Deterministic
    >>> least_work(3.2, Deterministic(1.0), 4).trust
    <Trust.EXACT: 'exact'>
    """
    if service.scv == 0:
        return MDc(arrival_rate, service.mean_s, servers)
    if _is_exponential(service):
        return MMc(arrival_rate, service.mean_s, servers)
    return MGc(arrival_rate, service, servers)


def jsq_bracket(arrival_rate: float, service: ServiceLaw, servers: int) -> RoutingBracket:
    """Join the shortest queue, between least work left and random routing.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service : ServiceLaw
        S.
    servers : int
        Number of servers [-].

    Notes
    -----
    Means: one queue keeps servers busy whenever it can, so that it holds the fewest customers; joining the
    shortest queue beats every router that does not know the work, random included, for exponential service
    (W. Winston, J. Appl. Prob. 14 (1977) 181-189) and for hazard rates that do not fall, constant service
    among them (R. R. Weber, J. Appl. Prob. 15 (1978) 406-413). For services that vary more it can fail
    (W. Whitt, Operations Research 34 (1986) 55-62).

    Raises
    ------
    InputError, UnstableError
        Out of range; lam E S >= c.

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> bracket = jsq_bracket(3.2, Exponential(1.0), 4)
    >>> [round(end, 3) for end in bracket.mean_wait_bounds_s], bracket.mean_trust.value
    ([0.746, 4.0], 'bounded')
    """
    proven = service.scv == 0 or _is_exponential(service)
    return _bracket("jsq", arrival_rate, service, servers, proven=proven)


def power_of_two_bracket(arrival_rate: float, service: ServiceLaw, servers: int) -> RoutingBracket:
    """The shorter of two queues picked at random, between least work left and random routing.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service : ServiceLaw
        S.
    servers : int
        Number of servers [-].

    Notes
    -----
    The order of the means is proven for exponential service only (S. R. E. Turner, Probability in the
    Engineering and Informational Sciences 12 (1998) 109-124).

    Raises
    ------
    InputError, UnstableError
        Out of range; lam E S >= c.

    Examples
    --------
    >>> from pdplan.queueing.service import Deterministic
    >>> power_of_two_bracket(3.2, Deterministic(1.0), 4).mean_trust
    <Trust.APPROXIMATE: 'approximate'>
    """
    return _bracket("power_of_two", arrival_rate, service, servers, proven=_is_exponential(service))


def _bracket(
    router: str, arrival_rate: float, service: ServiceLaw, servers: int, *, proven: bool
) -> RoutingBracket:
    lower = least_work(arrival_rate, service, servers)
    upper = MG1(arrival_rate / servers, service)
    return RoutingBracket(router, lower, upper, Trust.BOUNDED if proven else Trust.APPROXIMATE)
