"""The answer at once: the cheapest fleet of the instance kinds that the last full answer chose.

A full answer tries every parallelism and sizes the colocated fleet beside it. Between two moves of a slider
the kinds mostly stay, so that only their counts are sought; the full answer replaces this one a moment later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pdplan.errors import InfeasibleError, ScenarioError
from pdplan.planner.binding import tightest
from pdplan.planner.evaluate import SEARCH_POINTS, Disaggregated, Evaluator
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import judge
from pdplan.planner.problem import assemble
from pdplan.planner.search import Candidate, Search
from pdplan.planner.sizing import find
from pdplan.serving.composition import TtftLaw
from pdplan.serving.demand import ClassDemand
from pdplan.spec.scenario import Scenario
from pdplan.web.laws import ReadLaw, laws_of

#: Degrees (tp, pp, dp_attention, ep) of prefill and of decode instances.
Kind = tuple[int, int, int, int]
Kinds = tuple[Kind, Kind]

_REPORT: Final = -1


@dataclass(frozen=True, eq=False)
class _Fleet(Disaggregated):
    """A fleet whose laws are made once, as fine as a search needs them, and reported from a curve."""

    @cached_property
    def _laws(self) -> dict[tuple[str, str], TtftLaw]:
        return {}

    @cached_property
    def _read(self) -> dict[tuple[str, str], ReadLaw]:
        return {}

    def ttft(self, demand: ClassDemand, *, points: int = _REPORT) -> Any:
        return self._law("ttft", demand, super().ttft, points)

    def e2e(self, demand: ClassDemand, *, points: int = _REPORT) -> Any:
        return self._law("e2e", demand, super().e2e, points)

    def _law(self, metric: str, demand: ClassDemand, make: Callable[..., TtftLaw], points: int) -> Any:
        key = metric, demand.name
        if key not in self._laws:
            self._laws[key] = make(demand, points=SEARCH_POINTS)
        if points != _REPORT:
            return self._laws[key]
        if key not in self._read:
            self._read[key] = ReadLaw(self._laws[key])
        return self._read[key]


@dataclass(frozen=True, eq=False)
class _Fleets(Evaluator):
    """Fleets, each made once."""

    @cached_property
    def _made(self) -> dict[tuple[int, int, int, int], _Fleet]:
        return {}

    def fleet(
        self, prefill: InstanceOption, prefill_count: int, decode: InstanceOption, decode_count: int
    ) -> Disaggregated:
        key = (id(prefill), prefill_count, id(decode), decode_count)
        if key not in self._made:
            p, d = self.prefill(prefill, prefill_count), self.decode(decode, decode_count)
            self._made[key] = _Fleet(self.problem, p, d)
        return self._made[key]


class _QuickSearch(Search):
    """A search over fleets that are made once."""

    @cached_property
    def evaluator(self) -> Evaluator:
        """Fleets, each made once."""
        return _Fleets(self.problem)


def quick_answer(scenario: Scenario, kinds: Kinds | None) -> dict[str, Any]:
    """Return the fleet and its laws, by formulas, over these kinds of instances where that is possible.

    Raises
    ------
    InfeasibleError
        No fleet of any kind meets the objectives.
    """
    if kinds is not None:
        try:
            return _answer(narrowed(scenario, kinds))
        except (InfeasibleError, ScenarioError):  # these kinds will not do: ask for all of them
            pass
    return _answer(scenario)


def narrowed(scenario: Scenario, kinds: Kinds) -> Scenario:
    """Return the scenario with one kind of instance for either role."""
    pools = {}
    for role, (tp, pp, dp_attention, ep) in zip(("prefill", "decode"), kinds, strict=True):
        pool = getattr(scenario, role)
        degrees = {"tp": (tp,), "pp": (pp,), "dp_attention": (dp_attention,), "ep": (ep,)}
        pools[role] = pool.model_copy(update={"parallel": pool.parallel.model_copy(update=degrees)})
    return scenario.model_copy(update=pools)


def kinds_of(best: Candidate) -> Kinds:
    """Return the kinds of a fleet."""
    return _kind(best.prefill), _kind(best.decode)


def _kind(option: InstanceOption) -> Kind:
    return option.tp, option.pp, option.dp_attention, option.ep


def _answer(scenario: Scenario) -> dict[str, Any]:
    search = _QuickSearch(assemble(scenario))
    best = find(search)
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    judged = judge(fleet)
    return {
        "feasible": True,
        "fleet": judged.document(),
        "binding": {"tightest": tightest(judged)},
        "laws": laws_of(fleet),
        "kinds": kinds_of(best),
    }
