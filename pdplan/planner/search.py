"""The cheapest disaggregated fleet: counts from stability and objectives, parallelism by enumeration.

Exact over the stated space: for each pair of instance kinds, the smallest decode pool that meets every decode
objective, then the smallest prefill pool that meets every TTFT objective beside it; larger decode pools are
tried as long as they could still pay for themselves by a smaller prefill pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated, Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.stations import PrefillSide
from pdplan.serving.roots import smallest_count

#: No pool is grown beyond this many instances: what it cannot meet then, it never meets.
MAX_INSTANCES = 100_000

#: Up to so many times its start a search doubles; beyond, it first asks whether any number would do.
NEAR = 8

#: How many decode instances beyond the smallest pool are tried for a smaller prefill pool.
MORE_DECODE = 3


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fleet that meets every objective."""

    prefill: InstanceOption
    prefill_count: int
    decode: InstanceOption
    decode_count: int

    @property
    def usd_per_hour(self) -> float:
        """Price of all instances [USD/h]."""
        return (
            self.prefill_count * self.prefill.price_usd_per_hour
            + self.decode_count * self.decode.price_usd_per_hour
        )

    @property
    def gpus(self) -> int:
        """GPUs of all instances."""
        return self.prefill_count * self.prefill.gpus + self.decode_count * self.decode.gpus

    @property
    def order(self) -> tuple[float, int, int, int]:
        """Cheaper first, then fewer GPUs, then fewer instances, then smaller TP: a stable choice."""
        return (
            round(self.usd_per_hour, 9),
            self.gpus,
            self.prefill_count + self.decode_count,
            self.prefill.tp + self.decode.tp,
        )


def smallest_up_to(meets: Callable[[int], bool], start: int, limit: int = MAX_INSTANCES) -> int | None:
    """Smallest n >= start with ``meets(n)``, which stays true once true; None beyond ``limit``.

    Examples
    --------
    >>> smallest_up_to(lambda n: n >= 37, 1), smallest_up_to(lambda n: False, 1, limit=1000)
    (37, None)
    """
    if start > limit:
        return None
    near = min(NEAR * start, limit)
    try:
        return smallest_count(meets, start, limit=near)
    except InfeasibleError:
        pass
    if near == limit or not meets(limit):  # what fails near its start mostly fails for good
        return None
    return smallest_count(meets, near + 1, limit=limit)


@dataclass(frozen=True, eq=False)
class Search:
    """Finds the cheapest fleet of a problem."""

    problem: Problem

    @cached_property
    def evaluator(self) -> Evaluator:
        """Stations, each built once."""
        return Evaluator(self.problem)

    @cached_property
    def _idle(self) -> dict[int, PrefillSide]:
        return {}

    @cached_property
    def tried(self) -> list[tuple[str, str]]:
        """Fleets that were judged."""
        return []

    # ------------------------------------------------------------------ one pool at a time

    def decode_meets(self, option: InstanceOption, count: int) -> bool:
        """Whether ``count`` decode instances are stable, fit their KV and meet TPOT and ITL of every class.

        TPOT counts decode steps alone here: with the first token from prefill the link comes on top, which
        `fleet_meets` judges.
        """
        scenario = self.problem.scenario
        try:
            side = self.evaluator.decode(option, count)
            if side.utilization > scenario.max_utilization:
                return False
            if (side.kv_p99_share or 0.0) > 1.0:
                return False
            return all(
                side.value(t.demand, target) <= target.limit_s
                for t in self.problem.traffic
                for target in t.slo.targets
                if target.metric in ("tpot", "itl")
            )
        except UnstableError:
            return False

    def prefill_stable(self, option: InstanceOption, count: int) -> bool:
        """Whether ``count`` prefill instances stay below the utilisation limit."""
        try:
            return self.evaluator.prefill(option, count).utilization <= self.problem.scenario.max_utilization
        except UnstableError:
            return False

    def smallest_decode(self, option: InstanceOption) -> int | None:
        """Smallest decode pool of a kind; None if no number of instances meets the objectives."""
        return smallest_up_to(lambda n: self.decode_meets(option, n), 1)

    def smallest_prefill_stable(self, option: InstanceOption) -> int:
        """Smallest prefill pool of a kind below the utilisation limit."""
        return smallest_up_to(lambda n: self.prefill_stable(option, n), 1) or MAX_INSTANCES

    # ------------------------------------------------------------------ both pools

    def fleet_meets(self, fleet: Disaggregated) -> bool:
        """Whether a fleet of stable pools meets TTFT, E2E, joint objectives and the link's limit."""
        scenario = self.problem.scenario
        try:
            if fleet.link.utilization > scenario.max_utilization:
                return False
            for traffic in self.problem.traffic:
                if not fleet.meets(traffic.demand, traffic.slo):
                    return False
        except UnstableError:
            return False
        return True

    def smallest_prefill(
        self, prefill: InstanceOption, decode: InstanceOption, decode_count: int, limit: int
    ) -> int | None:
        """Smallest prefill pool beside a decode pool, up to ``limit``; None if it is larger."""
        start = self.smallest_prefill_stable(prefill)
        return smallest_up_to(
            lambda n: self.fleet_meets(self.evaluator.fleet(prefill, n, decode, decode_count)), start, limit
        )

    def reachable(self, prefill: InstanceOption, decode: InstanceOption, decode_count: int) -> bool:
        """Whether a prefill pool in which nobody waits would meet the objectives beside this decode pool."""
        return self.fleet_meets(self.idle_prefill(prefill, decode, decode_count))

    def idle_prefill(
        self, prefill: InstanceOption, decode: InstanceOption, decode_count: int
    ) -> Disaggregated:
        """Return a fleet whose prefill is so large that nobody waits: what it misses cannot be met."""
        if id(prefill) not in self._idle:
            self._idle[id(prefill)] = PrefillSide(self.problem, prefill, MAX_INSTANCES, idle=True)
        side = self._idle[id(prefill)]
        return Disaggregated(self.problem, side, self.evaluator.decode(decode, decode_count))

    def best(self) -> Candidate:
        """Return the cheapest fleet.

        Raises
        ------
        InfeasibleError
            No fleet meets the objectives.
        """
        best = self._cheapest(lambda prefill, decode: True)
        if best is None:
            raise InfeasibleError("no fleet meets the objectives")
        return best

    def best_of_others(self, best: Candidate) -> Candidate | None:
        """Return the cheapest fleet of another pair of instance kinds than these; None if there is none."""
        return self._cheapest(
            lambda prefill, decode: prefill is not best.prefill or decode is not best.decode
        )

    def _cheapest(self, allowed: Callable[[InstanceOption, InstanceOption], bool]) -> Candidate | None:
        """Cheapest fleet over the pairs of instance kinds that are allowed."""
        decodes = [
            (o, n) for o in self.problem.options("decode") if (n := self.smallest_decode(o)) is not None
        ]
        pairs = [
            (p, d, n, self.smallest_prefill_stable(p))
            for d, n in decodes
            for p in self.problem.options("prefill")
            if allowed(p, d)
        ]
        pairs.sort(
            key=lambda x: (x[3] * x[0].price_usd_per_hour + x[2] * x[1].price_usd_per_hour, x[0].tp, x[1].tp)
        )
        best: Candidate | None = None
        for prefill, decode, decode_count, prefill_count in pairs:
            best = self._pair(prefill, prefill_count, decode, decode_count, best)
        return best

    def _pair(
        self,
        prefill: InstanceOption,
        stable_count: int,
        decode: InstanceOption,
        decode_count: int,
        best: Candidate | None,
    ) -> Candidate | None:
        """Improve on ``best`` with instances of these two kinds."""
        start = decode_count
        if best is not None and Candidate(prefill, stable_count, decode, start).order >= best.order:
            return best
        if not self.reachable(prefill, decode, start):
            found = smallest_up_to(lambda n: self.reachable(prefill, decode, n), start + 1)
            if found is None:
                return best
            start = found
        # A larger decode pool shortens admission and the first step, so that prefill may be smaller.
        for count in range(start, start + 1 + MORE_DECODE):
            least = Candidate(prefill, stable_count, decode, count)
            if best is not None and least.order >= best.order:
                return best
            found = self.smallest_prefill(prefill, decode, count, _affordable(best, least))
            if found is None:
                continue
            candidate = Candidate(prefill, found, decode, count)
            if best is None or candidate.order < best.order:
                best = candidate
            if found == stable_count:
                return best
        return best


def _affordable(best: Candidate | None, least: Candidate) -> int:
    """Most prefill instances that may still be cheaper than, or as cheap as, the best fleet so far."""
    price = least.prefill.price_usd_per_hour
    if best is None or price <= 0:
        return MAX_INSTANCES
    spare = best.usd_per_hour - least.usd_per_hour
    return min(MAX_INSTANCES, least.prefill_count + math.floor(spare / price + 1e-9))
