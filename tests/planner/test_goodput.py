"""Goodput of a fleet: it brackets the rate that attainment allows, and refuses what is no promise."""

from __future__ import annotations

import json

import pytest

import pdplan
from pdplan.cli import main
from pdplan.errors import InputError
from pdplan.planner.goodput_report import request_target
from pdplan.planner.problem import assemble
from pdplan.sim.result_parts import Target
from pdplan.spec.builtin import builtin_scenario


def test_goodput_lies_between_a_rate_that_holds_and_one_that_fails() -> None:
    report = pdplan.goodput(builtin_scenario(), requests=10_000)
    best = report.goodput
    assert best.rate < best.fails_at <= 1.02 * best.rate
    at = {p.rate: p for p in best.points}
    assert at[best.rate].holds
    assert not at[best.fails_at].holds
    # the planned rate is served, or the plan was wrong
    assert best.rate >= report.planned_rate
    # Decode alone carries more: TPOT is met at every stable rate, TTFT is what ends it.
    assert at[best.fails_at].attainment.tpot.value == 1.0


@pytest.mark.slow
def test_a_higher_share_never_allows_a_higher_rate() -> None:
    rates = [
        pdplan.goodput(builtin_scenario(), share=s, requests=5000).goodput.rate for s in (0.5, 0.9, 0.99)
    ]
    assert rates == sorted(rates, reverse=True)


def test_looser_limits_never_lower_attainment() -> None:
    curve = pdplan.goodput(builtin_scenario(), requests=5000).scales
    assert list(curve.joint) == sorted(curve.joint)


def test_limits_of_a_request() -> None:
    def target(slo: str) -> Target:
        return request_target(assemble(builtin_scenario((f"classes.chat.slo={slo}",))).traffic[0])

    assert target("{ttft: {p50: 1 s, p99: 2 s}, tpot: {p95: 50 ms}}") == Target(1.0, 0.05)
    assert target("{attainment: 90%, ttft: 3 s, tpot: 60 ms}") == Target(3.0, 0.06)
    with pytest.raises(InputError, match="class chat has no limit"):
        target("{ttft: {mean: 1 s}}")


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["goodput", "--requests", "5000", "--attainment", "95%", "--json"])
    assert not left.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["goodput"]["share"] == 0.95
    assert document["trust"] == "simulated"
    with pytest.raises(SystemExit) as left:
        main(["goodput", "--attainment", "95"])
    assert left.value.code == 2
    assert "attainment is 95" in capsys.readouterr().err
