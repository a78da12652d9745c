"""Why a fleet is as large as it is: its tightest limit, and what breaks with one instance fewer."""

from __future__ import annotations

from dataclasses import replace

from pdplan import units
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption, Role
from pdplan.planner.problem import Problem
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.traffic import ClassTraffic
from pdplan.spec.slo import JointTarget, Target

#: Room left as a share of the limit, whose limit, and the value in words.
Room = tuple[float, str, str]


def tightest(fleet: Disaggregated | ColocatedFleet) -> tuple[float, str]:
    """Return the least room, as a share of its limit, and what it is of."""
    slack, what, value = min(rooms(fleet))
    return slack, f"{what}, {value} ({_to_spare(slack)})"


def one_fewer(fleet: Disaggregated | ColocatedFleet) -> tuple[str, ...]:
    """Say what breaks with one instance fewer, or a smaller one where there is one; a line for each pool."""
    problem = fleet.problem
    if isinstance(fleet, ColocatedFleet):
        less = _less(problem, "colocated", fleet.option, fleet.count)
        return () if less is None else (f"{less[2]}: {_broken(ColocatedFleet(problem, *less[:2]))}",)
    lines = []
    p, d = fleet.prefill, fleet.decode
    if (less := _less(problem, "prefill", p.option, p.count)) is not None:
        smaller = Disaggregated(problem, PrefillSide(problem, *less[:2]), d)
        lines.append(f"{less[2]}: {_broken(smaller)}")
    if (less := _less(problem, "decode", d.option, d.count)) is not None:
        smaller = Disaggregated(problem, p, DecodeSide(problem, *less[:2]))
        lines.append(f"{less[2]}: {_broken(smaller)}")
    return tuple(lines)


def _less(
    problem: Problem, role: Role, option: InstanceOption, count: int
) -> tuple[InstanceOption, int, str] | None:
    """One instance fewer, or one of the next smaller parallelism on the same accelerator; and in words."""
    name = "" if role == "colocated" else f"{role} "
    if count > 1:
        return option, count - 1, f"one {name or 'instance '}fewer"
    pool = "decode" if role == "decode" else "prefill"
    own = getattr(problem.scenario, pool).model_copy(update={"accelerator": option.accelerator.name})
    there = replace(problem, scenario=problem.scenario.model_copy(update={pool: own}))
    smaller = [o for o in there.options(role) if o.gpus < option.gpus]
    if not smaller:
        return None
    nearest = max(smaller, key=lambda o: (o.gpus, o.tp))
    return nearest, 1, f"{name}{nearest.label} instead of {option.label}"


def rooms(fleet: Disaggregated | ColocatedFleet) -> list[Room]:
    """Return the room left under every load limit and objective; brackets by their upper end.

    Raises
    ------
    UnstableError
        A station is offered more than it can do.
    """
    return _loads(fleet) + [
        _room(traffic.name, target, *_ends(fleet, traffic, target))
        for traffic in fleet.problem.traffic
        for target in traffic.slo.objectives
    ]


def _broken(fleet: Disaggregated | ColocatedFleet) -> str:
    try:
        slack, what, value = min(rooms(fleet))
    except (UnstableError, InfeasibleError) as error:
        return str(error).split(":")[0]
    if slack < 0:
        return f"{what} would be {value}"
    return "still enough, but fleets of other instances are smaller"


def _loads(fleet: Disaggregated | ColocatedFleet) -> list[Room]:
    limit = fleet.problem.scenario.max_utilization
    if isinstance(fleet, ColocatedFleet):
        loads = [("load", fleet.station.utilization, limit), ("KV memory (p99)", fleet.kv_p99_share, 1.0)]
    else:
        loads = [
            ("prefill load", fleet.prefill.utilization, limit),
            ("decode load", fleet.decode.utilization, limit),
            ("link load", fleet.link.utilization, limit),
            ("decode KV memory (p99)", fleet.decode.kv_p99_share or 0.0, 1.0),
        ]
    return [(1.0 - load / top, f"{what} of at most {top:.0%}", f"{load:.0%}") for what, load, top in loads]


def _ends(
    fleet: Disaggregated | ColocatedFleet, traffic: ClassTraffic, target: Target | JointTarget
) -> tuple[float, float]:
    """Optimistic and pessimistic value of an objective: seconds, or shares for a joint one."""
    if isinstance(fleet, ColocatedFleet):
        if isinstance(target, JointTarget):
            return fleet.joint(traffic, 0), fleet.joint(traffic, 1)
        return fleet.bounds(traffic.demand, target)
    if isinstance(target, JointTarget):
        low = fleet.joint_attainment(traffic.demand, target)[1]
        return low, low
    value = fleet.value(traffic.demand, target)
    return value, value


def _room(name: str, target: Target | JointTarget, good: float, bad: float) -> Room:
    joint = isinstance(target, JointTarget)
    ends = [units.show(x, "fraction" if joint else "time") for x in (good, bad)]
    shown = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    if isinstance(target, JointTarget):
        return (bad - target.attainment) / (1.0 - target.attainment), f"{name}: {target}", shown
    return 1.0 - bad / target.limit_s, f"{name}: {target}", shown


def _to_spare(slack: float) -> str:
    return f"{slack:.0%} to spare" if slack >= 0 else "the limit lies inside the bracket of the formulas"
