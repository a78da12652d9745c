"""More of what helps never costs more, less of it never less: cheapest fleets by formulas alone."""

from __future__ import annotations

import math
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_fleets import document

from pdplan import units
from pdplan.errors import InfeasibleError
from pdplan.planner.designs_search import designs
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.spec.catalog import load_link
from pdplan.spec.scenario import Scenario

Document = dict[str, Any]


def plan_cost(d: Document) -> float:
    """Cost of the cheapest split fleet [USD/h]; infinite where there is none."""
    try:
        return Search(assemble(Scenario.model_validate(d))).best().usd_per_hour
    except InfeasibleError:
        return math.inf


def designs_cost(d: Document) -> float:
    """Cost of the best design [USD/h]; infinite where none is sure."""
    try:
        report = designs(Scenario.model_validate(d), verify=False)
    except InfeasibleError:
        return math.inf
    return report.designs[0].value if report.designs else math.inf


def drawn(seed: int) -> Document:
    """A random scenario, of few parallelisms so that it is quick."""
    d = document(random.Random(seed))
    for pool in ("prefill", "decode"):
        d[pool]["parallel"] = {"tp": [1, 2, 4, 8]}
    rate = units.parse(d["classes"][0]["rate"], "rate")
    d["classes"][0]["rate"] = f"{min(rate, 60.0)} req/s"
    return d


def faster_wire(d: Document, factor: float) -> Document:
    link = load_link(d["link"])
    d["link_bandwidth"] = f"{link.bytes_per_s * factor * 8 / 1e9:.6g} Gb/s"
    return d


def wire_as_it_is(d: Document) -> Document:
    return faster_wire(deepcopy(d), 1.0)


def more_memory(d: Document, factor: float) -> Document:
    d["memory"] = {"fraction": min(0.99, 0.85 * factor)}
    return d


def memory_as_it_is(d: Document) -> Document:
    return more_memory(deepcopy(d), 1.0)


def looser(d: Document, factor: float) -> Document:
    def times(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: times(v) for k, v in value.items()}
        return f"{units.parse(value, 'time') * factor:.9g} s"

    for c in d["classes"]:
        c["slo"] = {k: v if k == "attainment" else times(v) for k, v in c["slo"].items()}
    return d


def slower_traffic(d: Document, factor: float) -> Document:
    for c in d["classes"]:
        c["rate"] = f"{units.parse(c['rate'], 'rate') / factor:.9g} req/s"
    return d


def as_it_is(d: Document) -> Document:
    return d


#: What may only make it cheaper, and what it is compared with.
CHANGES = {
    "bandwidth": (faster_wire, wire_as_it_is),
    "memory": (more_memory, memory_as_it_is),
    "slo": (looser, as_it_is),
    "rate": (slower_traffic, as_it_is),
}


def check(cost: Any, seed: int, change: str, factor: float) -> None:
    better, base = CHANGES[change]
    d = drawn(seed)
    before, after = cost(base(deepcopy(d))), cost(better(deepcopy(d), factor))
    assert after <= before * (1 + 1e-9), (change, factor, before, after, d)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from(sorted(CHANGES)), st.floats(1.01, 8.0))
def test_the_cost_of_a_plan(seed: int, change: str, factor: float) -> None:
    check(plan_cost, seed, change, factor)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from(sorted(CHANGES)), st.floats(1.01, 8.0))
def test_the_cost_of_the_best_design(seed: int, change: str, factor: float) -> None:
    check(designs_cost, seed, change, factor)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 40), st.integers(1, 40))
def test_more_stock_never_costs_more(seed: int, stock: int, more: int) -> None:
    d = drawn(seed)
    costs = []
    for gpus in (stock, stock + more):
        d["search"] = {"stock": {d["accelerator"]: gpus}, "length_quantiles": []}
        costs.append(designs_cost(d))
    assert costs[1] <= costs[0] * (1 + 1e-9), (stock, more, costs, d)


@pytest.mark.slow
@pytest.mark.parametrize("change", sorted(CHANGES))
def test_by_hand_on_one_scenario(change: str) -> None:
    check(plan_cost, 4, change, 2.0)
