"""The state of one verdict without the rest of a report: what a search for break-evens asks often."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pdplan.errors import InfeasibleError
from pdplan.planner.break_even_bound import BoundedSearch
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.result import Colocated
from pdplan.planner.search import MAX_INSTANCES, Candidate, Search, smallest_up_to
from pdplan.planner.stations import DecodeSide, PrefillSide, TpotLaw
from pdplan.planner.verdict import TIE_USD
from pdplan.planner.verdicts import alone, ledger_of
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.composition import TtftLaw
from pdplan.serving.decode import StationaryBatch
from pdplan.serving.delays import Delay
from pdplan.serving.prefill_station import PrefillStation

#: What a verdict says: split, keep colocated, open until simulated, or that neither fleet will do.
State = Literal["split", "colocated", "undetermined", "neither"]

_NOTHING = Colocated(None, None, None, (), None, None)


@dataclass(frozen=True, eq=False)
class _SamePrefill(PrefillSide):
    """A pool whose queue was solved in another problem with the same traffic and instances."""

    solved: PrefillSide | None = None

    @cached_property
    def station(self) -> PrefillStation:
        assert self.solved is not None
        return self.solved.station

    @cached_property
    def waits(self) -> dict[str, Delay]:
        assert self.solved is not None
        return self.solved.waits


@dataclass(frozen=True, eq=False)
class _SameDecode(DecodeSide):
    """A pool whose batch was solved in another problem with the same traffic and instances."""

    solved: DecodeSide | None = None

    @cached_property
    def law(self) -> StationaryBatch:
        assert self.solved is not None
        return self.solved.law

    @cached_property
    def _tpot_laws(self) -> dict[str, TpotLaw]:
        assert self.solved is not None
        return self.solved._tpot_laws


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
        key = (*_kind(option), count)
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
            self._prefill[key] = _SamePrefill(self.problem, option, count, solved=solved)
        return self._prefill[key]

    def decode(self, option: InstanceOption, count: int) -> DecodeSide:
        assert self.stations is not None
        key = (id(option), count)
        if key not in self._decode:
            solved = self.stations.evaluator.decode(self.stations.problem.own(option), count)
            self._decode[key] = _SameDecode(self.problem, option, count, solved=solved)
        return self._decode[key]


def _kind(option: InstanceOption) -> tuple[Any, ...]:
    return option.role, option.accelerator.name, option.degrees


def state_of(problem: Problem, stations: Stations | None = None, likely: State | None = None) -> State:
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
    search = BoundedSearch(problem)
    lent = stations.problem is not problem
    search.__dict__["evaluator"] = _Lent(problem, stations=stations) if lent else stations.evaluator
    sure = _sure_usd(problem, stations) if likely == "colocated" else None
    try:
        best = search.within(sure)
    except InfeasibleError:
        return "colocated" if _any_colocated(problem, stations, None, 0) else "neither"
    if best is None or _any_colocated(problem, stations, best.usd_per_hour - TIE_USD, 1):
        return "colocated"
    usd = best.usd_per_hour + TIE_USD
    if _any_colocated(problem, stations, usd, 1):  # the same price
        return _by_the_ledger(search, best)
    return "undetermined" if _any_colocated(problem, stations, usd, 0) else "split"


def _options(problem: Problem) -> list[InstanceOption]:
    try:
        return problem.options("colocated")
    except InfeasibleError:
        return []


def _sure_usd(problem: Problem, stations: Stations) -> float | None:
    """Price of the cheapest colocated fleet that surely meets the objectives; None without one."""
    best: float | None = None
    for option in _options(problem):
        price = option.price_usd_per_hour
        most = MAX_INSTANCES if best is None or price <= 0 else int((best - TIE_USD) / price)

        def meets(count: int, option: InstanceOption = option) -> bool:
            return stations.colocated(problem, option, count).meets(end=1)

        count = smallest_up_to(meets, 1, most)
        best = best if count is None else count * price
    return best


def _any_colocated(problem: Problem, stations: Stations, usd: float | None, end: int) -> bool:
    """Whether a colocated fleet of at most this price (any, for None) meets every objective."""
    for option in _options(problem):
        count = MAX_INSTANCES
        if usd is not None and option.price_usd_per_hour > 0:
            count = min(MAX_INSTANCES, int(usd / option.price_usd_per_hour))
        if count >= 1 and stations.colocated(problem, option, count).meets(end=end):
            return True
    return False


def _by_the_ledger(search: Search, best: Candidate) -> State:
    """At the same price the two ledgers decide."""
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    return "split" if ledger_of(chosen, _NOTHING).verdict.reason == "split" else "colocated"


def _in_whole_nodes(problem: Problem) -> State:
    """Compare what is bought, where nodes round up."""
    verdict = alone(problem)
    if verdict.reason in ("split", "undetermined"):
        return "split" if verdict else "undetermined"
    return "neither" if verdict.fleet is None and verdict.colocated.count_low is None else "colocated"
