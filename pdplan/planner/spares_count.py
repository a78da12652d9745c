"""How many spares a fleet takes, and what was assumed to count them."""

from __future__ import annotations

from dataclasses import dataclass

from pdplan.errors import InfeasibleError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption
from pdplan.planner.spares_law import MOST_SPARES, PoolNeed, down_share, instance_mtbf_s, joint_spares
from pdplan.spec.availability import Availability
from pdplan.spec.scenario import Scenario


@dataclass(frozen=True, slots=True)
class JointSpares:
    """The cheapest spares with which both pools are whole for the share of time asked for."""

    availability: Availability
    assumed: tuple[str, ...]
    needs: tuple[PoolNeed, PoolNeed]
    prefill: int
    decode: int

    @property
    def usd_per_hour(self) -> float:
        """Price of the spares [USD/h]."""
        return self.prefill * self.needs[0].usd_per_hour + self.decode * self.needs[1].usd_per_hour


def joint_spares_of(scenario: Scenario, chosen: Disaggregated) -> JointSpares:
    """Count the spares of a fleet at hand, and no more.

    Raises
    ------
    InfeasibleError
        No number of spares reaches the target.
    """
    asked = scenario.availability or Availability()
    needs = (
        _need(chosen.prefill.option, chosen.prefill.count, asked),
        _need(chosen.decode.option, chosen.decode.count, asked),
    )
    joint = joint_spares(*needs, 1.0 - asked.target)
    if joint is None:
        raise InfeasibleError(
            f"no {MOST_SPARES:,} spares keep the fleet up {asked.target:.6%} of the time: ask for less, or "
            "give a shorter mttr"
        )
    return JointSpares(asked, _assumed(scenario), needs, *joint)


def _need(option: InstanceOption, count: int, asked: Availability) -> PoolNeed:
    mtbf_s = instance_mtbf_s(asked.mtbf, option.gpus)
    return PoolNeed(count, down_share(mtbf_s, asked.mttr), option.price_usd_per_hour, option.gpus)


def _assumed(scenario: Scenario) -> tuple[str, ...]:
    """Fields of ``availability`` that the scenario leaves out."""
    written = set() if scenario.availability is None else scenario.availability.model_fields_set
    return tuple(name for name in ("target", "mtbf", "mttr") if name not in written)
