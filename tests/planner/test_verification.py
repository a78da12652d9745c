"""Plans checked by the engine: verification, stepping up, settled verdicts, validation, simulation."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest

import pdplan
from pdplan.errors import UnsupportedError
from pdplan.planner import Plan, Validation
from pdplan.planner.colocated import size_colocated
from pdplan.planner.problem import assemble
from pdplan.planner.search import Candidate, Search
from pdplan.planner.settle import settle_colocated, settle_fleet
from pdplan.planner.simulated import draw
from pdplan.spec.builtin import builtin_scenario
from pdplan.trust import Trust


@cache
def planned(*settings: str) -> Plan:
    return pdplan.plan(builtin_scenario(settings))


@cache
def validated() -> Validation:
    return pdplan.validate(builtin_scenario(), requests=120_000)


class TestPlan:
    def test_every_objective_is_checked(self) -> None:
        v = planned().verification
        assert v is not None
        assert v.holds == "holds"
        assert [str(c.target) for c in v.checked] == ["ttft p99 <= 2 s", "tpot p95 <= 50 ms"]
        assert "Verified by 20,000 simulated requests" in str(planned())

    def test_the_document_is_reproducible(self) -> None:
        once = json.dumps(planned().document())
        again = json.dumps(pdplan.plan(builtin_scenario()).document())
        assert once == again
        assert "NaN" not in once

    def test_another_seed_is_another_sample(self) -> None:
        a, b = planned().verification, pdplan.plan(builtin_scenario(), seed=1).verification
        assert a is not None
        assert b is not None
        assert a.checked[0].simulated != b.checked[0].simulated

    def test_open_verdicts_are_settled(self) -> None:
        """Formulas leave the example open (colocated TPOT is a bracket); the engine decides."""
        assert pdplan.plan(builtin_scenario(), verify=False).verdicts[0].reason == "undetermined"
        assert planned().verdicts[0].reason != "undetermined"
        assert planned().colocated.settled

    def test_mm1_is_not_simulated_and_says_so(self) -> None:
        p = planned("prefill.discipline=mm1")
        assert p.verification is None
        assert "calibration" in str(p)
        with pytest.raises(UnsupportedError, match="mm1"):
            pdplan.simulate(builtin_scenario(("prefill.discipline=mm1",)), requests=1000)


def test_a_fleet_that_is_too_small_is_stepped_up_and_says_so() -> None:
    """Start from a fleet that formulas would refuse: the engine finds it wanting and adds instances."""
    search = Search(assemble(builtin_scenario(("classes.chat.rate=40 req/s",))))
    best = search.best()
    small = replace(best, prefill_count=best.prefill_count - 2)
    settled = settle_fleet(search, small, requests=20_000, seed=0)
    assert settled.best.prefill_count > small.prefill_count
    assert settled.verification.holds != "fails"
    assert "stepped up to" in str(settled.verification)


def test_a_fleet_that_holds_is_left_alone() -> None:
    search = Search(assemble(builtin_scenario()))
    best: Candidate = search.best()
    assert settle_fleet(search, best, requests=20_000, seed=0).best is best


def test_settling_never_widens_the_bracket() -> None:
    problem = assemble(builtin_scenario())
    before = size_colocated(problem)
    after = settle_colocated(problem, before, 24.0, requests=10_000, seed=0)
    assert before.cost_low is not None
    assert after.cost_low is not None
    assert after.cost_low.usd_per_hour >= before.cost_low.usd_per_hour


class TestValidation:
    def test_no_formula_fails_its_trust(self) -> None:
        assert validated(), [str(r) for r in validated().contradicted]

    def test_means_agree_closely(self) -> None:
        rows = {r.quantity: r for r in validated().rows}
        for name, limit in (("chat TTFT mean", 0.07), ("chat TPOT mean", 0.01), ("chat E2E mean", 0.02)):
            assert abs(rows[name].relative_difference) < limit, rows[name]
        assert abs(rows["chat TPOT p99"].relative_difference) < 0.03

    def test_exact_laws_are_not_contradicted(self) -> None:
        for row in validated().rows:
            assert not (row.trust in (Trust.EXACT, Trust.BOUNDED) and row.verdict == "disagrees"), row

    def test_reads_as_a_table(self) -> None:
        text = str(validated())
        assert "simulated" in text
        assert "agree" in text
        assert max(len(line) for line in text.splitlines()) <= 100


def test_exact_discipline_agrees_with_the_engine() -> None:
    """One prompt at a time, random routing, equal prompts: M/D/1 per instance, exact."""
    scenario = builtin_scenario(
        (
            "prefill.discipline=one_at_a_time",
            "prefill.router=random",
            "first_token_from=prefill",
            "classes.chat.slo={ttft: {p99: 1 s}, tpot: {p95: 50 ms}}",
        )
    )
    row = {r.quantity: r for r in pdplan.validate(scenario, requests=200_000).rows}
    assert row["chat TTFT mean"].verdict != "disagrees", row["chat TTFT mean"]
    assert row["chat TTFT p99"].verdict != "disagrees", row["chat TTFT p99"]


def test_simulate_a_planned_fleet() -> None:
    p = planned()
    result = pdplan.simulate(p.scenario, fleet=p.fleet, requests=20_000, seed=3)
    assert result.stability.regime == "steady"
    assert result.statistic("ttft", None, "chat").value == pytest.approx(p.classes[0].ttft.mean_s, rel=0.1)
    assert result.throughput.requests_per_s == pytest.approx(8.0, rel=0.05)


def test_drawn_requests_have_the_laws_of_the_formulas() -> None:
    problem = assemble(builtin_scenario())
    stream = draw(problem, 200_000, 0)
    mix = problem.demand
    assert stream.prompt_tokens.mean() == pytest.approx(mix.mean_prompt_tokens, rel=0.01)
    assert stream.output_tokens.mean() == pytest.approx(mix.mean_output_tokens, rel=0.01)
    assert 200_000 / stream.arrival_s[-1] == pytest.approx(mix.arrival_rate, rel=0.01)
