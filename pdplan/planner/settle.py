"""Settle by simulation what formulas leave open: objectives of the fleet, and the colocated bracket."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pdplan.errors import UnstableError
from pdplan.planner.colocated import ColocatedFleet, report
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem
from pdplan.planner.result import Colocated, Fleet, Objective
from pdplan.planner.search import Candidate, Search
from pdplan.planner.settle_steps import (
    MORE_REQUESTS,
    Trials,
    contradicted,
    smaller_kinds,
    steps_down,
    steps_up,
)
from pdplan.planner.verification import Verification, verify
from pdplan.trust import Trust

#: Most simulations of colocated fleets.
MOST_COLOCATED = 6


@dataclass(frozen=True, eq=False)
class Settled:
    """A fleet that a simulation does not contradict (or the last one tried).

    ``fewer``: it has fewer instances of a pool than the formulas ask for.
    """

    best: Candidate
    fleet: Disaggregated
    verification: Verification
    fewer: bool = False

    def as_simulated(self, fleet: Fleet) -> Fleet:
        """Return the judged fleet with what formulas miss, and the simulation proves met, as simulated."""
        seen = {(c.name, str(c.target)): c for c in self.verification.checked if c.holds == "holds"}

        def settled(name: str, o: Objective) -> Objective:
            c = seen.get((name, str(o.target)))
            if o.status == "met" or c is None or c.simulated is None:
                return o
            low = c.simulated if c.low is None else c.low
            high = c.simulated if c.high is None else c.high
            return Objective(o.target, c.simulated, low, high, Trust.SIMULATED)

        return replace(
            fleet,
            classes=tuple(
                replace(c, objectives=tuple(settled(c.name, o) for o in c.objectives)) for c in fleet.classes
            ),
        )


def settle_fleet(search: Search, best: Candidate, *, requests: int, seed: int) -> Settled:
    """Verify a fleet: up where the simulation contradicts it, then down where less is proved enough."""
    trials = Trials(search, requests, seed)
    settled, steps = steps_up(trials, best)
    if not contradicted(trials.sure(settled)):
        for smaller in (steps_down, smaller_kinds, steps_down):
            settled, taken = smaller(trials, settled)
            steps += taken
            if smaller is smaller_kinds and not taken:
                break
    verification = replace(trials.sure(settled), stepped_up=tuple(steps))
    fewer = any("proved" in step for step in steps)
    return Settled(settled if steps else best, trials.fleet(settled), verification, fewer)


def _sure(fleet: Disaggregated | ColocatedFleet, requests: int, seed: int) -> Verification:
    """Verify, once more with more requests where an interval still holds its limit."""
    seen = verify(fleet, requests=requests, seed=seed)
    return seen if seen.holds != "open" else verify(fleet, requests=MORE_REQUESTS * requests, seed=seed)


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
