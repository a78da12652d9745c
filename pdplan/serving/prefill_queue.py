"""Which waiting law a prefill pool follows: router by router, one prompt at a time or M/M/1.

=============  ==================================  =========================
router         one prompt at a time                mm1 (calibrated)
=============  ==================================  =========================
random         M/G/1 (M/D/1) per instance          M/M/1 per instance
round_robin    E_n/G/1 (M/D/n for equal prompts)   M/M/1 per instance
least_work     M/G/n (M/D/n for equal prompts)     M/M/n
jsq            between least_work and random       between the same two
power_of_two   between least_work and random       between the same two
=============  ==================================  =========================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pdplan import queueing  # its laws load one by one, when a pool needs them
from pdplan.errors import UnknownNameError, did_you_mean
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.service import Atoms, ServiceLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]
Router = Literal["random", "round_robin", "least_work", "jsq", "power_of_two"]
ROUTERS: tuple[Router, ...] = get_args(Router)


@dataclass(frozen=True, eq=False)
class RouterBracket:
    """A router without a law of its own, between least work left and random.

    It answers with the random router's numbers, which are the higher ones, and with the bracket.

    Parameters
    ----------
    lower, upper : WaitingLaw
        The pool under least work left, and under random routing.
    """

    lower: Any
    upper: Any

    @property
    def arrival_rate(self) -> float:
        """Arrivals at one instance [1/s]."""
        return float(self.upper.arrival_rate)

    @property
    def utilization(self) -> float:
        """Load of an instance [-]."""
        return float(self.upper.utilization)

    @property
    def mean_wait_s(self) -> float:
        """Mean wait at the upper end [s]."""
        return float(self.upper.mean_wait_s)

    @property
    def mean_wait_bounds_s(self) -> tuple[float, float]:
        """Mean wait under least work left, and under random routing [s]."""
        return float(self.lower.mean_wait_s), float(self.upper.mean_wait_s)

    @property
    def trust(self) -> Trust:
        """Approximate: the order of routers is proved for means, not for percentiles."""
        return Trust.APPROXIMATE

    def wait_sf(self, t: Any) -> Any:
        """P(W > t) at the upper end."""
        return self.upper.wait_sf(t)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait at the upper end [s]."""
        return self.upper.wait_quantile_s(p)

    def wait_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """p-quantile under least work left, and under random routing [s]."""
        return self.lower.wait_quantile_s(p), self.upper.wait_quantile_s(p)


def require_router(router: str) -> None:
    """Refuse a router that is not known.

    Examples
    --------
    >>> require_router("round-robin")
    Traceback (most recent call last):
    pdplan.errors.UnknownNameError: router 'round-robin' is not known: use random, ...
    """
    if router not in ROUTERS:
        raise UnknownNameError(
            f"router {router!r} is not known: use {', '.join(ROUTERS)}{did_you_mean(router, ROUTERS)}"
        )


def _routed(router: Router, laws: dict[str, Callable[[], Any]]) -> Any:
    """Pick the router's law, or the bracket of those that have none."""
    require_router(router)
    if router in laws:
        return laws[router]()
    return RouterBracket(laws["least_work"](), laws["random"]())


def one_at_a_time_law(router: Router, arrival_rate: float, service: ServiceLaw, instances: int) -> WaitingLaw:
    """Wait in a pool whose instances prefill one prompt after another.

    Parameters
    ----------
    router : str
        How prompts are dealt to instances.
    arrival_rate : float
        Prompts per second at the whole pool [1/s].
    service : ServiceLaw
        Prefill time of a prompt (of one pipeline stage).
    instances : int
        Number of instances [-].

    Raises
    ------
    UnknownNameError
        The router.
    UnstableError
        More work than the pool can do.

    Examples
    --------
    >>> from pdplan.queueing.service import Deterministic
    >>> one_at_a_time_law("round_robin", 3.6, Deterministic(1.0), 4)
    MDc(arrival_rate=3.6, service_s=1.0, servers=4)
    """

    def single() -> Any:
        rate = arrival_rate / instances
        return queueing.MD1(rate, service.mean_s) if service.scv == 0 else queueing.MG1(rate, service)

    def dealt() -> Any:
        if instances == 1:
            return single()
        if service.scv == 0:
            return queueing.MDc(arrival_rate, service.mean_s, instances)
        return queueing.round_robin(arrival_rate=arrival_rate, service=service, servers=instances)

    def shared() -> Any:
        if instances == 1:
            return single()
        if service.scv == 0:
            return queueing.MDc(arrival_rate, service.mean_s, instances)
        return queueing.MGc(arrival_rate, service, instances)

    law: WaitingLaw = _routed(router, {"random": single, "round_robin": dealt, "least_work": shared})
    return law


def mm1_law(router: Router, arrival_rate: float, service_s: float, instances: int) -> WaitingLaw:
    """Wait in a pool taken as M/M/1 per instance (one queue: M/M/n), calibrated to a measured maximum rate.

    Examples
    --------
    >>> mm1_law("random", 8.0, 0.25, 4)
    MM1(arrival_rate=2.0, service_s=0.25)
    """

    def single() -> Any:
        return queueing.MM1(arrival_rate / instances, service_s)

    def shared() -> Any:
        return single() if instances == 1 else queueing.MMc(arrival_rate, service_s, instances)

    law: WaitingLaw = _routed(router, {"random": single, "round_robin": single, "least_work": shared})
    return law


def service_atoms(values_s: Array, weight: Array, *, most: int = 256) -> Atoms:
    """Service law of weighted values, gathered into at most ``most`` groups of nearly equal values.

    Values are grouped on a logarithmic scale and replaced by their mean: the mean is kept, the second moment
    falls by about (range/most)^2/12 relative.

    Examples
    --------
    >>> v = np.exp(np.linspace(0.0, 5.0, 10_001))
    >>> law = service_atoms(v, np.full(v.size, 1 / v.size))
    >>> law.values_s.size <= 256, bool(abs(law.mean_s / v.mean() - 1) < 1e-12)
    (True, True)
    """
    keep = weight > 0
    values, chance = values_s[keep], weight[keep]
    if values.size > most:
        logs = np.log(values)
        low, high = float(logs.min()), float(logs.max())
        group = np.minimum(np.floor((logs - low) / max(high - low, 1e-12) * most), most - 1).astype(np.int64)
        mass = np.bincount(group, chance, minlength=most)
        total = np.bincount(group, chance * values, minlength=most)
        used = mass > 0
        values, chance = np.asarray(total[used] / mass[used]), np.asarray(mass[used])
    return Atoms(values, chance)
