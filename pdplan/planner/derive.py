"""The working of a plan: for each number it shows, the formula or the equation, and what went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import REPORTED, ClassPlan, Fleet
from pdplan.planner.working.benchmarks import benchmark_derivations
from pdplan.planner.working.build import endings
from pdplan.planner.working.colocations import colocated_derivations
from pdplan.planner.working.cost import cost_derivations
from pdplan.planner.working.decode import decode_derivations
from pdplan.planner.working.latencies import class_derivations
from pdplan.planner.working.leftovers import left_out_derivations
from pdplan.planner.working.link import link_derivations
from pdplan.planner.working.needs import fewer_derivations, need_derivations
from pdplan.planner.working.objectives import objective_derivations, objective_name
from pdplan.planner.working.outlooks import outlook_derivations
from pdplan.planner.working.pools import prefill_derivations, size_derivations
from pdplan.planner.working.ranges import range_derivations
from pdplan.planner.working.spoken import spoken_derivations
from pdplan.planner.working.stated import stated_derivations
from pdplan.planner.working.traffic import (
    default_derivations,
    traffic_derivations,
    verification_derivations,
)
from pdplan.planner.working.verdicts import verdict_derivations
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan


def derivations_of(chosen: Disaggregated, fleet: Fleet) -> tuple[Derivation, ...]:
    """Return the working behind every number of a fleet: loads, latencies, objectives, cost."""
    ends = endings(fleet.classes)
    rows = traffic_derivations(fleet.classes, ends)
    rows += size_derivations(chosen, fleet)
    rows += prefill_derivations(chosen.prefill)
    rows += link_derivations(chosen, fleet.link)
    rows += decode_derivations(chosen.decode, _gap_percentiles(fleet.classes))
    for c in fleet.classes:
        rows += class_derivations(chosen, c, ends[c.name])
        rows += objective_derivations(c, ends[c.name], _held_to(c, ends[c.name]))
    return tuple(rows + cost_derivations(chosen.problem, fleet))


def plan_derivations(plan: Plan) -> tuple[Derivation, ...]:
    """Return the working behind every number in the text of a plan, in its order."""
    search, chosen = plan.basis.search, plan.basis.chosen
    ends = endings(plan.classes)
    rows = list(derivations_of(chosen, plan.fleet))
    rows += range_derivations(chosen.prefill, chosen.decode)
    rows += need_derivations(search, chosen, plan.need)
    rows += fewer_derivations(search, chosen)
    if plan.benchmark is not None:
        rows += benchmark_derivations(search.problem, plan.benchmark)
    if plan.stated is not None:
        rows += stated_derivations(search, plan.stated)
    rows += colocated_derivations(search.problem, plan.colocated)
    for v in plan.verdicts:
        rows += verdict_derivations(v, ends[v.name])
    if plan.verification is not None:
        rows += verification_derivations(plan.verification, ends)
        rows += spoken_derivations("verification.said", str(plan.verification), "simulation of the fleet")
    rows += _said(plan, ends)
    rows += outlook_derivations(plan, ends)
    rows += default_derivations(plan.defaults)
    rows += left_out_derivations(search.problem)
    return tuple({d.name: d for d in reversed(rows)}.values())[::-1]


def _said(plan: Plan, ends: dict[str, str]) -> list[Derivation]:
    """Return the numbers in sentences of simulations, traces and searches."""
    other = plan.colocated
    rows = spoken_derivations("colocated.settled.said", other.settled, "simulation of colocated fleets")
    rows += spoken_derivations(
        "colocated.why.said", other.why, "search of colocated fleets", Trust.APPROXIMATE
    )
    if plan.replay is not None:
        rows += spoken_derivations("replay.said", str(plan.replay), "one replay of the traces: no interval")
    for v in plan.verdicts:
        rows += spoken_derivations(f"verdict{ends[v.name]}.said", v.why, "the verdict", Trust.APPROXIMATE)
    for c in plan.classes:
        if c.traced is not None:
            name, where = f"trace{ends[c.name]}.said", f"trace {c.traced.asked.trace}"
            rows += spoken_derivations(name, str(c.traced), where, Trust.EXACT)
    return rows


def _gap_percentiles(classes: tuple[ClassPlan, ...]) -> tuple[float, ...]:
    asked = {p for c in classes if c.itl is not None for p in c.itl.quantiles_s}
    return tuple(sorted(asked | set(REPORTED)))


def _held_to(c: ClassPlan, of: str) -> dict[str, str]:
    """Return the quantity that each objective is held to."""
    found = {}
    for o in c.objectives:
        metric, _, stat = objective_name(o).partition(".")
        gap = "decode.itl" if stat == "mean" else f"decode.itl.{stat}"
        found[f"{metric}.{stat}"] = gap if metric == "itl" else f"{metric}{of}.{stat}"
    return found
