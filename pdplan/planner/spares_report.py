"""`spares`: N + k instances for an availability, their cost, and what one loss does to the objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan._version import __version__
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import class_plan, cost_of
from pdplan.planner.result import Fleet, Objective
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.spares_count import joint_spares_of
from pdplan.planner.spares_law import (
    PoolNeed,
    instance_mtbf_s,
    short_share,
    spares_for,
)
from pdplan.planner.spares_loss import Loss, lost_instance, lost_link
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.spec.availability import Availability
from pdplan.spec.scenario import Scenario

YEAR_S = 365 * 86400.0


@dataclass(frozen=True, slots=True)
class PoolSpares:
    """Spares of one pool.

    ``alone``: spares with which this pool by itself reaches the target. ``spares``: those of the cheapest
    fleet in which both pools together do. ``short_without`` and ``short_with``: share of time with fewer than
    ``needed`` up, with no spares and with ``spares`` [-].
    """

    role: str
    each: str
    needed: int
    gpus_each: int
    mtbf_s: float
    down: float
    alone: int
    spares: int
    short_without: float
    short_with: float

    @property
    def losses_per_year(self) -> float:
        """Instances of the planned pool lost in a year, while all are up [1/year]."""
        return self.needed * YEAR_S / self.mtbf_s

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "each": self.each,
            "gpus_each": self.gpus_each,
            "needed": self.needed,
            "instance_mtbf_s": _round(self.mtbf_s),
            "instance_availability": _round(1.0 - self.down),
            "losses_per_year": _round(self.losses_per_year),
            "spares_alone": self.alone,
            "spares": self.spares,
            "short_share_without": _round(self.short_without),
            "short_share_with": _round(self.short_with),
        }


@dataclass(frozen=True, eq=False)
class Spares:
    """Spares of both pools, their cost, and what one loss does."""

    scenario: Scenario
    availability: Availability
    assumed: tuple[str, ...]
    prefill: PoolSpares
    decode: PoolSpares
    usd_per_hour: float
    usd_per_hour_with: float
    gpus: int
    gpus_with: int
    planned: tuple[tuple[str, Objective], ...]
    losses: tuple[Loss, ...]

    @property
    def short_without(self) -> float:
        """Share of time that some pool is short, without spares [-]."""
        return either(self.prefill.short_without, self.decode.short_without)

    @property
    def short_with(self) -> float:
        """Share of time that some pool is short, with the spares [-]."""
        return either(self.prefill.short_with, self.decode.short_with)

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        a = self.availability
        return {
            "schema": "pdplan.spares/1",
            "version": __version__,
            "target": _round(a.target),
            "gpu_mtbf_s": _round(a.mtbf),
            "mttr_s": _round(a.mttr),
            "assumed": list(self.assumed),
            "prefill": self.prefill.document(),
            "decode": self.decode.document(),
            "availability_without": _round(1.0 - self.short_without),
            "availability_with": _round(1.0 - self.short_with),
            "gpus_without": self.gpus,
            "gpus_with": self.gpus_with,
            "usd_per_hour_without": _round(self.usd_per_hour),
            "usd_per_hour_with": _round(self.usd_per_hour_with),
            "planned": [{"class": name, **o.document()} for name, o in self.planned],
            "losses": [loss.document() for loss in self.losses],
        }

    def __str__(self) -> str:
        """Read like an engineer's note, 80 columns wide."""
        from pdplan.planner.spares_text import spares_text

        return spares_text(self, width=80)


def spares(scenario: Scenario, *, fleet: Fleet | None = None) -> Spares:
    """Count the spares that keep the planned instances up for the share of time asked for.

    Every instance, spares included, runs and fails on its own; repairs wait for nobody (one repairer each).
    The planned counts are what must be up: then the plan's objectives hold.

    Parameters
    ----------
    scenario : Scenario
        ``availability`` gives the target, the MTBF of a GPU and the MTTR; defaults are named in the result.
    fleet : Fleet, optional
        A fleet of a plan; else the one that the scenario states; else the cheapest by formulas.

    Raises
    ------
    InfeasibleError
        There is no fleet, or no number of spares reaches the target.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> found = spares(builtin_scenario(("availability={target: 99.9%, mtbf: 720 h, mttr: 30 min}",)))
    >>> found.prefill.mtbf_s / 3600, found.prefill.spares, found.decode.spares        # 720 h over 4 GPUs
    (180.0, 1, 1)
    """
    return spares_of(scenario, chosen_fleet(scenario, fleet))


def spares_of(scenario: Scenario, chosen: Disaggregated) -> Spares:
    """Count the spares of a fleet at hand; see `spares`."""
    counted = joint_spares_of(scenario, chosen)
    asked, needs, joint = counted.availability, counted.needs, (counted.prefill, counted.decode)
    problem = chosen.problem
    sides: tuple[PrefillSide | DecodeSide, ...] = (chosen.prefill, chosen.decode)
    pools = [
        _pool(role, side.option, need, count, asked)
        for role, side, need, count in zip(("prefill", "decode"), sides, needs, joint, strict=True)
    ]
    bare = cost_of(problem, [(side.option, side.count) for side in sides])
    full = cost_of(problem, [(side.option, side.count + k) for side, k in zip(sides, joint, strict=True)])
    return Spares(
        scenario,
        asked,
        counted.assumed,
        pools[0],
        pools[1],
        bare.usd_per_hour,
        full.usd_per_hour,
        bare.gpus_bought,
        full.gpus_bought,
        _planned(chosen),
        (
            *(lost_instance(chosen, pool.role, pool.losses_per_year) for pool in pools),
            *lost_link(chosen),
        ),
    )


def either(first: float, second: float) -> float:
    """Probability of one or both of two independent events, without cancellation [-].

    Examples
    --------
    >>> either(0.5, 0.5)
    0.75
    """
    return first + second - first * second


def _planned(fleet: Disaggregated) -> tuple[tuple[str, Objective], ...]:
    """Every objective while nothing is lost."""
    return tuple((t.name, o) for t in fleet.problem.traffic for o in class_plan(fleet, t).objectives)


def _pool(role: str, option: InstanceOption, need: PoolNeed, count: int, asked: Availability) -> PoolSpares:
    alone = spares_for(need.needed, need.down, 1.0 - asked.target)
    return PoolSpares(
        role,
        option.label,
        need.needed,
        option.gpus,
        instance_mtbf_s(asked.mtbf, option.gpus),
        need.down,
        count if alone is None else alone,
        count,
        short_share(need.needed, 0, need.down),
        short_share(need.needed, count, need.down),
    )


def _round(x: float) -> float:
    return float(f"{x:.10g}")
