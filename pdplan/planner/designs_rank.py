"""The best ways, in order: a best-first search over ways, whose groups find their fleets on demand."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pdplan.planner.designs_ascending import Ascending, Found
from pdplan.planner.designs_ways import Group, Way
from pdplan.planner.designs_yardstick import NOTHING, Gpus, Key, Yardstick, together

#: Most combinations of group fleets that are put together for one way when stock or whole nodes bind.
MOST_COMBINATIONS = 20_000


@dataclass(frozen=True, eq=False, slots=True)
class Ranked:
    """A way and its best fleets, one for each group."""

    way: Way
    fleets: tuple[Found, ...]
    gpus: Gpus
    key: Key


class WaySearch:
    """The best fleets of one way: groups are independent but for stock and whole nodes."""

    def __init__(self, way: Way, groups: Sequence[Ascending], yardstick: Yardstick) -> None:
        self.way = way
        self.groups = groups
        self.yardstick = yardstick
        self.best: Ranked | None = None
        self.done = False
        self.gave_up = False
        self._seen: set[tuple[int, ...]] = set()
        self._heap: list[tuple[Key, tuple[int, ...]]] = []
        self._push((0,) * len(groups))

    def _push(self, place: tuple[int, ...]) -> None:
        """Put a combination in line, with a lower bound as long as its fleets are not found."""
        total = NOTHING
        for group, index in zip(self.groups, place, strict=True):
            key = group.key(index)
            if key is None:
                return
            total = total.plus(key)
        heapq.heappush(self._heap, (total, place))

    @property
    def bound(self) -> Key | None:
        """Lower bound of what is not known yet, or the best; None: no fleet at all."""
        if self.done or not self._heap:
            return None if self.best is None else self.best.key
        ahead = self._heap[0][0]
        return ahead if self.best is None else min(ahead, self.best.key)

    def step(self) -> None:
        """Do one piece of work: open a branch of a group, or weigh one combination."""
        self.gave_up = len(self._seen) > MOST_COMBINATIONS
        if not self._heap or self.gave_up:
            self.done = True
            return
        key, place = heapq.heappop(self._heap)
        if self.best is not None and key.objective > self.best.key.objective:
            self.done = True
            return
        for group, index in zip(self.groups, place, strict=True):
            if index >= len(group.found):
                if group.key(index) is not None:
                    group.step()
                self._push(place)
                return
        self._weigh(place)

    def _weigh(self, place: tuple[int, ...]) -> None:
        """Hold a combination against the stock, price it in whole nodes, and put its neighbours in line."""
        fleets = tuple(g.found[i] for g, i in zip(self.groups, place, strict=True))
        gpus = together([f.gpus for f in fleets])
        if self.yardstick.fits(gpus):
            ties = (sum(getattr(f.key, name) for f in fleets) for name in ("colocated", "instances", "tp"))
            key = self.yardstick.key(self.yardstick.bought(gpus), *ties)
            if self.best is None or key < self.best.key:
                self.best = Ranked(self.way, fleets, gpus, key)
            if not self.yardstick.whole_nodes:
                self.done = True
                return
        for i in range(len(place)):
            following = (*place[:i], place[i] + 1, *place[i + 1 :])
            if following not in self._seen:
                self._seen.add(following)
                self._push(following)


@dataclass
class Ranking:
    """Ways in ascending order.

    ``group(g)`` gives the fleets of a group, the same object at every call.
    """

    ways: Sequence[Way]
    group: Callable[[Group], Ascending]
    yardstick: Yardstick
    given_up: int = 0
    _order: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def best(self, number: int, below: Key | None = None) -> tuple[list[Ranked], Key | None]:
        """Return the best ways, and a lower bound of all others; ``below``: nothing from there on."""
        heap: list[tuple[Key, int, WaySearch]] = []
        for way in self.ways:
            search = WaySearch(way, [self.group(g) for g in way.groups], self.yardstick)
            self._line_up(heap, search)
        ranked: list[Ranked] = []
        while heap and len(ranked) < number:
            _, _, search = heapq.heappop(heap)
            if below is not None and search.bound is not None and search.bound >= below:
                return ranked, search.bound
            if search.done and search.best is not None:
                ranked.append(search.best)
                continue
            limit = heap[0][0] if heap else None
            search.step()
            while not search.done and (b := search.bound) is not None and (limit is None or b <= limit):
                search.step()
            self.given_up += search.gave_up
            self._line_up(heap, search)
        return ranked, heap[0][0] if heap else None

    def _line_up(self, heap: list[tuple[Key, int, WaySearch]], search: WaySearch) -> None:
        bound = search.bound
        if bound is not None:
            heapq.heappush(heap, (bound, next(self._order), search))
