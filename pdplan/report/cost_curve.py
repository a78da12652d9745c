"""What the answer costs at other rates: the plan made again at multiples of its traffic, by formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pdplan.errors import InfeasibleError
from pdplan.planner.colocated import size_colocated
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem
from pdplan.planner.result import Colocated
from pdplan.planner.search import Search
from pdplan.planner.vary import scaled

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan

#: Multiples of the traffic at which the plan is made again.
FACTORS: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class CostPoint:
    """Cost at one multiple of the traffic [USD/h]; None where no fleet meets the objectives.

    ``colocated_low`` and ``colocated_high`` are of the least and of the surest colocated fleet.
    """

    factor: float
    rate: float
    split: float | None
    colocated_low: float | None
    colocated_high: float | None


def cost_curve(plan: Plan, factors: tuple[float, ...] = FACTORS) -> tuple[CostPoint, ...]:
    """Plan the traffic of a plan at multiples of it, split and colocated; at 1 the plan itself answers."""
    problem: Problem = plan.basis.search.problem
    return tuple(_planned(plan, problem) if f == 1.0 else _point(scaled(problem, f), f) for f in factors)


def _planned(plan: Plan, problem: Problem) -> CostPoint:
    """Give the costs of the plan itself, as simulation settled them."""
    return _costs(problem, 1.0, plan.cost.usd_per_hour, plan.colocated)


def _point(problem: Problem, factor: float) -> CostPoint:
    return _costs(problem, factor, _split(problem), size_colocated(problem))


def _costs(problem: Problem, factor: float, split: float | None, colocated: Colocated) -> CostPoint:
    low, high = colocated.cost_low, colocated.cost
    return CostPoint(
        factor,
        problem.demand.arrival_rate,
        split,
        None if low is None else low.usd_per_hour,
        None if high is None else high.usd_per_hour,
    )


def _split(problem: Problem) -> float | None:
    try:
        best = Search(problem).best()
    except InfeasibleError:
        return None
    pools = [(best.prefill, best.prefill_count), (best.decode, best.decode_count)]
    return cost_of(problem, pools).usd_per_hour
