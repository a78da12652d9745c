"""What binds: the constraint that fails when one instance is taken away, and the tightest objective."""

from __future__ import annotations

from pdplan import units
from pdplan.errors import UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import Binding, Fleet, Objective
from pdplan.planner.search import Candidate, Search


def binding_of(search: Search, best: Candidate, fleet: Fleet) -> Binding:
    """Take one instance from each pool in turn and see what breaks."""
    return Binding(
        prefill=_without(search, best, prefill=1, decode=0),
        decode=_without(search, best, prefill=0, decode=1),
        tightest=tightest(fleet),
    )


def tightest(fleet: Fleet) -> str:
    """Name the objective or load with the least room, relative to its limit."""
    rows: list[tuple[float, str]] = [
        (o.slack, f"{c.name}: {o.target}, {show_value(o)} ({o.slack:.0%} to spare)")
        for c in fleet.classes
        for o in c.objectives
    ]
    for role, load, limit in _loads(fleet):
        rows.append(((limit - load) / limit, f"{role} load {load:.0%} of {limit:.0%}"))
    return min(rows)[1]


def show_value(objective: Objective) -> str:
    """E.g. ``1.31 s``, or ``92.1%`` for a share."""
    return units.show(objective.value, "fraction" if objective.is_share else "time")


def _loads(fleet: Fleet) -> list[tuple[str, float, float]]:
    limit = fleet.prefill.utilization_limit
    rows = [
        ("prefill", fleet.prefill.utilization, limit),
        ("decode", fleet.decode.utilization, limit),
        ("link", fleet.link.utilization, limit),
    ]
    if fleet.decode.kv_p99_share is not None:
        rows.append(("decode KV memory (p99)", fleet.decode.kv_p99_share, 1.0))
    return rows


def _without(search: Search, best: Candidate, *, prefill: int, decode: int) -> str:
    """Say what fails with fewer instances."""
    p, d = best.prefill_count - prefill, best.decode_count - decode
    if p < 1 or d < 1:
        return "one instance is the least there can be"
    try:
        return broken(search.evaluator.fleet(best.prefill, p, best.decode, d))
    except UnstableError as error:
        return str(error).split(":")[0]


def broken(fleet: Disaggregated) -> str:
    """Name what a fleet misses, worst first."""
    limit = fleet.problem.scenario.max_utilization
    rows = [
        ((top - load) / top, f"{role} load would be {load:.0%}, limit {top:.0%}")
        for role, load, top in (
            ("prefill", fleet.prefill.utilization, limit),
            ("decode", fleet.decode.utilization, limit),
            ("link", fleet.link.utilization, limit),
            ("decode KV memory (p99)", fleet.decode.kv_p99_share or 0.0, 1.0),
        )
        if load > top
    ]
    for traffic in fleet.problem.traffic:
        for target in traffic.slo.targets:
            value = fleet.value(traffic.demand, target)
            if value > target.limit_s:
                slack = 1.0 - value / target.limit_s
                rows.append((slack, f"{traffic.name}: {target} would be {units.show(value, 'time')}"))
        joint = traffic.slo.joint
        if joint is not None:
            low = fleet.joint_attainment(traffic.demand, joint)[1]
            if low < joint.attainment:
                shown = units.show(low, "fraction")
                rows.append((low - joint.attainment, f"{traffic.name}: {joint} would be {shown}"))
    return min(rows)[1] if rows else "nothing: a cheaper fleet of other instances exists"
