"""Sensitivity of a plan: elasticities, the tornado at 10%, and the next steps of its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pdplan._version import __version__
from pdplan.planner.derive import derivations_of
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.headroom import moved
from pdplan.planner.judge import judge
from pdplan.planner.problem import assemble
from pdplan.planner.result import ClassPlan, Fleet
from pdplan.planner.search import Candidate, Search
from pdplan.planner.sensitivity_cost import Again, CostStep, significant
from pdplan.planner.sensitivity_inputs import LEVERS, SWING, Lever
from pdplan.planner.sensitivity_latencies import latencies, read_latencies
from pdplan.planner.sensitivity_symbolic import elasticities, mean_ttft_elasticity
from pdplan.planner.sizing import find
from pdplan.spec.scenario import Scenario
from pdplan.symbolic import Derivation

#: Half of the relative step of a central difference [-].
STEP: Final = 0.02

#: The latencies looked at.
METRICS: Final = ("ttft_mean", "ttft_p99", "tpot_mean")


@dataclass(frozen=True, slots=True)
class Elasticity:
    """d ln y / d ln x of one latency of one class [-], and how it was found.

    ``method``: ``derivative`` (sympy, of the formulas) or ``differences`` (the same fleet judged at 2% less
    and 2% more). ``value`` is None where the fleet is overloaded within that step.
    """

    value: float | None
    method: str


@dataclass(frozen=True, eq=False)
class ClassSensitivity:
    """What one class sees: its latencies [s], elasticities, and latencies [s] at 10% less and more."""

    name: str
    now: Mapping[str, float]
    elasticity: Mapping[str, Mapping[str, Elasticity]]
    tornado: Mapping[str, tuple[Mapping[str, float] | None, Mapping[str, float] | None]]

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "class": self.name,
            "now_s": _rounded(self.now),
            "elasticities": {
                lever: {
                    m: {"value": None if e.value is None else significant(e.value), "method": e.method}
                    for m, e in row.items()
                }
                for lever, row in self.elasticity.items()
            },
            "tornado_s": {
                lever: {"low": _rounded(low), "high": _rounded(high)}
                for lever, (low, high) in self.tornado.items()
            },
        }


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How much a plan moves with each of its inputs.

    ``cost_elasticity``: of the price of this fleet to GPU prices. ``cost_at``: price of the cheapest fleet
    [USD/h], planned again at 10% less and more of each input; None where no fleet meets the objectives.
    ``steps``: the next rates, down and up, at which another price is due. ``formulas``: elasticities of each
    formula to its own arguments.
    """

    scenario: Scenario
    fleet: Fleet
    rate: float
    classes: tuple[ClassSensitivity, ...]
    cost_elasticity: Mapping[str, float]
    cost_at: Mapping[str, tuple[float | None, float | None]]
    steps: Mapping[str, CostStep | None]
    formulas: Mapping[str, Mapping[str, float]]

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": "pdplan.sensitivity/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "fleet": self.fleet.label,
            "usd_per_hour": significant(self.fleet.cost.usd_per_hour),
            "swing": SWING,
            "classes": [c.document() for c in self.classes],
            "cost": {
                "elasticities": _rounded(self.cost_elasticity),
                "planned_again_usd_per_hour": {
                    k: {
                        "low": None if a is None else significant(a),
                        "high": None if b is None else significant(b),
                    }
                    for k, (a, b) in self.cost_at.items()
                },
                "next_rate": {k: None if s is None else s.document() for k, s in self.steps.items()},
            },
            "formulas": {k: _rounded(v) for k, v in self.formulas.items()},
        }

    def __str__(self) -> str:
        """Read like an engineer's note."""
        from pdplan.planner.sensitivity_text import sensitivity_note

        return sensitivity_note(self, width=80)


def sensitivity(scenario: Scenario) -> Sensitivity:
    """Say how the latencies and the cost of a scenario's plan move with each of its inputs.

    The plan is by formulas (`pdplan plan --no-verify`). Latencies are those of the same fleet; cost is
    planned again, since whole instances make it a staircase whose slope is 0 almost everywhere.

    Raises
    ------
    ScenarioError, InfeasibleError
        As `plan`.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> s = sensitivity(builtin_scenario())
    >>> s.classes[0].elasticity["prefill_step"]["tpot_mean"]
    Elasticity(value=0.0, method='derivative')
    """
    search = Search(assemble(scenario))
    return sensitivity_of(scenario, search, find(search))


def sensitivity_of(scenario: Scenario, search: Search, best: Candidate) -> Sensitivity:
    """Say how a plan at hand moves; see `sensitivity`."""
    problem = search.problem
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    fleet = judge(chosen)
    steps = {d.name: d for d in derivations_of(chosen, fleet)}
    known = {n: elasticities(d) for n, d in steps.items() if d.formula is not None}
    looks = {v.name: Looks.of(chosen, v) for v in LEVERS if v.served}
    classes = tuple(_class(chosen, c, i, steps, looks) for i, c in enumerate(fleet.classes))
    planner = Again(problem, best)
    return Sensitivity(
        scenario,
        fleet,
        problem.demand.arrival_rate,
        classes,
        _cost_elasticity(fleet),
        {v.name: (planner.price(v, 1 - SWING), planner.price(v, 1 + SWING)) for v in LEVERS},
        planner.rate_steps(),
        known,
    )


@dataclass(frozen=True, eq=False)
class Looks:
    """Latencies of every class with one input a step less and more, and a swing less and more."""

    step: float
    near: tuple[tuple[dict[str, float], ...] | None, ...]
    far: tuple[tuple[dict[str, float], ...] | None, ...]

    @classmethod
    def of(cls, fleet: Disaggregated, lever: Lever, step: float = STEP) -> Looks:
        """Judge the same fleet with an input off on both sides."""
        near, far = (
            tuple(latencies(moved(fleet, lever, factor)) for factor in (1 - by, 1 + by))
            for by in (step, SWING)
        )
        return cls(step, near, far)

    def difference(self, index: int) -> dict[str, float]:
        """Elasticities of one class by central differences; empty where the fleet is overloaded."""
        low, high = self.near
        if low is None or high is None:
            return {}
        width = math.log((1 + self.step) / (1 - self.step))
        a, b = low[index], high[index]
        return {m: math.log(b[m] / a[m]) / width for m in a if m in b}

    def swing(self, index: int) -> tuple[dict[str, float] | None, dict[str, float] | None]:
        """Latencies of one class at both swings [s]."""
        low, high = (None if x is None else x[index] for x in self.far)
        return low, high


def _class(
    chosen: Disaggregated,
    c: ClassPlan,
    index: int,
    steps: Mapping[str, Derivation],
    looks: Mapping[str, Looks],
) -> ClassSensitivity:
    now = read_latencies(chosen, index)
    found: dict[str, dict[str, Elasticity]] = {}
    for lever in LEVERS:
        if not lever.served:
            found[lever.name] = {m: Elasticity(0.0, "derivative") for m in now}
            continue
        numeric = looks[lever.name].difference(index)
        exact = {"ttft_mean": mean_ttft_elasticity(chosen, c, steps, lever.name)}
        if lever.name in ("link", "prefill_step") and chosen.first_token_from_decode:
            exact["tpot_mean"] = 0.0  # decode sees neither
        found[lever.name] = {m: _elasticity(exact.get(m), numeric.get(m)) for m in now}
    return ClassSensitivity(c.name, now, found, {name: x.swing(index) for name, x in looks.items()})


def _elasticity(exact: float | None, numeric: float | None) -> Elasticity:
    return Elasticity(numeric, "differences") if exact is None else Elasticity(exact, "derivative")


def _cost_elasticity(fleet: Fleet) -> dict[str, float]:
    """Shares of each pool in the price: what 1% on its GPUs does to the price of this fleet."""
    prefill = fleet.prefill.usd_per_hour
    both = prefill + fleet.decode.usd_per_hour
    if both <= 0:
        return {}
    return {"price": 1.0, "prefill_price": prefill / both, "decode_price": 1.0 - prefill / both}


def _rounded(values: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if values is None else {k: significant(v) for k, v in values.items()}
