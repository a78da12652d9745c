"""The state of one verdict without the rest of a report: what a search for break-evens asks often."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pdplan.errors import InfeasibleError
from pdplan.planner.break_even_recall import Here, Recall, RecallingSearch, kind_of
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.result import Colocated
from pdplan.planner.same_stations import SameDecode, SamePrefill
from pdplan.planner.search import MAX_INSTANCES, smallest_up_to
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.verdict import TIE_USD
from pdplan.planner.verdicts import alone, ledger_of
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.composition import TtftLaw

#: What a verdict says: split, keep colocated, open until simulated, or that neither fleet will do.
State = Literal["split", "colocated", "undetermined", "neither"]

_NOTHING = Colocated(None, None, None, (), None, None)


@dataclass(frozen=True, eq=False)
class _SameColocated(ColocatedFleet):
    """A fleet solved in another problem with the same traffic and instances."""

    solved: ColocatedFleet | None = None

    @cached_property
    def station(self) -> ColocatedStation:
        assert self.solved is not None
        return self.solved.station

    @cached_property
    def _ttft(self) -> dict[str, TtftLaw]:
        assert self.solved is not None
        return self.solved._ttft


@dataclass(frozen=True, eq=False)
class Stations:
    """Stations of a problem, each solved once, lent to problems that differ in link or objectives alone."""

    problem: Problem

    @cached_property
    def evaluator(self) -> Evaluator:
        """Pools of the split fleet."""
        return Evaluator(self.problem)

    @cached_property
    def _colocated(self) -> dict[tuple[Any, ...], ColocatedFleet]:
        return {}

    def colocated(self, problem: Problem, option: InstanceOption, count: int) -> ColocatedFleet:
        """Return a colocated fleet under another problem's objectives."""
        key = (*kind_of(option), count)
        if key not in self._colocated:
            self._colocated[key] = ColocatedFleet(self.problem, self.problem.own(option), count)
        return _SameColocated(problem, option, count, self._colocated[key])


@dataclass(frozen=True, eq=False)
class _Lent(Evaluator):
    """Pools of one problem on the solved stations of another."""

    stations: Stations | None = None

    def prefill(self, option: InstanceOption, count: int) -> PrefillSide:
        assert self.stations is not None
        key = (id(option), count)
        if key not in self._prefill:
            solved = self.stations.evaluator.prefill(self.stations.problem.own(option), count)
            self._prefill[key] = SamePrefill(self.problem, option, count, solved=solved)
        return self._prefill[key]

    def decode(self, option: InstanceOption, count: int) -> DecodeSide:
        assert self.stations is not None
        key = (id(option), count)
        if key not in self._decode:
            solved = self.stations.evaluator.decode(self.stations.problem.own(option), count)
            self._decode[key] = SameDecode(self.problem, option, count, solved=solved)
        return self._decode[key]


def state_of(
    problem: Problem,
    stations: Stations | None = None,
    likely: State | None = None,
    here: Here | None = None,
) -> State:
    """Return what formulas say of a class: the same as the verdict of `pdplan split --no-verify`.

    Only prices are compared. The side that is likely cheaper is sized in full; of the other it is only asked
    whether any fleet of that price would do.

    Parameters
    ----------
    problem : Problem
        Of one class.
    stations : Stations, optional
        Solved stations of a problem with the same traffic and instances.
    likely : str, optional
        The state expected; it changes the time alone.
    here : Here, optional
        What is known of other values of the same input; it changes the time alone.

    Examples
    --------
    >>> from pdplan.planner.problem import assemble
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> state_of(assemble(builtin_scenario()))
    'undetermined'
    """
    stations = stations or Stations(problem)
    if problem.scenario.node.whole_nodes:
        return _in_whole_nodes(problem)
    look = _Look(problem, stations, here or Recall().at(0.0))
    known = look.between()
    if known is not None:
        return known
    if likely == "colocated":
        sure = look.sure_usd()
        if sure is not None and look.search.costs_more(sure):
            return "colocated"
    split = look.search.cheapest_usd()
    if not math.isfinite(split):
        return "colocated" if look.any_colocated(None, 0) else "neither"
    if look.any_colocated(split - TIE_USD, 1):
        return "colocated"
    usd = split + TIE_USD
    if look.any_colocated(usd, 1):  # the same price
        return _by_the_ledger(look.search)
    return "undetermined" if look.any_colocated(usd, 0) else "split"


@dataclass(frozen=True, eq=False)
class _Look:
    """Both kinds of fleet of a problem at one value of an input."""

    problem: Problem
    stations: Stations
    here: Here

    @cached_property
    def search(self) -> RecallingSearch:
        """Split fleets, on the stations lent."""
        lent = self.stations.problem is not self.problem
        evaluator = _Lent(self.problem, stations=self.stations) if lent else self.stations.evaluator
        return RecallingSearch(self.problem, evaluator, self.here)

    def colocated_meets(self, option: InstanceOption, count: int, end: int) -> bool:
        """Whether a colocated fleet meets every objective, judged by one end of its brackets."""
        key = (*kind_of(option), count, end)
        return self.here.ask(key, lambda: self.stations.colocated(self.problem, option, count).meets(end=end))

    @cached_property
    def _options(self) -> list[InstanceOption]:
        try:
            return self.problem.options("colocated")
        except InfeasibleError:
            return []

    def between(self) -> State | None:
        """Return the state that any price of the split fleet within its known bounds gives; None if none."""
        low, high = self.here.bounds
        if math.isfinite(high) and not self.any_colocated(high + TIE_USD, 0):
            return "split"
        if low <= 0.0 or not math.isfinite(low):
            return None
        if self.any_colocated(low - TIE_USD, 1):
            return "colocated"
        if math.isfinite(high) and not self.any_colocated(high + TIE_USD, 1):
            return "undetermined" if self.any_colocated(low + TIE_USD, 0) else None
        return None

    def sure_usd(self) -> float | None:
        """Price of the cheapest colocated fleet that surely meets the objectives; None without one."""
        best: float | None = None
        for option in self._options:
            price = option.price_usd_per_hour
            most = MAX_INSTANCES if best is None or price <= 0 else int((best - TIE_USD) / price)
            count = smallest_up_to(
                lambda n, option=option: self.colocated_meets(option, n, 1),  # type: ignore[misc]
                1,
                most,
            )
            best = best if count is None else count * price
        return best

    def any_colocated(self, usd: float | None, end: int) -> bool:
        """Whether a colocated fleet of at most this price (any, for None) meets every objective."""
        for option in self._options:
            count = MAX_INSTANCES
            if usd is not None and option.price_usd_per_hour > 0:
                count = min(MAX_INSTANCES, int(usd / option.price_usd_per_hour))
            if count >= 1 and self.colocated_meets(option, count, end):
                return True
        return False


def _by_the_ledger(search: RecallingSearch) -> State:
    """At the same price the two ledgers decide."""
    best = search.best()
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    return "split" if ledger_of(chosen, _NOTHING).verdict.reason == "split" else "colocated"


def _in_whole_nodes(problem: Problem) -> State:
    """Compare what is bought, where nodes round up."""
    verdict = alone(problem)
    if verdict.reason in ("split", "undetermined"):
        return "split" if verdict else "undetermined"
    return "neither" if verdict.fleet is None and verdict.colocated.count_low is None else "colocated"
