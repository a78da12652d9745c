"""Fleets beside a fleet: up where a simulation contradicts the formulas, down where they were too careful."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from pdplan.errors import UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.search import Candidate, Search
from pdplan.planner.verification import Verification, verify

Role = Literal["prefill", "decode"]

#: Most steps up, and most simulations in search of a smaller pool.
MOST_STEPS = 8
MOST_TRIALS = 8
#: An interval that still holds the limit is made narrower, once.
MORE_REQUESTS = 8


def count_of(candidate: Candidate, role: Role) -> int:
    """Return the instances of a pool."""
    return candidate.prefill_count if role == "prefill" else candidate.decode_count


def with_count(candidate: Candidate, role: Role, count: int) -> Candidate:
    """Return a fleet with another number of instances in one pool."""
    if role == "prefill":
        return replace(candidate, prefill_count=count)
    return replace(candidate, decode_count=count)


def _key(c: Candidate) -> tuple[int, int, int, int]:
    return id(c.prefill), c.prefill_count, id(c.decode), c.decode_count


@dataclass(frozen=True, eq=False)
class Trials:
    """Fleets of one search, each simulated with the same random streams, and kept."""

    search: Search
    requests: int
    seed: int
    seen: dict[tuple[int, int, int, int], Verification] = field(default_factory=dict)

    def fleet(self, c: Candidate) -> Disaggregated:
        """Return the fleet of a candidate."""
        return self.search.evaluator.fleet(c.prefill, c.prefill_count, c.decode, c.decode_count)

    def quick(self, c: Candidate) -> Verification:
        """Simulate a fleet once."""
        key = _key(c)
        if key not in self.seen:
            self.seen[key] = verify(self.fleet(c), requests=self.requests, seed=self.seed)
        return self.seen[key]

    def sure(self, c: Candidate) -> Verification:
        """Simulate a fleet, once more with more requests where an interval still holds its limit."""
        first = self.quick(c)
        if first.holds == "open" and first.requests <= 2 * self.requests:
            more = verify(self.fleet(c), requests=MORE_REQUESTS * self.requests, seed=self.seed)
            self.seen[_key(c)] = more
            return more
        return first

    def promise(self, c: Candidate) -> tuple[bool, float, float]:
        """Order of fleets that might do: not contradicted and cheapest, else nearest to its limits."""
        seen, price = self.quick(c), c.usd_per_hour
        return (True, seen.worst_ratio, price) if contradicted(seen) else (False, price, 0.0)

    def allowed(self, c: Candidate) -> bool:
        """Whether every station of a fleet is within the scenario's limits of load and memory."""
        fleet = self.fleet(c)
        try:
            busiest = max(fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization)
            held = fleet.decode.kv_p99_share or 0.0
        except UnstableError:
            return False
        return busiest <= self.search.problem.scenario.max_utilization and held <= 1.0


def contradicted(seen: Verification) -> bool:
    """Whether an objective fails, or is missed by the best estimate that there is."""
    return seen.holds == "fails" or seen.worst_ratio > 1.0


def steps_up(trials: Trials, best: Candidate) -> tuple[Candidate, list[str]]:
    """Add instances for as long as the simulation contradicts the fleet, by ever larger steps."""
    steps: list[str] = []
    while contradicted(seen := trials.sure(best)) and len(steps) < MOST_STEPS:
        more = 2 ** (len(steps) // 2)
        tried = [with_count(best, role, count_of(best, role) + more) for role in _wanting(trials, seen)]
        larger = min(
            tried, key=lambda c: (contradicted(trials.quick(c)), trials.quick(c).worst_ratio, c.order)
        )
        steps.append(_said_up(best, larger, seen))
        best = larger
    return best, steps


def _wanting(trials: Trials, seen: Verification) -> tuple[Role, ...]:
    """Pools that may be at fault: decode where only its steps are slow, else either: a link has two ends."""
    metrics = {getattr(c.target, "metric", "joint") for c in seen.failing}
    from_decode = trials.search.problem.scenario.first_token_from == "decode"
    if metrics and metrics <= {"tpot", "itl"} and from_decode and seen.regime != "backlogged":
        return ("decode",)
    return ("prefill", "decode")


def _said_up(old: Candidate, new: Candidate, seen: Verification) -> str:
    role: Role = "decode" if new.decode_count > old.decode_count else "prefill"
    if seen.regime == "backlogged":
        why = "the backlog grows"
    else:
        why = str(seen.failing[0] if seen.failing else seen.closest)
    return f"stepped up to {count_of(new, role)} {role} instances, since {why}"


def steps_down(trials: Trials, best: Candidate) -> tuple[Candidate, list[str]]:
    """Take instances away for as long as the simulation proves the rest sufficient, the dearer pool first."""
    roles: tuple[Role, Role] = ("prefill", "decode")
    dearer = best.prefill.price_usd_per_hour >= best.decode.price_usd_per_hour
    steps: list[str] = []
    for role in roles if dearer else roles[::-1]:
        count = min(_proved(trials, best, role), default=count_of(best, role))
        if count < count_of(best, role):
            best = with_count(best, role, count)
            word = "instance" if count == 1 else "instances"
            steps.append(f"stepped down to {count} {role} {word}, proved enough: the formulas are careful")
    return best, steps


def smaller_kinds(trials: Trials, best: Candidate) -> tuple[Candidate, list[str]]:
    """Try more instances of the next smaller TP, still cheaper, in place of those of a pool."""
    steps: list[str] = []
    for role in ("prefill", "decode"):
        while (other := _next_smaller(trials, best, role)) is not None:
            if not trials.allowed(other) or trials.sure(other).holds != "holds":
                break
            kind = other.prefill if role == "prefill" else other.decode
            steps.append(
                f"{count_of(other, role)} {role} {kind.label} instances are proved enough, and cheaper"
            )
            best = other
    return best, steps


def _next_smaller(trials: Trials, best: Candidate, role: Role) -> Candidate | None:
    """Return the fleet with the next smaller TP in a pool: as many instances as are still cheaper."""
    kind = best.prefill if role == "prefill" else best.decode
    below = [
        o
        for o in trials.search.problem.options(role)
        if o.tp < kind.tp and (o.pp, o.dp_attention, o.ep) == (kind.pp, kind.dp_attention, kind.ep)
    ]
    if not below:
        return None
    option = max(below, key=lambda o: o.tp)
    count = (kind.gpus * count_of(best, role) - 1) // option.gpus
    if count < 1:
        return None
    if role == "prefill":
        return replace(best, prefill=option, prefill_count=count)
    return replace(best, decode=option, decode_count=count)


def _proved(trials: Trials, best: Candidate, role: Role) -> Iterator[int]:
    """Smaller counts of a pool that are proved sufficient: ever longer strides, then halves."""
    low, high = 0, count_of(best, role)  # low: not proved; high: sufficient
    stride = 1
    for _ in range(MOST_TRIALS):
        if high - low <= 1:
            return
        count = max(low + 1, high - stride) if low == 0 else math.ceil((low + high) / 2)
        smaller = with_count(best, role, count)
        if trials.allowed(smaller) and trials.sure(smaller).holds == "holds":
            yield count
            high, stride = count, 2 * stride
        else:
            low = count
