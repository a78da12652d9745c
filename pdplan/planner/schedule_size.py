"""The smallest pools of given kinds of instance at given rates of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pdplan.errors import InfeasibleError
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.search import Candidate, Search
from pdplan.planner.vary import at_class_rates

Rates = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Sizes:
    """Counts of two kinds of instance at any rates, each found once."""

    problem: Problem
    prefill: InstanceOption
    decode: InstanceOption

    @cached_property
    def _found(self) -> dict[Rates, tuple[int, int]]:
        return {}

    @cached_property
    def _fixed(self) -> Problem:
        return self.problem.with_kinds(self.prefill, self.decode)

    def counts(self, rates: Rates) -> tuple[int, int]:
        """Return (prefill, decode) instances of the cheapest fleet; one each where nobody comes.

        Raises
        ------
        InfeasibleError
            No number of these instances meets the objectives.
        """
        if not any(r > 0 for r in rates):
            return 1, 1
        if rates not in self._found:
            best = Search(at_class_rates(self._fixed, rates)).best()
            self._found[rates] = (best.prefill_count, best.decode_count)
        return self._found[rates]


def peak_plan(problem: Problem, steps: list[Rates]) -> tuple[Candidate, int]:
    """Return the cheapest fleet of the step that asks most, and which step that is.

    Most: prompt and output tokens per second of all classes.

    Raises
    ------
    InfeasibleError
        No fleet meets the objectives in that step.
    """
    tokens = [t.demand.mean_prompt_tokens + t.demand.mean_output_tokens for t in problem.traffic]
    loads = [sum(r * w for r, w in zip(rates, tokens, strict=True)) for rates in steps]
    busiest = max(range(len(steps)), key=loads.__getitem__)
    search = Search(at_class_rates(problem, steps[busiest]))
    try:
        return search.best(), busiest
    except InfeasibleError as error:
        from pdplan.planner.infeasible import explain_infeasible

        raise explain_infeasible(search, error) from None
