"""What every waiting-time law can answer."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from pdplan.trust import Trust


@runtime_checkable
class WaitingLaw(Protocol):
    """A stationary station: customers arrive, wait ``W``, are served ``S``; response ``T = W + S``.

    Times are seconds, rates per second. ``p`` and ``t`` may be floats or arrays; the answer has the same
    shape. ``wait_quantile_s(p)`` is the smallest ``t`` with ``P(W <= t) >= p`` (0 where ``p <= P(W = 0)``).
    Laws that bracket their quantiles also have ``wait_quantile_bounds_s(p) -> (lower, upper)``.
    """

    @property
    def arrival_rate(self) -> float:
        """Arrivals [1/s]."""
        ...

    @property
    def utilization(self) -> float:
        """Offered load per server, rho [-]."""
        ...

    @property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        ...

    @property
    def mean_queue_length(self) -> float:
        """E Lq, customers waiting [-] (Little: arrival rate times mean wait)."""
        ...

    @property
    def mean_in_system(self) -> float:
        """E L, customers waiting or in service [-]."""
        ...

    @property
    def mean_response_s(self) -> float:
        """E T [s]."""
        ...

    @property
    def trust(self) -> Trust:
        """What stands behind the percentiles."""
        ...

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        ...

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]."""
        ...

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service [s]."""
        ...
