"""The cost of a plan at other inputs: planned again, with the fleet at hand as a certificate or a ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pdplan.errors import InfeasibleError
from pdplan.planner.break_even_recall import Recall, RecallingSearch
from pdplan.planner.break_even_search import Line
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem
from pdplan.planner.search import Candidate
from pdplan.planner.sensitivity_inputs import LEVERS, Lever

#: Prices that differ by less are one [USD/h].
CENT: Final = 1e-6

#: How far the next steps of cost are sought, as a factor of the rate.
FAR: Final = 2.0


def significant(x: float) -> float:
    """Round to six significant digits, as documents have them."""
    return float(f"{x:.6g}")


_RATE: Final = next(v for v in LEVERS if v.name == "rate")


@dataclass(frozen=True, slots=True)
class CostStep:
    """The next rate at which the cheapest fleet costs another price."""

    factor: float
    usd_per_hour: float | None
    fleet: str

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        usd = self.usd_per_hour
        return {
            "factor": significant(self.factor),
            "usd_per_hour": None if usd is None else significant(usd),
            "fleet": self.fleet,
        }


@dataclass(frozen=True, eq=False)
class Again:
    """Plans at other inputs, starting from the cheapest fleet of a problem."""

    problem: Problem
    best: Candidate

    def plan(self, lever: Lever, factor: float) -> Candidate | None:
        """Cheapest fleet with an input at this factor; None if no fleet meets the objectives.

        While the fleet at hand still meets them, nothing dearer is looked at; and where less of everything
        can only have become harder, nothing cheaper either: it was the cheapest before.
        """
        search = self._search(lever, factor)
        if not self._meets(search):
            try:
                return search.best()
            except InfeasibleError:
                return None
        if lever.harder is not None and (factor > 1.0) == (lever.harder == "up"):
            return self.best
        return search.within(self.best.usd_per_hour) or self.best

    @cached_property
    def _recalls(self) -> dict[str, Recall]:
        """What is known along each input."""
        return {}

    def _search(self, lever: Lever, factor: float) -> RecallingSearch:
        """Return the search with an input at this factor."""
        recall = self._recalls.setdefault(lever.name, Recall(lever.harder))
        other = lever.at(self.problem, factor)
        return RecallingSearch(other, Evaluator(other), recall.at(factor))

    def _meets(self, search: RecallingSearch) -> bool:
        """Whether the fleet at hand meets every objective there."""
        prefill, decode = search.problem.own(self.best.prefill), search.problem.own(self.best.decode)
        return (
            search.problem.holds_longest(prefill)
            and search.problem.holds_longest(decode)
            and search.prefill_stable(prefill, self.best.prefill_count)
            and search.decode_meets(decode, self.best.decode_count)
            and search.fleet_meets(
                search.evaluator.fleet(prefill, self.best.prefill_count, decode, self.best.decode_count)
            )
        )

    def usd(self, found: Candidate | None) -> float | None:
        """Price of a fleet as bought [USD/h]."""
        if found is None:
            return None
        pools = [(found.prefill, found.prefill_count), (found.decode, found.decode_count)]
        return round(cost_of(self.problem, pools).usd_per_hour, 9)

    def price(self, lever: Lever, factor: float) -> float | None:
        """Price of the cheapest fleet with an input at this factor [USD/h]; None if none will do."""
        return self.usd(self.plan(lever, factor))

    def rate_steps(self) -> dict[str, CostStep | None]:
        """Next rates at which the price changes; a higher rate never costs less, so bisection finds them."""
        up = Line(lambda factor: not self._affords(factor, self.best.usd_per_hour), 1.0, {1.0: False})
        down = Line(lambda factor: self._affords(factor, self.best.usd_per_hour - CENT), 1.0, {1.0: False})
        return {"down": self._step(down, [1 / 1.4, 1 / FAR]), "up": self._step(up, [1.4, FAR])}

    def _affords(self, factor: float, usd: float) -> bool:
        """Whether any fleet of at most this price meets the objectives at a factor of the rate."""
        search = self._search(_RATE, factor)
        if usd >= self.best.usd_per_hour and self._meets(search):
            return True
        return search.within(usd) is not None

    def _step(self, line: Line[bool], probes: list[float]) -> CostStep | None:
        flip = line.nearest(probes)
        if flip is None:
            return None
        past = max(x for x in line.known if x < flip.value) if flip.value < 1 else None
        found = self.plan(_RATE, past or min(x for x in line.known if x > flip.value))
        return CostStep(flip.value, self.usd(found), _label(found))


def _label(found: Candidate | None) -> str:
    if found is None:
        return ""
    p, d = found.prefill, found.decode
    return f"{found.prefill_count} prefill {p.label} + {found.decode_count} decode {d.label}"
