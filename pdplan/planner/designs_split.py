"""Disaggregated fleets of one group of classes, over every pair of instance kinds.

For a pair of kinds the space is: the smallest decode pool that meets every objective on decode (and leaves
room for TTFT beside an idle prefill pool), up to `MORE_DECODE` larger ones, and beside each of them the
smallest prefill pool. Every other fleet of the pair uses more of both, or more decode than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pdplan.planner.designs_ascending import Branch, Count, Found
from pdplan.planner.designs_kinds import Kind, Kinds, roomy
from pdplan.planner.designs_yardstick import Gpus, Key, Yardstick
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import Problem
from pdplan.planner.search import MORE_DECODE, Search, smallest_up_to


@dataclass(eq=False)
class SplitGroup:
    """The classes of a problem on shared prefill and decode pools; every station is built once."""

    problem: Problem
    kinds: Kinds
    yardstick: Yardstick
    judged: int = 0
    _searches: dict[int, Search] = field(default_factory=dict, repr=False)
    _smallest: dict[int, int | None] = field(default_factory=dict, repr=False)
    _stable: dict[int, int] = field(default_factory=dict, repr=False)
    _fleets: dict[tuple[int, int, int, int], Found] = field(default_factory=dict, repr=False)

    @property
    def combinations(self) -> int:
        """Pairs of kinds."""
        return len(self.kinds.prefill) * len(self.kinds.decode)

    def branches(self) -> list[Branch]:
        """One branch for each pair of kinds that hold the longest request and may meet TTFT."""
        decodes = roomy(self.problem, self.kinds.decode)
        prefills = [k for k in roomy(self.problem, self.kinds.prefill) if decodes and self.quick(k)]
        return [Pair(self, p, d, self.stable_prefill(p), 1) for p in prefills for d in decodes]

    def search(self, decode: Kind) -> Search:
        """Return the search with the decode pool's batch cap."""
        key = id(decode.scenario)
        if key not in self._searches:
            self._searches[key] = Search(replace(self.problem, scenario=decode.scenario))
        return self._searches[key]

    def quick(self, kind: Kind) -> bool:
        """Whether prefill alone, when nobody waits, leaves the TTFT objectives within reach."""
        side = self.search(self.kinds.decode[0]).evaluator.prefill(kind.option, self.stable_prefill(kind))
        for traffic in self.problem.traffic:
            demand, slo = traffic.demand, traffic.slo
            alone = np.sum(list(side.fixed_s(demand).values()), axis=0)
            for target in slo.targets:
                if target.metric == "ttft":
                    late = demand.mean((alone > target.limit_s).astype(float))
                    p = target.probability
                    if (demand.mean(alone) > target.limit_s) if p is None else (late > 1.0 - p + 1e-12):
                        return False
            if slo.joint is not None:
                late = demand.mean((alone > slo.joint.ttft_s).astype(float))
                if late > 1.0 - slo.joint.attainment + 1e-12:
                    return False
        return True

    def stable_prefill(self, kind: Kind) -> int:
        """Smallest prefill pool below the utilisation limit."""
        if id(kind) not in self._stable:
            search = self.search(self.kinds.decode[0])
            self._stable[id(kind)] = search.smallest_prefill_stable(kind.option)
        return self._stable[id(kind)]

    def smallest_decode(self, kind: Kind) -> int | None:
        """Smallest decode pool that meets TPOT and ITL; None if none does."""
        if id(kind) not in self._smallest:
            self.judged += 1
            self._smallest[id(kind)] = self.search(kind).smallest_decode(kind.option)
        return self._smallest[id(kind)]

    def found(self, prefill: Kind, p: int, decode: Kind, d: int) -> Found:
        """Return the fleet of p and d instances."""
        key = (id(prefill), p, id(decode), d)
        if key not in self._fleets:
            fleet = self.search(decode).evaluator.fleet(prefill.option, p, decode.option, d)
            self._fleets[key] = Found(fleet, *self.size(prefill, p, decode, d))
        return self._fleets[key]

    def size(self, prefill: Kind, p: int, decode: Kind, d: int) -> tuple[Gpus, Key]:
        """Return what the fleet of p and d instances uses, and its rank."""
        gpus = self.yardstick.gpus((prefill.option, p), (decode.option, d))
        return gpus, self.yardstick.key(gpus, 0, p + d, prefill.option.tp + decode.option.tp)

    def larger(self, fleet: Disaggregated, *, prefill: int, decode: int) -> Found:
        """Return a fleet with so many instances more of each kind."""
        p = next(k for k in self.kinds.prefill if k.option is fleet.prefill.option)
        d = next(k for k in self.kinds.decode if k.option is fleet.decode.option)
        return self.found(p, fleet.prefill.count + prefill, d, fleet.decode.count + decode)

    def meets(self, prefill: Kind, p: int, decode: Kind, d: int) -> bool:
        """Whether p prefill instances beside d decode instances meet every objective."""
        self.judged += 1
        fleet = self.found(prefill, p, decode, d).fleet
        assert isinstance(fleet, Disaggregated)
        return self.search(decode).fleet_meets(fleet)

    def reachable(self, prefill: Kind, decode: Kind, d: int) -> bool:
        """Whether a prefill pool in which nobody waits would do beside d decode instances."""
        self.judged += 1
        return self.search(decode).reachable(prefill.option, decode.option, d)


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """All fleets of a pair of kinds with ``d`` decode instances or more.

    ``last``: the largest decode pool tried; 0 while the smallest is not known.
    """

    group: SplitGroup
    prefill: Kind
    decode: Kind
    p: int
    d: int
    last: int = 0

    @property
    def gpus(self) -> Gpus:
        """Of the smallest pools."""
        return self.group.size(self.prefill, self.p, self.decode, self.d)[0]

    @property
    def key(self) -> Key:
        """Of the smallest pools."""
        return self.group.size(self.prefill, self.p, self.decode, self.d)[1]

    def open(self) -> Iterable[Branch | Found]:
        """Find the smallest decode pool, then judge the smallest prefill pool beside it."""
        group = self.group
        if self.last:
            return self._judge()
        smallest = group.smallest_decode(self.decode)
        if smallest is None:
            return []
        return [replace(self, d=smallest, last=smallest + MORE_DECODE)]

    def _judge(self) -> Iterable[Branch | Found]:
        group, p, d = self.group, self.p, self.d
        if group.meets(self.prefill, p, self.decode, d):
            return [group.found(self.prefill, p, self.decode, d)]
        if not group.reachable(self.prefill, self.decode, d):
            return self._roomier()
        beside = Count(
            lambda n: group.found(self.prefill, n, self.decode, d),
            lambda n: group.meets(self.prefill, n, self.decode, d),
            p + 1,
            p,
        )
        more: list[Branch | Found] = [beside]
        if d < self.last:  # a larger decode pool shortens admission and the first step
            more.append(replace(self, d=d + 1))
        return more

    def _roomier(self) -> Iterable[Branch | Found]:
        """Enlarge decode until an idle prefill pool would do."""
        start = smallest_up_to(lambda n: self.group.reachable(self.prefill, self.decode, n), self.d + 1)
        return [] if start is None else [replace(self, d=start, last=start + MORE_DECODE)]
