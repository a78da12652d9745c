"""One point of a sweep: its row, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from pdplan.errors import InfeasibleError, InputError, UnstableError
from pdplan.planner.answer import Plan
from pdplan.planner.binding import tightest
from pdplan.planner.judge import judge
from pdplan.planner.problem import assemble
from pdplan.planner.result import ClassPlan, Fleet, Latency, PoolPlan
from pdplan.planner.search import Search
from pdplan.planner.sizing import size, stated_fleet
from pdplan.planner.sweep_points import Base
from pdplan.spec.scenario import Scenario
from pdplan.spec.slo import Target

Quantities = Literal["plan", "fleet", "means"]
Row = dict[str, Any]

#: What a row may say of its point; only ``met`` is a fleet that meets every objective.
STATUSES: Final = ("met", "undetermined", "missed", "overloaded", "infeasible", "bad input", "bug")


def plan_row(scenario: Scenario) -> Row:
    """Plan a scenario by formulas and report it as one row."""
    result = size(scenario)
    row = fleet_columns(result.fleet)
    row |= {"binding_prefill": result.binding.prefill, "binding_decode": result.binding.decode}
    return row | _colocated_columns(result) | _class_columns(result.fleet.classes)


def fleet_row(scenario: Scenario) -> Row:
    """Judge the fleet that a scenario states and report it as one row."""
    if scenario.fleet is None:
        raise InputError("the scenario states no fleet: add fleet.prefill.count and fleet.decode.count")
    search = Search(assemble(scenario))
    fleet = judge(stated_fleet(search, scenario.fleet.prefill, scenario.fleet.decode))
    return fleet_columns(fleet) | _class_columns(fleet.classes)


_ROW_OF: Final[dict[Quantities, Callable[[Scenario], Row]]] = {"plan": plan_row, "fleet": fleet_row}


def row_of(base: Base, settings: tuple[str, ...], quantities: Quantities) -> Row:
    """Return the row of a point; an error becomes its status and reason."""
    try:
        return _ROW_OF[quantities](base.scenario(settings))
    except Exception as error:
        return failed_row(error, base.source)


def failed_row(error: Exception, source: str = "") -> Row:
    """Return the row of a point that has no fleet to report."""
    if isinstance(error, UnstableError):
        status = "overloaded"
    elif isinstance(error, InfeasibleError):
        status = "infeasible"
    elif isinstance(error, InputError):
        status = "bad input"
    else:
        return {"status": "bug", "feasible": False, "reason": f"{type(error).__name__}: {error}"}
    reason = str(error).removeprefix(f"{source}: ").replace("--set ", "--over ")
    return {"status": status, "feasible": False, "reason": reason}


def fleet_columns(fleet: Fleet) -> Row:
    """Report a fleet: what it is, what it costs, how loaded it is."""
    missed = [f"{c.name}: {o.target}" for c in fleet.classes for o in c.objectives if o.status != "met"]
    status = fleet.status
    reason = "" if status == "met" else f"{status}: {', '.join(missed) or tightest(fleet)}"
    return {
        "status": status,
        "feasible": status == "met",
        "reason": reason,
        "fleet": fleet.label,
        **_pool_columns("prefill", fleet.prefill),
        **_pool_columns("decode", fleet.decode),
        "gpus": fleet.cost.gpus_bought,
        "usd_per_hour": number(fleet.cost.usd_per_hour),
        "usd_per_million_output_tokens": number(fleet.cost.usd_per_million_output_tokens),
        "link_load": number(fleet.link.utilization),
        "tightest": tightest(fleet),
    }


def _pool_columns(role: str, pool: PoolPlan) -> Row:
    return {
        f"{role}_count": pool.count,
        f"{role}_tp": pool.tp,
        f"{role}_pp": pool.pp,
        f"{role}_dp_attention": pool.dp_attention,
        f"{role}_ep": pool.ep,
        f"{role}_load": number(pool.utilization),
    }


def _colocated_columns(result: Plan) -> Row:
    """Report the colocated fleet that surely meets the objectives, and each class's verdict."""
    cost = result.colocated.cost
    row: Row = {
        "colocated_gpus": None if cost is None else cost.gpus_bought,
        "colocated_usd_per_hour": None if cost is None else number(cost.usd_per_hour),
    }
    return row | {f"{v.name}.verdict": v.reason for v in result.verdicts}


def _class_columns(classes: tuple[ClassPlan, ...]) -> Row:
    """Report of each class the mean TTFT and TPOT, and every statistic that its objectives name."""
    row: Row = {}
    for c in classes:
        row[f"{c.name}.ttft_mean_s"] = number(c.ttft.mean_s)
        row[f"{c.name}.tpot_mean_s"] = None if c.tpot is None else number(c.tpot.mean_s)
        given: dict[str, Latency | None] = {"ttft": c.ttft, "tpot": c.tpot, "itl": c.itl, "e2e": c.e2e}
        for objective in c.objectives:
            target = objective.target
            if not isinstance(target, Target):
                row[f"{c.name}.attainment"] = number(objective.value)
            elif given[target.metric] is not None:
                row[f"{c.name}.{target.metric}_{target.stat}_s"] = number(objective.value)
    return row


def number(value: float) -> float:
    """Round to 10 significant digits, so that the last bits of a platform do not show."""
    return float(f"{value:.10g}")
