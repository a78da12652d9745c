"""How many colocated engines, or how much traffic each, meets a target: searches on a monotone test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pdplan.checks import require_positive
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.latency.model import LatencyModel
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.demand import ClassDemand, total_rate
from pdplan.serving.roots import smallest_count

Meets = Callable[[ColocatedStation], bool]


def smallest_fleet(
    demands: Sequence[ClassDemand],
    model: LatencyModel,
    meets: Meets,
    *,
    most: int = 4096,
    **engine: Any,
) -> ColocatedStation:
    """Return the station with the fewest instances that meets the target.

    Parameters
    ----------
    demands, model
        As for `colocated_station`.
    meets : callable
        Takes a station, says whether it meets the target; once met, more instances must keep it met.
    most : int
        Largest number of instances tried [-].
    engine
        Further arguments of `colocated_station`: discipline, budget_tokens, max_batch, ...

    Raises
    ------
    InfeasibleError
        Not even ``most`` instances meet it: the target is below what an idle engine gives.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 20.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> fleet = smallest_fleet([chat], model, lambda s: s.mean_tpot_s <= 0.015, budget_tokens=512)
    >>> fleet.instances, fleet.mean_tpot_s <= 0.015
    (4, True)
    """

    def holds(instances: int) -> bool:
        try:
            return meets(colocated_station(demands, model, instances=instances, **engine))
        except UnstableError:
            return False

    try:
        count = smallest_count(holds, 1, limit=most)
    except InfeasibleError as error:
        raise InfeasibleError(
            f"no colocated fleet of up to {most} instances meets the target: it is below what an idle "
            "engine gives"
        ) from error
    return colocated_station(demands, model, instances=count, **engine)


def largest_rate_per_instance(
    demands: Sequence[ClassDemand], model: LatencyModel, meets: Meets, *, rtol: float = 1e-3, **engine: Any
) -> float:
    """Most requests per second of this class mix that one engine takes within the target [1/s].

    Parameters
    ----------
    demands, model, meets, engine
        As for `smallest_fleet`; only the shares of the classes' rates matter.
    rtol : float
        Relative width of the final bracket; the answer is its lower end and meets the target.

    Raises
    ------
    InfeasibleError
        No rate meets it.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 20.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> rate = largest_rate_per_instance([chat], model, lambda s: s.mean_tpot_s <= 0.015, budget_tokens=512)
    >>> 5 <= rate < 20 / 3          # three instances are too few, four are enough
    True
    """
    require_positive("rtol", rtol)
    total = total_rate(demands)

    def station(rate: float) -> ColocatedStation:
        scaled = [replace(d, arrival_rate=d.arrival_rate * rate / total) for d in demands]
        return colocated_station(scaled, model, **engine)

    def within(rate: float) -> bool:
        try:
            return meets(station(rate))
        except UnstableError:
            return False

    low = total
    for _ in range(60):
        if within(low):
            break
        low /= 2
    else:
        raise InfeasibleError("no rate meets the target: it is below what an idle colocated engine gives")
    high = 2 * low
    while within(high):
        low, high = high, 2 * high
    while high - low > rtol * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if within(middle) else (low, middle)
    return low
