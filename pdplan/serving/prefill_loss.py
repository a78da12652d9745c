"""Prefill pools that turn requests away: a queue of limited length, or users who give up. Any load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pdplan.checks import require_positive
from pdplan.errors import InputError, UnsupportedError
from pdplan.latency.model import LatencyModel
from pdplan.queueing.abandonment import ErlangA
from pdplan.queueing.finite_buffer import MG1K
from pdplan.queueing.loss import MMcK
from pdplan.queueing.service import Atoms
from pdplan.serving.demand import ClassDemand, total_rate
from pdplan.serving.prefill_station import PrefillStation
from pdplan.trust import Trust

LossRouter = Literal["random", "least_work"]


@dataclass(frozen=True, eq=False)
class PrefillLoss:
    """What a pool that turns requests away does.

    Attributes
    ----------
    law : MG1K, MMcK or ErlangA
        The station behind it, per instance (random) or for the pool (least work left).
    offered_load : float
        Work offered over capacity; may pass 1 [-].
    lost_probability : float
        Requests turned away or given up [-].
    accepted_rate : float
        Requests per second that get their prefill, whole pool [1/s].
    mean_wait_s : float
        Mean wait: of accepted requests (limited queue), of all (giving up) [s].
    trust : Trust
        Exact for a limited queue under random routing with one prompt at a time; approximate otherwise.
    """

    law: Any
    offered_load: float
    lost_probability: float
    accepted_rate: float
    mean_wait_s: float
    trust: Trust


def _service(demands: Sequence[ClassDemand], model: LatencyModel, stages: int) -> Atoms:
    """Time of a prompt in (a stage of) an instance, at whatever load."""
    idle = [replace(d, arrival_rate=d.arrival_rate * 1e-9) for d in demands]
    return PrefillStation(idle, model, pipeline_stages=stages).service


def _require_router(router: str) -> None:
    if router not in ("random", "least_work"):
        raise UnsupportedError(
            f"loss under router {router!r} is not modelled: random is the worst case, least_work the best"
        )


def limited_queue(
    demands: Sequence[ClassDemand],
    model: LatencyModel,
    *,
    instances: int,
    room: int,
    router: LossRouter = "random",
    pipeline_stages: int = 1,
) -> PrefillLoss:
    """Pool whose queue holds at most ``room`` waiting prompts: further ones are turned away.

    Parameters
    ----------
    demands : sequence of ClassDemand
        The classes, rates of the whole pool.
    model : LatencyModel
        Step times of one instance.
    instances : int
        n [-].
    room : int
        Places to wait: at each instance (random), or in the one queue (least_work) [-].
    router : str
        ``random``: M/G/1/K per instance. ``least_work``: M/M/n/K with the same mean prefill.
    pipeline_stages : int
        PP [-].

    Raises
    ------
    UnsupportedError
        Other routers.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 0.5, np.array([1000.0]), np.array([10.0]), np.array([1.0]))
    >>> round(limited_queue([chat], model, instances=1, room=0).lost_probability, 9)     # Erlang B: 0.5/1.5
    0.333333333
    """
    require_positive("instances", instances)
    if room != int(room) or room < 0:
        raise InputError(f"room is {room:g}: it must be a whole number of at least 0")
    _require_router(router)
    service, rate = _service(demands, model, pipeline_stages), total_rate(demands)
    load = rate * service.mean_s / instances
    if router == "random" or instances == 1:
        one = MG1K(rate / instances, service, int(room) + 1)
        exact = Trust.EXACT if pipeline_stages == 1 or service.scv == 0 else Trust.APPROXIMATE
        kept = rate * (1 - one.loss_probability)
        return PrefillLoss(one, load, one.loss_probability, kept, one.mean_wait_s, exact)
    pool = MMcK(rate, service.mean_s, instances, instances + int(room))
    return PrefillLoss(
        pool, load, pool.blocking, rate * (1 - pool.blocking), pool.mean_wait_s, Trust.APPROXIMATE
    )


def with_timeout(
    demands: Sequence[ClassDemand],
    model: LatencyModel,
    *,
    instances: int,
    patience_s: float,
    router: LossRouter = "random",
    pipeline_stages: int = 1,
) -> PrefillLoss:
    """Pool whose users give up after a random (exponential) patience in the queue.

    Parameters
    ----------
    demands, model, instances, router, pipeline_stages
        As for `limited_queue`; Erlang-A per instance (random) or for the pool (least_work).
    patience_s : float
        Mean patience [s].

    Notes
    -----
    Prefill times are taken as exponential with their mean: approximate.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 9.5, np.array([1000.0]), np.array([10.0]), np.array([1.0]))
    >>> gone = with_timeout([chat], model, instances=10, patience_s=2.0, router="least_work")
    >>> round(gone.lost_probability, 9)
    0.084452009
    """
    require_positive("instances", instances)
    _require_router(router)
    service, rate = _service(demands, model, pipeline_stages), total_rate(demands)
    shared = router == "least_work"
    law = ErlangA(
        rate if shared else rate / instances, service.mean_s, instances if shared else 1, patience_s
    )
    load, lost = rate * service.mean_s / instances, law.abandon_probability
    return PrefillLoss(law, load, lost, rate * (1 - lost), law.mean_wait_s, Trust.APPROXIMATE)
