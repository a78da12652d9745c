"""Verdicts: which reason, which ledger, and that a refusal can come in more than one way."""

from __future__ import annotations

from pathlib import Path

import pytest

import pdplan
from pdplan.planner.problem import assemble
from pdplan.planner.result import Cost, Need
from pdplan.planner.vary import scaled, with_link
from pdplan.planner.verdict import decide
from pdplan.planner.verdicts import SplitReport, alone
from pdplan.serving.economics import disagg_wins
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.loading import load_scenario
from pdplan.spec.scenario import Scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def cost(usd: float) -> Cost:
    return Cost(1, 1, usd, 1.0, 1.0, 700.0)


class FakePool:
    def __init__(self, count: int, usd: float) -> None:
        self.count = count
        self.usd_per_hour = usd


class FakeFleet:
    """What `decide` looks at of a fleet."""

    def __init__(self, usd: float) -> None:
        self.cost = cost(usd)
        self.prefill = FakePool(1, usd / 2)
        self.decode = FakePool(1, usd / 2)


class FakeColocated:
    """What `decide` looks at of a colocated fleet."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self.cost_low = None if low is None else cost(low)
        self.cost = None if high is None else cost(high)
        self.count_low = None if low is None else 1
        self.count = None if high is None else 1
        self.why = "tpot p95 <= 20 ms is out of reach"


class FakeLedger:
    def __init__(self, chunk_s: float, transfer_s: float) -> None:
        self.verdict = disagg_wins(0.010, chunk_s, transfer_s, 0.205)


SPLIT, SLOW, CALM = FakeLedger(0.025, 0.011), FakeLedger(0.025, 0.215), FakeLedger(0.001, 0.011)


@pytest.mark.parametrize(
    ("fleet", "low", "high", "ledger", "need", "reason"),
    [
        (None, None, None, None, None, "infeasible"),
        (None, 10.0, 12.0, None, None, "infeasible"),
        (None, 10.0, 12.0, SLOW, None, "slow_link"),
        (20.0, None, None, SPLIT, None, "split"),
        (20.0, 24.0, 30.0, SPLIT, None, "split"),
        (26.0, 24.0, 30.0, SPLIT, None, "undetermined"),
        (26.0, 24.0, None, SPLIT, None, "undetermined"),
        (30.0, 30.0, 30.0, SPLIT, None, "split"),
        (40.0, 24.0, 30.0, SLOW, None, "slow_link"),
        (40.0, 24.0, 30.0, CALM, None, "no_interference"),
        (40.0, 24.0, 30.0, SPLIT, Need(0.3, 0.3, ""), "fleet_too_small"),
        (40.0, 24.0, 30.0, SPLIT, Need(1.0, 1.0, ""), "no_interference"),
        (40.0, 24.0, 30.0, SLOW, Need(0.3, 0.3, ""), "fleet_too_small"),  # fractions would win over this link
        (30.0, 30.0, 30.0, SLOW, Need(0.3, 0.3, ""), "slow_link"),  # the same price: the ledgers decide
    ],
)
def test_reasons_in_their_order(fleet, low, high, ledger, need, reason) -> None:  # type: ignore[no-untyped-def]
    made = None if fleet is None else FakeFleet(fleet)
    assert decide(made, FakeColocated(low, high), ledger, need)[0] == reason  # type: ignore[arg-type]


def report(*settings: str) -> SplitReport:
    return pdplan.split(builtin_scenario(settings), verify=False)


def test_both_ledgers_are_on_the_table() -> None:
    verdict = report().verdicts[0]
    book = verdict.ledger
    assert book is not None
    assert book.verdict.itl_gain == pytest.approx(1 + book.chunk_s / book.clean_step_s)
    assert book.verdict.ttft_penalty == pytest.approx(book.visible_transfer_s / book.prefill_s)
    text = str(report())
    for words in ("interference, per token", "freight, per request", "rule of thumb"):
        assert words in text


@pytest.mark.slow
def test_a_slow_wire_is_never_better() -> None:
    fast, slow = report().verdicts[0], report("link=eth-10g", "node.nics=1").verdicts[0]
    assert fast.ledger is not None
    assert slow.ledger is not None
    assert slow.ledger.verdict.ttft_penalty > 10 * fast.ledger.verdict.ttft_penalty


@pytest.mark.slow
def test_each_class_is_judged_on_its_own_traffic() -> None:
    out = pdplan.split(Scenario.load(str(SCENARIOS / "three-classes.yaml")), verify=False)
    assert [v.name for v in out.verdicts] == ["chat", "rag", "code"]
    assert out.document()["schema"] == "pdplan.split/1"
    assert len({v.fleet.label for v in out.verdicts if v.fleet}) > 1


def test_simulation_settles_what_formulas_leave_open() -> None:
    assert report().verdicts[0].reason == "undetermined"
    settled = pdplan.split(builtin_scenario()).verdicts[0]
    assert settled.reason == "split"
    assert settled.colocated.settled


@pytest.mark.slow
def test_a_link_is_not_called_slow_where_a_faster_one_changes_nothing() -> None:
    """Code completion of the three classes: a transfer takes a quarter of a prefill, but no link flips it."""
    problem = assemble(load_scenario(SCENARIOS / "three-classes.yaml")).only(2)
    found = alone(problem)
    assert found.ledger is not None
    assert found.ledger.verdict.reason == "slow_link"  # the rule of thumb
    assert found.reason == "fleet_too_small"
    assert "whole instances cost 2.99 USD/h more; at a larger rate" in found.why
    assert not alone(with_link(problem, 64.0))
    assert alone(scaled(problem, 4.0)).reason == "split"
