"""Fleets of one group of classes in ascending order, each judged only when it could be the next.

A branch is a set of fleets with a lower bound. The branch with the smallest bound is opened: exact laws judge
one fleet of it, and what remains goes back with a higher bound. A branch that uses no less of any accelerator
than a fleet already found can hold nothing better for any objective, stock or node size, and is dropped.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_yardstick import Gpus, Key, Yardstick, within
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.search import MAX_INSTANCES, NEAR


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """A fleet that meets every objective of its group, and what it uses."""

    fleet: Disaggregated | ColocatedFleet
    gpus: Gpus
    key: Key


class Branch(Protocol):
    """A set of fleets that use at least ``gpus``."""

    @property
    def gpus(self) -> Gpus:
        """Least use of each accelerator."""

    @property
    def key(self) -> Key:
        """Lower bound of every fleet in the set."""

    def open(self) -> Iterable[Branch | Found]:
        """Judge one fleet: return what is found and what remains."""


class Ascending:
    """Fleets of one group, smallest first: every one that no other undercuts on all accelerators."""

    def __init__(self, yardstick: Yardstick, branches: Iterable[Branch | Found]) -> None:
        self.yardstick = yardstick
        self.found: list[Found] = []
        self._order = itertools.count()
        self._heap: list[tuple[Key, int, Branch | Found]] = []
        self._push(branches)

    def _push(self, branches: Iterable[Branch | Found]) -> None:
        for branch in branches:
            gpus = branch.gpus
            if self.yardstick.fits(gpus) and not self._beaten(gpus):
                heapq.heappush(self._heap, (branch.key, next(self._order), branch))

    def _beaten(self, gpus: Gpus) -> bool:
        return any(within(f.gpus, gpus) for f in self.found)

    def key(self, index: int) -> Key | None:
        """Key of the fleet at a place, or a lower bound while it is not found; None if there is none."""
        if index < len(self.found):
            return self.found[index].key
        while self._heap and self._beaten(self._heap[0][2].gpus):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def step(self) -> None:
        """Open the branch with the smallest bound."""
        _, _, branch = heapq.heappop(self._heap)
        if isinstance(branch, Found):
            self.found.append(branch)
        else:
            self._push(branch.open())


@dataclass(frozen=True, eq=False)
class Count:
    """The smallest number of instances, from ``low`` up, with which a fleet meets its objectives.

    ``fleet``: the fleet of n instances as it would be found. ``meets(n)`` stays true once true. Steps from
    its start in growing strides, asks whether any number would do where that is far, then halves what lies
    between. Every try raises the bound, so that a kind that needs many is left alone while others need few.
    """

    fleet: Callable[[int], Found]
    meets: Callable[[int], bool]
    low: int
    start: int
    high: int | None = None  #: known to be enough
    gap: int = 0  #: how far beyond ``low`` to look next
    possible: bool = False  #: whether some number is known to be enough

    @property
    def gpus(self) -> Gpus:
        """Of the smallest number that may do."""
        return self.fleet(self.low).gpus

    @property
    def key(self) -> Key:
        """Of the smallest number that may do."""
        return self.fleet(self.low).key

    def open(self) -> Iterable[Count | Found]:
        """Try one number."""
        if self.low == self.high:
            return [self.fleet(self.low)]
        if self.high is not None:
            return self._tried((self.low + self.high) // 2)
        if self.possible:
            return self._tried(min(self.low + self.gap, MAX_INSTANCES))
        near = NEAR * self.start
        if self.low <= near:
            return self._tried(min(self.low + self.gap, near))
        # What fails near its start mostly fails for good.
        return [replace(self, possible=True)] if self.meets(MAX_INSTANCES) else []

    def _tried(self, count: int) -> Iterable[Count | Found]:
        if self.meets(count):
            if count == self.low:
                return [self.fleet(count)]
            return [replace(self, high=count)]
        if count >= MAX_INSTANCES:
            return []
        return [replace(self, low=count + 1, gap=2 * self.gap + 1)]
