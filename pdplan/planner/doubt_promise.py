"""What a fleet must keep at every sample, and the inputs that each of these hangs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pdplan.errors import InfeasibleError
from pdplan.planner.doubt_sample import DoubtedProblem
from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.problem import Problem
from pdplan.spec.slo import JointTarget, Target


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that must hold: an objective of a class, or a capacity of a station (no class)."""

    what: str
    class_name: str = ""
    index: int = -1
    target: Target | JointTarget | None = None

    def __str__(self) -> str:
        """E.g. ``chat: ttft p99 <= 2 s``."""
        return f"{self.class_name}: {self.what}" if self.class_name else self.what


#: What stations must be able to do whatever the objectives: carry the load, and hold its KV.
CAPACITIES = (
    "prefill carries the load",
    "decode carries the load",
    "link carries the load",
    "decode holds the KV",
)


def promises(problem: Problem) -> tuple[Promise, ...]:
    """Return everything that a fleet of a problem must keep: capacities first, then objectives."""
    return (
        *(Promise(what) for what in CAPACITIES),
        *(
            Promise(str(target), traffic.name, index, target)
            for index, traffic in enumerate(problem.traffic)
            for target in traffic.slo.objectives
        ),
    )


def kept(sample: DoubtedProblem, prefill: int, decode: int, asked: tuple[Promise, ...]) -> list[bool]:
    """Whether a fleet of so many instances keeps each promise at one sample."""
    fleet = sample.evaluator.fleet(sample.prefill, prefill, sample.decode, decode)
    return [keeps(fleet, promise) for promise in asked]


def keeps(fleet: Disaggregated, promise: Promise) -> bool:
    """Whether a fleet keeps a promise; an overloaded station keeps none."""
    try:
        if promise.target is None:
            return _carries(fleet, CAPACITIES.index(promise.what))
        demand = fleet.problem.traffic[promise.index].demand
        if isinstance(promise.target, JointTarget):
            return fleet.joint_attainment(demand, promise.target)[1] >= promise.target.attainment
        if promise.target.metric in ("tpot", "itl") and not several(demand):
            return True
        return fleet.log_excess(demand, promise.target) <= 0.0
    except InfeasibleError:  # a station that is part of it is overloaded
        return False


def _carries(fleet: Disaggregated, which: int) -> bool:
    """Whether a station is stable, or (the last) the 99th percentile of its KV fits."""
    loads: tuple[Callable[[], float], ...] = (
        lambda: fleet.prefill.utilization,
        lambda: fleet.decode.utilization,
        lambda: fleet.link.utilization,
        lambda: fleet.decode.kv_p99_share or 0.0,
    )
    load = loads[which]()
    return load <= 1.0 if which == len(loads) - 1 else load < 1.0


#: Directions that can only make things worse at a station. Output lengths have none (longer outputs fill
#: batches but average over more steps), so both of their signs are listed: no sample then speaks for another.
AT_PREFILL = ("rate", "prompt_tokens", "prefill_time")
AT_DECODE = ("rate", "prompt_tokens", "decode", "output_tokens", "-output_tokens")
AT_LINK = ("rate", "prompt_tokens", "link")
ANYWHERE = ("rate", "prompt_tokens", "prefill_time", "decode", "link", "output_tokens", "-output_tokens")


def hangs_on(problem: Problem, promise: Promise) -> tuple[str, ...]:
    """Return the directions that a promise can be worse in: those of its own stations."""
    if promise.target is None:
        return (AT_PREFILL, AT_DECODE, AT_LINK, AT_DECODE)[CAPACITIES.index(promise.what)]
    if isinstance(promise.target, JointTarget):
        return ANYWHERE
    from_decode = problem.scenario.first_token_from == "decode"
    if promise.target.metric == "itl" or (promise.target.metric == "tpot" and from_decode):
        return AT_DECODE
    return AT_PREFILL if promise.target.metric == "ttft" and not from_decode else ANYWHERE


def counts_of(problem: Problem, promise: Promise, prefill: int, decode: int) -> tuple[int, int]:
    """Return the instances that a promise can tell apart: 0 for a pool that it does not see."""
    directions = hangs_on(problem, promise)
    return (
        0 if directions is AT_DECODE else prefill,
        0 if directions is AT_PREFILL else decode,
    )
