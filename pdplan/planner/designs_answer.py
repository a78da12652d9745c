"""From a ranked way to the design that is reported, and why there is none."""

from __future__ import annotations

from typing import Literal

from pdplan.errors import InfeasibleError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_rank import Ranked
from pdplan.planner.designs_report import Basis, Design, Pools
from pdplan.planner.designs_settle import Engine
from pdplan.planner.designs_yardstick import Yardstick
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem


def design_of(
    problem: Problem, ranked: Ranked, status: Literal["met", "undetermined"], engine: Engine | None
) -> Design:
    """Report a way with the fleets that were found for it."""
    pools = []
    bought: list[tuple[InstanceOption, int]] = []
    for group, found in zip(ranked.way.groups, ranked.fleets, strict=True):
        fleet = found.fleet
        if isinstance(fleet, ColocatedFleet):
            bought.append((fleet.option, fleet.count))
        else:
            bought += [(side.option, side.count) for side in (fleet.prefill, fleet.decode)]
        seen = None if engine is None else engine.known(fleet)
        pools.append(Pools(group.architecture, group.parts, fleet, seen))
    cost = cost_of(problem, bought)
    return Design(ranked.way.label, tuple(pools), cost, ranked.key.objective, status, _basis(pools))


def _basis(pools: list[Pools]) -> Basis:
    simulated = [p.verification is not None for p in pools]
    if all(simulated):
        return "simulation"
    return "formulas and simulation" if any(simulated) else "formulas"


def beyond_stock(best: Ranked, yardstick: Yardstick) -> str:
    """Say what the best design would take that the stock does not hold."""
    use = zip(yardstick.names, yardstick.bought(best.gpus), strict=True)
    need = " and ".join(f"{n} x {name}" for name, n in use if n)
    return f"no design fits the stock: the best without it takes {need} ({best.way.label})"


def out_of_reach(problem: Problem) -> str:
    """Name the objective that no number of instances meets."""
    from pdplan.planner.infeasible import explain_infeasible
    from pdplan.planner.search import Search

    return str(explain_infeasible(Search(problem), InfeasibleError("no design meets the objectives")))
