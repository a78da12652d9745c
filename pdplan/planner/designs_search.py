"""`designs`: every way to build the fleet for a scenario, which wins, and why the next one lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from pdplan.errors import InfeasibleError
from pdplan.planner.designs_answer import beyond_stock, design_of, out_of_reach
from pdplan.planner.designs_ascending import Ascending
from pdplan.planner.designs_colocated import ColocatedGroup
from pdplan.planner.designs_kinds import Kinds, all_kinds
from pdplan.planner.designs_rank import Ranking
from pdplan.planner.designs_report import DesignReport, SpaceSize
from pdplan.planner.designs_settle import Engine, InOrder, open_colocated, settled_colocated
from pdplan.planner.designs_split import SplitGroup
from pdplan.planner.designs_ways import (
    MOST_CLASSES,
    Architecture,
    Cut,
    Group,
    Way,
    all_ways,
    cuts_of,
    few_ways,
)
from pdplan.planner.designs_yardstick import NOTHING, Key, Yardstick
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.traffic import ClassTraffic
from pdplan.spec.scenario import Scenario
from pdplan.spec.search_space import SearchSpace

#: Designs that a report ranks.
RANKED: Final = 3

Mode = Literal["sure", "possible", "settled", "open"]


def designs(
    scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0
) -> DesignReport:
    """Rank every way to build the fleet: split, colocated, or some classes one way and some the other.

    The objective and the space are the scenario's ``search``: accelerators, stock, chunk sizes, batch caps,
    and the prompt lengths at which a class may be cut in two.

    Parameters
    ----------
    scenario : Scenario
        The question.
    verify : bool
        Simulate what is ranked: enlarge split fleets that a simulation contradicts, and settle colocated
        ones that the formulas leave undetermined.
    requests : int, optional
        Requests of each simulation; 20,000 unless given.
    seed : int
        Of the random streams.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.
    InfeasibleError
        No design meets every objective within the stock.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> report = designs(builtin_scenario(("search.length_quantiles=[]",)), verify=False)
    >>> [d.label for d in report.designs], report.space.ways
    (['split: chat', 'colocated: chat'], 2)
    """
    search = DesignSearch(assemble(scenario))
    if not verify:
        return search.report("not asked for")
    if scenario.prefill.discipline == "mm1":
        return search.report("mm1 is a calibration to a benchmark, not a way to serve")
    from pdplan.planner.verification import DEFAULT_REQUESTS  # the engine loads here

    return search.report(engine=Engine(DEFAULT_REQUESTS if requests is None else requests, seed))


@dataclass(frozen=True, eq=False)
class DesignSearch:
    """All designs of a problem, found on demand and kept."""

    problem: Problem

    @cached_property
    def space(self) -> SearchSpace:
        """What is searched over."""
        return self.problem.scenario.search or SearchSpace()

    @cached_property
    def kinds(self) -> Kinds:
        """Every kind of instance."""
        return all_kinds(self.problem, self.space)

    @cached_property
    def yardstick(self) -> Yardstick:
        """What is made small, and the stock."""
        return Yardstick.of(self.problem.scenario, self.space, self.kinds.options)

    @cached_property
    def cuts(self) -> dict[str, tuple[Cut, ...]]:
        """Cuts by prompt length of every class; none beyond a few classes."""
        if self.restricted:
            return {}
        return {t.name: cuts_of(t, self.space) for t in self.problem.traffic}

    @property
    def restricted(self) -> bool:
        """Whether there are too many classes for every partition."""
        return len(self.problem.traffic) > MOST_CLASSES

    @cached_property
    def parts(self) -> dict[str, ClassTraffic]:
        """Every class and every part of one, by name."""
        named = {t.name: t for t in self.problem.traffic}
        for cut in (c for cuts in self.cuts.values() for c in cuts):
            named |= {cut.short.name: cut.short, cut.long.name: cut.long}
        return named

    @cached_property
    def ways(self) -> list[Way]:
        """Every way that is tried."""
        names = [t.name for t in self.problem.traffic]
        if not self.restricted:
            return all_ways(names, self.cuts)
        verdicts: dict[str, Architecture] = {}
        chosen: tuple[Architecture, ...] = ("split", "colocated")
        for name in names:
            alone = [Way((Group(a, (name,)),)) for a in chosen]
            ranked, _ = Ranking(alone, lambda g: self.fleets(g, "sure"), self.yardstick).best(1)
            if ranked:
                verdicts[name] = ranked[0].way.groups[0].architecture
        return few_ways(names, verdicts)

    # ------------------------------------------------------------------ groups

    @cached_property
    def _groups(self) -> dict[Group, SplitGroup | ColocatedGroup]:
        return {}

    @cached_property
    def _fleets(self) -> dict[tuple[Group, Mode], Ascending]:
        return {}

    def group(self, group: Group) -> SplitGroup | ColocatedGroup:
        """Return the laws of a group of classes, kept."""
        if group not in self._groups:
            problem = replace(self.problem, traffic=tuple(self.parts[name] for name in group.parts))
            kind = SplitGroup if group.architecture == "split" else ColocatedGroup
            self._groups[group] = kind(problem, self.kinds, self.yardstick)
        return self._groups[group]

    def fleets(self, group: Group, mode: Mode, engine: Engine | None = None) -> Ascending:
        """Return the fleets of a group in ascending order, kept: by formulas, or by formulas and engine."""
        laws = self.group(group)
        if isinstance(laws, SplitGroup) and mode in ("possible", "open"):
            mode = "sure" if engine is None else "settled"  # a split fleet has one end
        key = (group, mode)
        if key not in self._fleets:
            self._fleets[key] = self._start(group, laws, mode, engine)
        return self._fleets[key]

    def _start(
        self, group: Group, laws: SplitGroup | ColocatedGroup, mode: Mode, engine: Engine | None
    ) -> Ascending:
        nothing = (0,) * len(self.yardstick.names)
        if isinstance(laws, SplitGroup):
            if engine is None:
                return Ascending(self.yardstick, laws.branches())
            return Ascending(self.yardstick, [InOrder(laws, self.fleets(group, "sure"), engine, nothing)])
        if engine is None:
            return Ascending(self.yardstick, laws.branches(1 if mode == "sure" else 0))
        settle = settled_colocated if mode == "settled" else open_colocated
        return Ascending(self.yardstick, settle(laws, engine))

    # ------------------------------------------------------------------ the answer

    def report(self, unverified: str = "", *, engine: Engine | None = None) -> DesignReport:
        """Rank the ways; with an engine, everything that is ranked has been simulated.

        Raises
        ------
        InfeasibleError
            No design meets every objective.
        """
        sure, possible = ("sure", "possible") if engine is None else ("settled", "open")
        ranking = self._ranking(sure, engine)  # type: ignore[arg-type]
        best, rest = ranking.best(RANKED)
        below = NOTHING._replace(objective=best[0].key.objective) if best else None
        maybe, _ = self._ranking(possible, engine).best(RANKED, below)  # type: ignore[arg-type]
        if not best and not maybe:
            raise InfeasibleError(self._why_not())
        return DesignReport(
            self.problem.scenario,
            self.space.objective,
            tuple(design_of(self.problem, r, "met", engine) for r in best),
            tuple(design_of(self.problem, r, "undetermined", engine) for r in maybe),
            self._size(rest, ranking.given_up, engine),
            unverified,
        )

    def _ranking(self, mode: Mode, engine: Engine | None) -> Ranking:
        return Ranking(self.ways, lambda g: self.fleets(g, mode, engine), self.yardstick)

    def _size(self, rest: Key | None, given_up: int, engine: Engine | None) -> SpaceSize:
        count: Callable[[Group], int] = lambda g: (  # noqa: E731
            len(self.kinds.prefill) * len(self.kinds.decode)
            if g.architecture == "split"
            else len(self.kinds.colocated)
        )
        total = 0
        for way in self.ways:
            product = 1
            for group in way.groups:
                product *= count(group)
            total += product
        return SpaceSize(
            len(self.ways),
            len(self.kinds.prefill),
            len(self.kinds.decode),
            len(self.kinds.colocated),
            total,
            sum(g.judged for g in self._groups.values()),
            0 if engine is None else len(engine.fleets),
            None if rest is None else rest.objective,
            given_up,
            self.restricted,
        )

    def _why_not(self) -> str:
        """Say whether stock, memory or an objective stands in the way."""
        scenario = self.problem.scenario
        if self.space.stock:
            unlimited = scenario.model_copy(update={"search": self.space.model_copy(update={"stock": {}})})
            free = DesignSearch(replace(self.problem, scenario=unlimited))
            ranked, _ = free._ranking("sure", None).best(1)
            if ranked:
                return beyond_stock(ranked[0], free.yardstick)
        if not any(self.group(g).branches() for g in self._groups):
            longest = self.problem.longest_tokens("decode") - 1
            return (
                f"no instance holds the KV of the longest request, {longest} tokens: allow a larger TP or PP"
            )
        return out_of_reach(self.problem)
