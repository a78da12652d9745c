"""What is known along one input: whatever holds where things are harder holds where they are easier."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pdplan.errors import InfeasibleError
from pdplan.planner.break_even_bound import BoundedSearch
from pdplan.planner.evaluate import Disaggregated, Evaluator
from pdplan.planner.instances import InstanceOption

#: The direction of an input in which no fleet meets an objective that it did not meet before.
Harder = Literal["up", "down"]


@dataclass(eq=False)
class Recall:
    """Answers of fleets along one input, and prices of the cheapest split fleet there [USD/h].

    ``harder`` is None where no direction is known to be harder: then nothing is recalled.

    Examples
    --------
    >>> asked, recall = [], Recall("up")
    >>> def holds(x): asked.append(x); return x < 3.0
    >>> [recall.at(x).ask("fleet", lambda x=x: holds(x)) for x in (2.0, 1.0, 4.0, 5.0)]
    [True, True, False, False]
    >>> asked
    [2.0, 4.0]
    """

    harder: Harder | None = None
    holds: dict[Hashable, float] = field(default_factory=dict)
    misses: dict[Hashable, float] = field(default_factory=dict)
    prices: dict[float, float] = field(default_factory=dict)
    above: dict[float, float] = field(default_factory=dict)

    def at(self, value: float) -> Here:
        """Return what is known at a value of the input."""
        return Here(self, -value if self.harder == "down" else value)


@dataclass(frozen=True, slots=True)
class Here:
    """A recall at one value; ``hardness`` grows in the harder direction."""

    recall: Recall
    hardness: float

    def ask(self, key: Hashable, judge: Callable[[], bool]) -> bool:
        """Return whether something holds here: from what is known around, else by judging it."""
        recall, hardness = self.recall, self.hardness
        if recall.harder is None:
            return judge()
        if hardness <= recall.holds.get(key, -math.inf):
            return True
        if hardness >= recall.misses.get(key, math.inf):
            return False
        answer = judge()
        (recall.holds if answer else recall.misses)[key] = hardness
        return answer

    @property
    def bounds(self) -> tuple[float, float]:
        """Price that the cheapest split fleet does not fall below, and does not exceed, here [USD/h]."""
        known = self.recall.prices if self.recall.harder is not None else {}
        floors = [*known.items(), *(self.recall.above.items() if known else ())]
        low = max((usd for at, usd in floors if at <= self.hardness), default=0.0)
        high = min((usd for at, usd in known.items() if at >= self.hardness), default=math.inf)
        return low, high

    @property
    def nearest(self) -> float | None:
        """Price of the cheapest split fleet at the nearest value asked [USD/h]; None before the first."""
        known = self.recall.prices
        return known[min(known, key=lambda at: abs(at - self.hardness))] if known else None

    def note_above(self, usd: float) -> None:
        """Remember that the cheapest split fleet here costs more than this [USD/h]."""
        self.recall.above[self.hardness] = max(usd, self.recall.above.get(self.hardness, 0.0))

    def note(self, usd: float) -> None:
        """Remember the price of the cheapest split fleet here [USD/h], infinite where there is none."""
        self.recall.prices[self.hardness] = usd


@dataclass(frozen=True, eq=False)
class RecallingSearch(BoundedSearch):
    """A search that judges no fleet that is known from elsewhere along the input."""

    lent: Evaluator
    here: Here

    @cached_property
    def evaluator(self) -> Evaluator:
        """The stations lent."""
        return self.lent

    def decode_meets(self, option: InstanceOption, count: int) -> bool:
        """As `Search.decode_meets`."""
        key = ("decode", *kind_of(option), count)
        return self.here.ask(key, lambda: BoundedSearch.decode_meets(self, option, count))

    def prefill_stable(self, option: InstanceOption, count: int) -> bool:
        """As `Search.prefill_stable`."""
        key = ("stable", *kind_of(option), count)
        return self.here.ask(key, lambda: BoundedSearch.prefill_stable(self, option, count))

    def fleet_meets(self, fleet: Disaggregated) -> bool:
        """As `Search.fleet_meets`."""
        p, d = fleet.prefill, fleet.decode
        key = ("fleet", *kind_of(p.option), p.count, p.idle, *kind_of(d.option), d.count)
        return self.here.ask(key, lambda: BoundedSearch.fleet_meets(self, fleet))

    def cheapest_usd(self) -> float:
        """Price of the cheapest split fleet here [USD/h], infinite where there is none."""
        low, high = self.here.bounds
        if low == high:
            return low
        usd = self._sought(low, high)
        self.here.note(usd)
        return usd

    def costs_more(self, usd: float) -> bool:
        """Whether every split fleet here costs more than this [USD/h]."""
        low, high = self.here.bounds
        if low > usd or high <= usd:
            return low > usd
        try:
            found = self.within(usd)
        except InfeasibleError:
            found = None
        if found is None:
            self.here.note_above(usd)
        else:
            self.here.note(found.usd_per_hour)
        return found is None

    def _sought(self, low: float, high: float) -> float:
        """Look below a price that is known to be enough or likely to be; else everywhere."""
        try:
            if math.isfinite(high):
                found = self.within(high)
            else:
                likely = low if low > 0 else self.here.nearest
                found = None
                if likely is not None and math.isfinite(likely):
                    found = self.within(likely)
                found = found or self.best()
        except InfeasibleError:
            return math.inf
        return high if found is None else found.usd_per_hour


def kind_of(option: InstanceOption) -> tuple[Any, ...]:
    """What tells an instance from others of a scenario."""
    return option.role, option.accelerator.name, option.degrees
