"""Colocated fleets of one group of classes, over every kind of instance, chunk size and batch cap."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.colocated_least import least_instances
from pdplan.planner.designs_ascending import Branch, Count, Found
from pdplan.planner.designs_kinds import Kind, Kinds, roomy
from pdplan.planner.designs_yardstick import Yardstick
from pdplan.planner.problem import Problem


@dataclass(eq=False)
class ColocatedGroup:
    """The classes of a problem on one colocated pool; every fleet is solved once, for both ends."""

    problem: Problem
    kinds: Kinds
    yardstick: Yardstick
    judged: int = 0
    _problems: dict[int, Problem] = field(default_factory=dict, repr=False)
    _fleets: dict[tuple[int, int], Found] = field(default_factory=dict, repr=False)
    _met: dict[tuple[int, int, int], bool] = field(default_factory=dict, repr=False)

    @property
    def combinations(self) -> int:
        """Kinds of instance."""
        return len(self.kinds.colocated)

    def branches(self, end: int = 0) -> list[Branch]:
        """One branch for each kind that holds the longest request, judged by either end of the brackets."""
        counts = [self._count(kind, end) for kind in roomy(self.problem, self.kinds.colocated)]
        return [count for count in counts if count is not None]

    def _count(self, kind: Kind, end: int) -> Count | None:
        least = least_instances(self._problem(kind), kind.option)
        if least is None:
            return None
        return Count(lambda n: self.found(kind, n), lambda n: self.meets(kind, n, end), least, least)

    def found(self, kind: Kind, count: int) -> Found:
        """Return the fleet of ``count`` instances."""
        key = (id(kind), count)
        if key not in self._fleets:
            fleet = ColocatedFleet(self._problem(kind), kind.option, count)
            gpus = self.yardstick.gpus((kind.option, count))
            self._fleets[key] = Found(fleet, gpus, self.yardstick.key(gpus, 1, count, kind.option.tp))
        return self._fleets[key]

    def meets(self, kind: Kind, count: int, end: int) -> bool:
        """Whether ``count`` instances meet every objective, brackets judged by one end."""
        key = (id(kind), count, end)
        if key not in self._met:
            other = self._met.get((id(kind), count, 1 - end))
            if other is not None and other == bool(end == 0):
                return (
                    other  # what the upper end grants the lower does, what the lower refuses the upper does
                )
            self.judged += 1
            fleet = self.found(kind, count).fleet
            assert isinstance(fleet, ColocatedFleet)
            self._met[key] = fleet.meets(end=end)
        return self._met[key]

    def _problem(self, kind: Kind) -> Problem:
        if id(kind.scenario) not in self._problems:
            self._problems[id(kind.scenario)] = replace(self.problem, scenario=kind.scenario)
        return self._problems[id(kind.scenario)]
