"""Predictions: closed loop by formula and engine, lengths by factor, the open loop of a stated fleet."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pdplan
from pdplan.errors import InputError, PdplanError
from pdplan.planner.predict_report import _with_outputs
from pdplan.planner.simulation import chosen_fleet
from pdplan.spec.builtin import builtin_scenario

STATED = "fleet={prefill: {count: 2, tp: 4}, decode: {count: 1, tp: 4}}"
LOOSE = {"ttft": {"p99": "5 s"}}
FIXED = ("classes.chat.workload=null", "classes.chat.prompt_tokens=1024", "classes.chat.output_tokens=1024")


def test_formula_and_engine_agree_at_a_held_concurrency() -> None:
    report = pdplan.predict(builtin_scenario((STATED,)), concurrency=(1, 48), requests=60_000)
    assert report.fleet == "2 prefill TP4 + 1 decode TP4"
    for point in report.points:
        f, s = point.formula, point.simulated
        assert f is not None
        assert s is not None
        for quantity, value, limit in (("ttft", f.ttft_s, 0.05), ("tpot", f.tpot_s, 0.01)):
            seen = s.latency(quantity)
            assert seen.value is not None
            assert abs(value - seen.value) <= limit * seen.value + (seen.half_width or 0.0)
        # Little's law, of the formula to the last digit and of the engine up to the ends of its run
        assert f.throughput * f.e2e_s == pytest.approx(point.concurrency)
        assert s.throughput * s.latency("e2e").value == pytest.approx(point.concurrency, rel=0.03)
        # one user decodes in steps of his own only
        assert f.mean_batch <= point.concurrency


def test_equal_lengths_are_locked_to_decode_steps() -> None:
    # 1024 in, 1024 out, 8 users, one decode instance: from one request to the next a whole number of steps.
    scenario = builtin_scenario((*FIXED, "fleet={prefill: {count: 1, tp: 4}, decode: {count: 1, tp: 4}}"))
    report = pdplan.predict(scenario, concurrency=8, requests=4000)
    f, s = report.points[0].formula, report.points[0].simulated
    assert f is not None
    assert s is not None
    assert "equal requests" in f.accuracy
    assert f.ttft_s == pytest.approx(s.latency("ttft").value, rel=0.03)
    assert f.tpot_s == pytest.approx(s.latency("tpot").value, rel=0.001)


def test_output_factor_shortens_outputs_and_keeps_them_whole() -> None:
    chosen = chosen_fleet(builtin_scenario((*FIXED, STATED)))
    out = _with_outputs(chosen, 0.9).problem.demand.output_tokens
    assert out.tolist() == [922.0]  # 921.6
    # one user: the same steps, 0.9 as many of them
    base = builtin_scenario((*FIXED, STATED))
    full, less = (
        pdplan.predict(base, concurrency=1, simulate=False, output_factor=x).points[0].formula
        for x in (1.0, 0.9)
    )
    assert full is not None
    assert less is not None
    decode = (full.e2e_s - full.ttft_s, less.e2e_s - less.ttft_s)
    assert decode[1] / decode[0] == pytest.approx(921 / 1023, rel=0.005)


def test_more_users_never_lower_the_throughput() -> None:
    points = pdplan.predict(builtin_scenario((STATED,)), concurrency=(1, 4, 16, 64), simulate=False).points
    rates = [p.formula.throughput for p in points if p.formula]
    assert rates == sorted(rates)
    assert points[0].formula is not None
    assert points[0].formula.binding == "concurrency"


def test_prefill_binds_with_many_users() -> None:
    scenario = builtin_scenario(("fleet={prefill: {count: 1, tp: 4}, decode: {count: 4, tp: 4}}",))
    means = pdplan.predict(scenario, concurrency=200, simulate=False).points[0].formula
    assert means is not None
    assert means.binding == "prefill"
    assert means.parts_s["queue"] > means.parts_s["prefill"]


def spread(mean: float) -> dict:
    return {"mean": mean, "scv": 0.8}


def test_several_classes_are_mixed_by_rate() -> None:
    scenario = pdplan.Scenario.model_validate(
        {
            "version": 1,
            "model": "llama-3.1-70b",
            "accelerator": "h100-sxm-80gb",
            "link": "ib-ndr-400g",
            "fleet": {"prefill": {"count": 2, "tp": 4}, "decode": {"count": 1, "tp": 4}},
            "classes": [
                {
                    "name": "a",
                    "rate": "6 req/s",
                    "prompt_tokens": spread(500),
                    "output_tokens": spread(100),
                    "slo": LOOSE,
                },
                {
                    "name": "b",
                    "rate": "2 req/s",
                    "prompt_tokens": spread(3000),
                    "output_tokens": spread(300),
                    "slo": LOOSE,
                },
            ],
        }
    )
    point = pdplan.predict(scenario, concurrency=24, requests=40_000).points[0]
    assert point.formula is not None
    assert point.simulated is not None
    one, other = (point.simulated.latency("ttft", name).value for name in "ab")
    assert one < other
    mixed = 0.75 * one + 0.25 * other
    assert point.simulated.latency("ttft").value == pytest.approx(mixed, rel=0.01)
    assert point.formula.ttft_s == pytest.approx(mixed, rel=0.05)
    assert '"a"' in json.dumps(point.simulated.document()["classes"])


def test_open_loop_is_what_a_plan_judges() -> None:
    scenario = builtin_scenario()
    plan = pdplan.plan(scenario, verify=False)
    point = pdplan.predict(scenario, simulate=False).points[0]
    assert point.concurrency is None
    assert point.formula is not None
    assert point.formula.ttft_s == pytest.approx(plan.classes[0].ttft.mean_s)
    assert point.formula.throughput == pytest.approx(plan.classes[0].rate)


def test_a_colocated_fleet_is_simulated_only() -> None:
    report = pdplan.predict(builtin_scenario(), concurrency=16, colocated=True, requests=3000)
    assert report.points[0].formula is None
    assert report.points[0].simulated is not None
    assert "colocated" in report.fleet
    assert "simulated only" in str(report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0"),
        ({"concurrency": ()}, "concurrency is empty"),
        ({"concurrency": 10**6}, "concurrency is 1000000"),
        ({"concurrency": 8, "output_factor": 0.0}, "output_factor is 0"),
        ({"concurrency": 8, "output_factor": np.nan}, "output_factor is nan"),
        ({"concurrency": 8, "output_factor": 1.5}, "output_factor is 1.5"),
        ({"concurrency": 500, "requests": 2000}, "2,000 requests for 500 users"),
        ({"concurrency": 8, "colocated": True, "simulate": False}, "no formula in a closed loop"),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pdplan.predict(builtin_scenario(), **options)


def test_mm1_is_refused_in_a_closed_loop() -> None:
    scenario = builtin_scenario(("prefill.discipline=mm1", STATED))
    with pytest.raises(PdplanError, match="mm1"):
        pdplan.predict(scenario, concurrency=8)


def test_an_overloaded_stated_fleet_is_an_honest_no() -> None:
    scenario = builtin_scenario((STATED, "classes.chat.rate=500 req/s"))
    with pytest.raises(PdplanError) as refused:
        pdplan.predict(scenario, simulate=False)
    assert refused.value.exit_code == 1


def test_documents_are_the_same_twice() -> None:
    def once() -> str:
        report = pdplan.predict(builtin_scenario((STATED,)), concurrency=8, requests=2000, seed=3)
        return json.dumps(report.document(), allow_nan=False)

    assert once() == once()
