"""Settle by simulation what formulas leave open: objectives of the fleet, and the colocated bracket."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pdplan.errors import UnstableError
from pdplan.planner.colocated import ColocatedFleet, report
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem
from pdplan.planner.result import Colocated
from pdplan.planner.search import Candidate, Search
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.verification import Verification, verify

#: Most simulations spent on one question.
MOST_STEPS = 8
MOST_COLOCATED = 6
#: An interval that still holds the limit is made narrower, once.
MORE_REQUESTS = 8


@dataclass(frozen=True, eq=False)
class Settled:
    """A fleet that a simulation does not contradict (or the last one tried)."""

    best: Candidate
    fleet: Disaggregated
    verification: Verification


def settle_fleet(search: Search, best: Candidate, *, requests: int, seed: int) -> Settled:
    """Verify a fleet, and step it up by one instance for as long as the simulation contradicts it."""
    steps: list[str] = []
    while True:
        fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
        verification = replace(_sure(fleet, requests, seed), stepped_up=tuple(steps))
        if verification.holds != "fails" or len(steps) == MOST_STEPS:
            return Settled(best, fleet, verification)
        best, step = _stepped(best, fleet, verification)
        steps.append(step)


def _sure(fleet: Disaggregated | ColocatedFleet, requests: int, seed: int) -> Verification:
    """Verify, once more with more requests where an interval still holds its limit."""
    seen = verify(fleet, requests=requests, seed=seed)
    return seen if seen.holds != "open" else verify(fleet, requests=MORE_REQUESTS * requests, seed=seed)


def _stepped(best: Candidate, fleet: Disaggregated, seen: Verification) -> tuple[Candidate, str]:
    """Add one instance to the pool that the simulation finds wanting."""
    metrics = {getattr(c.target, "metric", "joint") for c in seen.failing}
    decode = bool(metrics & {"tpot", "itl"})
    if not metrics:  # a growing backlog: the busier pool
        decode = _load(fleet.decode) > _load(fleet.prefill)
    why = str(seen.failing[0]) if seen.failing else "the backlog grows"
    if decode:
        more = replace(best, decode_count=best.decode_count + 1)
        return more, f"stepped up to {more.decode_count} decode instances, since {why}"
    more = replace(best, prefill_count=best.prefill_count + 1)
    return more, f"stepped up to {more.prefill_count} prefill instances, since {why}"


def _load(side: PrefillSide | DecodeSide) -> float:
    """Load of a pool [-]; infinite for one that cannot keep up."""
    try:
        return side.utilization
    except UnstableError:
        return math.inf


def settle_colocated(
    problem: Problem, colocated: Colocated, split_usd_per_hour: float, *, requests: int, seed: int
) -> Colocated:
    """Simulate colocated fleets inside the bracket, cheapest first, as far as they can decide the verdict."""
    low = colocated.cost_low
    if low is None or not colocated.kinds:
        return colocated
    high = split_usd_per_hour if colocated.cost is None else colocated.cost.usd_per_hour
    fleets = _between(problem, colocated, low.usd_per_hour, min(high, split_usd_per_hour))
    failed: ColocatedFleet | None = None
    for fleet in fleets[:MOST_COLOCATED]:
        try:
            seen = _sure(fleet, requests, seed)
        except UnstableError:
            continue
        said = f"{fleet.count} x {fleet.option.label}, {seen.requests:,} simulated requests: {seen.holds}"
        if seen.holds == "holds":
            return report(fleet, fleet, fleet, colocated.kinds, said)
        if seen.holds == "open":
            return replace(colocated, settled=said)
        failed = fleet
    if failed is None or len(fleets) > MOST_COLOCATED:
        return colocated
    # All that could be as cheap as the split fleet fail: the next larger is a lower bound of what is needed.
    beyond = ColocatedFleet(problem, failed.option, failed.count + 1)
    cost = cost_of(problem, [(beyond.option, beyond.count)])
    said = f"every colocated fleet up to {failed.count} x {failed.option.label} fails in simulation"
    return replace(colocated, count_low=beyond.count, cost_low=cost, settled=said)


def _between(problem: Problem, colocated: Colocated, low: float, high: float) -> list[ColocatedFleet]:
    """Colocated fleets of the kinds at hand that cost from ``low`` to ``high``, cheapest first."""
    fleets = []
    for option in colocated.kinds:
        count = 1
        while (cost := cost_of(problem, [(option, count)]).usd_per_hour) <= high + 1e-9:
            if cost >= low - 1e-9:
                fleets.append((cost, option.tp, ColocatedFleet(problem, option, count)))
            count += 1
    return [f for _, _, f in sorted(fleets, key=lambda x: x[:2])]
