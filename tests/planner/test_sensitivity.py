"""Sensitivity: closed forms, derivatives against differences, signs, and the steps of cost."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenarios import M_D_1
from typer.testing import CliRunner

from pdplan.cli.app import app
from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.derive import derivations_of
from pdplan.planner.headroom import moved
from pdplan.planner.judge import judge
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.planner.sensitivity_cost import Again
from pdplan.planner.sensitivity_inputs import LEVERS
from pdplan.planner.sensitivity_latencies import latencies
from pdplan.planner.sensitivity_report import METRICS, Looks, Sensitivity, sensitivity
from pdplan.planner.sensitivity_symbolic import elasticities, mean_ttft_elasticity
from pdplan.planner.sizing import find, size
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.serving.prefill import mean_ttft_s
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario
from pdplan.symbolic import Derivation

BY_NAME = {v.name: v for v in LEVERS}


def fast(*overrides: str) -> Scenario:
    return parse_scenario(M_D_1, "fast", overrides)


@pytest.fixture(scope="module")
def found() -> Sensitivity:
    return sensitivity(fast())


@pytest.mark.parametrize("rho", [0.1, 0.4, 0.8, 0.95])
def test_elasticity_of_the_wait_of_m_d_1(rho: float) -> None:
    # W = lam S^2 / (2 (1 - lam S)): d ln W / d ln lam = 1 + rho/(1 - rho), to S one more
    arguments = {"arrival_rate": rho / 0.08, "mean_service_s": 0.08, "service_scv": 0.0}
    value = mg1_mean_wait_s(**arguments)
    by = elasticities(Derivation("w", "wait", "W", "s", value, mg1_mean_wait_s, arguments))
    assert by["arrival_rate"] == pytest.approx(1 + rho / (1 - rho), rel=1e-9)
    assert by["mean_service_s"] == pytest.approx(2 + rho / (1 - rho), rel=1e-9)
    assert by["service_scv"] == 0.0


def test_mean_ttft_of_m_d_1(found: Sensitivity) -> None:
    # rho = 5 x 0.08 = 0.4; W = 0.4 x 0.08 / (2 x 0.6) = 26.67 ms; TTFT = 106.67 ms, of which W is a quarter.
    # To the rate: 0.25 x (1 + 0.4/0.6) = 0.41667; to the step: 0.25 x (2 + 0.4/0.6) + 0.75 x 1 = 1.41667.
    row = found.classes[0].elasticity
    assert found.classes[0].now["ttft_mean"] == pytest.approx(mean_ttft_s(5.0, 0.08))
    assert row["rate"]["ttft_mean"].value == pytest.approx(0.25 * (1 + 0.4 / 0.6), rel=1e-6)
    assert row["prefill_step"]["ttft_mean"].value == pytest.approx(0.25 * (2 + 0.4 / 0.6) + 0.75, rel=1e-6)
    assert {row[name]["ttft_mean"].method for name in ("rate", "prefill_step", "link")} == {"derivative"}
    assert row["link"]["ttft_mean"].value == 0.0  # the first token does not wait for the link
    # a lattice sum, so differences; double the prompt, double the service (25,000 tok/s throughout)
    assert row["prompt_tokens"]["ttft_mean"].method == "differences"
    assert row["prompt_tokens"]["ttft_mean"].value == pytest.approx(1.41667, rel=2e-3)


@pytest.mark.parametrize("first", ["prefill", "decode"])
@pytest.mark.parametrize("name", ["rate", "prefill_step", "decode_step", "output_tokens", "link"])
def test_derivatives_agree_with_differences(first: str, name: str) -> None:
    scenario = fast(f"first_token_from={first}", "classes.chat.slo.tpot.mean=40 ms")
    problem = assemble(scenario)
    search = Search(problem)
    best = find(search)
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    fleet = judge(chosen)
    steps = {d.name: d for d in derivations_of(chosen, fleet)}
    exact = mean_ttft_elasticity(chosen, fleet.classes[0], steps, name)
    if exact is None:
        assert first == "decode"
        assert name in ("rate", "decode_step", "output_tokens")  # admission and steps have no closed form
        return
    numeric = Looks.of(chosen, BY_NAME[name], 1e-4).difference(0)["ttft_mean"]
    assert numeric == pytest.approx(exact, abs=1e-6)


def test_tornado_signs(found: Sensitivity) -> None:
    for name in ("rate", "prompt_tokens", "prefill_step"):
        low, high = found.classes[0].tornado[name]
        assert low is not None
        assert high is not None
        for metric in ("ttft_mean", "ttft_p99"):
            assert low[metric] < found.classes[0].now[metric] < high[metric]
    slow, quick = found.classes[0].tornado["link"]
    assert slow is not None
    assert quick is not None
    assert slow["tpot_mean"] > quick["tpot_mean"]  # the transfer falls between the first and second token


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rate=st.floats(0.5, 9.5), prompt=st.floats(200, 3000), more=st.floats(1.001, 1.3))
def test_more_rate_never_lowers_ttft(rate: float, prompt: float, more: float) -> None:
    problem = assemble(fast(f"classes.chat.rate={rate} req/s", f"classes.chat.prompt_tokens={prompt}"))
    search = Search(problem)
    best = search.best()
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    now = latencies(fleet)
    then = latencies(moved(fleet, BY_NAME["rate"], more))
    assert now is not None
    if then is not None:
        assert all(then[0][m] >= now[0][m] * (1 - 1e-6) for m in METRICS)


def test_cost_planned_again_is_what_plan_says(found: Sensitivity) -> None:
    for factor, i in ((0.9, 0), (1.1, 1)):
        rate = size(fast(f"classes.chat.rate={5 * factor} req/s")).cost.usd_per_hour
        assert found.cost_at["rate"][i] == pytest.approx(rate)
        target = size(fast(f"classes.chat.slo.ttft.p95={0.8 * factor} s")).cost.usd_per_hour
        assert found.cost_at["ttft_target"][i] == pytest.approx(target)


def test_the_next_step_of_cost() -> None:
    found = sensitivity(fast("classes.chat.rate=6 req/s"))
    up = found.steps["up"]
    assert up is not None
    assert found.steps["down"] is None  # one instance of each already
    # p95 of TTFT still holds at 85% load, so that limit binds: 0.85 / 0.08 s = 10.625 req/s
    assert 6 * up.factor == pytest.approx(10.625, rel=4e-3)
    now = found.fleet.cost.usd_per_hour
    assert size(fast(f"classes.chat.rate={6 * up.factor * 0.99} req/s")).cost.usd_per_hour == now
    past = size(fast(f"classes.chat.rate={6 * up.factor * 1.01} req/s"))
    assert past.cost.usd_per_hour == up.usd_per_hour != now
    assert up.fleet == "2 prefill TP1 + 1 decode TP1"


def test_planning_again_finds_what_a_new_search_does() -> None:
    problem = assemble(fast("classes.chat.rate=30 req/s"))
    best = Search(problem).best()
    again = Again(problem, best)
    for lever in LEVERS:
        for factor in (0.6, 0.9, 1.1, 1.5):
            fresh = Search(lever.at(problem, factor)).best()
            assert again.price(lever, factor) == pytest.approx(fresh.usd_per_hour), (lever.name, factor)


def test_prices_share_the_cost(found: Sensitivity) -> None:
    by = found.cost_elasticity
    assert by["price"] == 1.0
    assert by["prefill_price"] + by["decode_price"] == pytest.approx(1.0)
    assert by["prefill_price"] == pytest.approx(
        found.fleet.prefill.usd_per_hour / found.fleet.cost.usd_per_hour
    )
    formula = found.formulas["cost.per_hour"]  # the same by sympy
    assert formula["prefill_usd_per_hour"] == pytest.approx(by["prefill_price"])


def test_an_overload_is_said() -> None:
    found = sensitivity(fast("classes.chat.rate=10.4 req/s", "classes.chat.slo.ttft.p95=20 s"))
    assert found.fleet.prefill.count == 1
    # 10.4 x 1.1 x 0.08 = 0.915 is still below 1; prompts 10% longer and slower steps too
    low, high = found.classes[0].tornado["rate"]
    assert low is not None
    assert high is not None
    tight = assemble(fast("classes.chat.rate=10.4 req/s", "classes.chat.slo.ttft.p95=20 s"))
    search = Search(tight)
    best = search.best()
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    assert latencies(moved(fleet, BY_NAME["rate"], 1.25)) is None  # 10.4 x 1.25 x 0.08 = 1.04
    assert Looks.of(fleet, BY_NAME["rate"], 0.25).difference(0) == {}


def test_scaled_steps() -> None:
    option = assemble(fast()).options("prefill")[0]
    slow = ScaledLatency(option.latency, 2.0, 3.0)
    assert slow.prefill_step_s(2000.0, 4e6) == pytest.approx(2 * 0.08)
    assert slow.decode_step_s(1.0, 1000.0) == pytest.approx(3 * 0.008)
    same = ScaledLatency(option.latency).mixed_step_s(8.0, 8000.0, 512.0, 512.0**2)
    assert same == pytest.approx(option.latency.mixed_step_s(8.0, 8000.0, 512.0, 512.0**2))


def test_faces(found: Sensitivity, tmp_path: Path) -> None:
    text = str(found)
    assert "prefill step time" in text
    assert "cost, planned again" in text
    assert "nan" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    path = tmp_path / "fast.yaml"
    path.write_text(M_D_1)
    out = CliRunner().invoke(app, ["sensitivity", str(path), "--json"])
    assert out.exit_code == 0
    document = json.loads(out.stdout)
    assert document["schema"] == "pdplan.sensitivity/1"
    assert document["classes"][0]["elasticities"]["link"]["ttft_mean"] == {
        "value": 0.0,
        "method": "derivative",
    }
    assert math.isclose(document["cost"]["elasticities"]["price"], 1.0)
