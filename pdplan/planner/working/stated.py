"""The fleet that the scenario states: its price and what its objectives come to."""

from __future__ import annotations

from dataclasses import replace

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.planner.search import Search
from pdplan.planner.working.build import endings, given
from pdplan.planner.working.cost import cost_derivations
from pdplan.planner.working.latencies import class_derivations
from pdplan.planner.working.objectives import objective_derivations, objective_name
from pdplan.planner.working.pools import LETTER
from pdplan.symbolic import Derivation


def stated_derivations(search: Search, fleet: Fleet) -> list[Derivation]:
    """Return every number that a plan prints of the stated fleet."""
    chosen = _chosen(search, fleet)
    rows: list[Derivation] = []
    for pool, side in ((fleet.prefill, chosen.prefill), (fleet.decode, chosen.decode)):
        letter, role = LETTER[pool.role], pool.role
        where = "fleet of the scenario"
        rows += [
            given(
                f"stated.{role}.instances", f"Stated {role} instances", f"n_{letter}", "", pool.count, where
            ),
            given(
                f"stated.{role}.gpus_each",
                f"GPUs of one stated {role} instance",
                f"g_{letter}",
                "",
                pool.degrees.gpus,
                where,
            ),
            given(
                f"stated.{role}.utilization",
                f"Load of the stated {role} pool",
                f"rho_{letter}",
                "",
                side.utilization,
                "the plan's formula at the stated count",
            ),
        ]
    rows += cost_derivations(search.problem, fleet, "stated.")
    ends = endings(fleet.classes)
    for c in fleet.classes:
        of = ends[c.name]
        rows += _renamed(class_derivations(chosen, c, of))
        rows += objective_derivations(c, of, _held_to(c, of), "stated.slo")
    return rows


def _held_to(c: ClassPlan, of: str) -> dict[str, str]:
    names = [objective_name(o) for o in c.objectives]
    return {n: f"stated.{n.partition('.')[0]}{of}.{n.partition('.')[2]}" for n in names}


def _renamed(rows: list[Derivation]) -> list[Derivation]:
    """Return the latencies under names of the stated fleet; they refer to nothing of the plan's own."""
    return [replace(d, name=f"stated.{d.name}", refers={}) for d in rows]


def _chosen(search: Search, fleet: Fleet) -> Disaggregated:
    problem, p, d = search.problem, fleet.prefill, fleet.decode
    prefill = next(o for o in problem.options("prefill") if o.degrees == p.degrees)
    decode = next(o for o in problem.options("decode") if o.degrees == d.degrees)
    return search.evaluator.fleet(prefill, p.count, decode, d.count)
