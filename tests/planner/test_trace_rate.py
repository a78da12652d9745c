"""Rates read from traces: what is planned for, what it covers, and the replay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pdplan
from pdplan.errors import ScenarioError
from pdplan.planner.problem import assemble
from pdplan.planner.sizing import size
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

SCENARIO = """
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-100g
prefill: {{parallel: {{tp: [1]}}}}
decode: {{parallel: {{tp: [1]}}}}
colocated: {{parallel: {{tp: [1]}}}}
classes:
{classes}
"""
CHAT = """
  - name: chat
    rate: {{trace: two-speeds.csv, plan_for: {plan_for}}}
    slo: {{ttft: {{p99: {ttft}}}, tpot: {{p95: 40 ms}}}}
"""


def write_trace(folder: Path) -> None:
    """Ten minutes: nine at 2 requests a second, the last at 10, evenly spaced, 1000 and 50 tokens.

    So windows of 60 s have rates 2 (nine times) and 10 (once); mean (9 * 2 + 10) / 10 = 2.8 req/s.
    """
    times = np.concatenate([np.arange(0, 540, 0.5), np.arange(540, 600.05, 0.1)])
    rows = [
        json.dumps({"input_toks": 1000, "output_toks": 50, "arrival_time_ns": round(t * 1e9)}) for t in times
    ]
    (folder / "two-speeds.csv").write_text("\n".join(rows) + "\n")


def scenario(folder: Path, classes: str) -> Scenario:
    write_trace(folder)
    return parse_scenario(SCENARIO.format(classes=classes), str(folder / "scenario.yaml"))


def chat(plan_for: str = "p99 of 60 s windows", ttft: str = "1 s") -> str:
    return CHAT.format(plan_for=plan_for, ttft=ttft)


@pytest.mark.parametrize(
    ("plan_for", "rate", "covered"),
    [
        ("p99 of 60 s windows", 10.0, 1.0),  # ten windows: the 99th percentile is the busiest
        ("peak of 60 s windows", 10.0, 1.0),
        ("p90 of 60 s windows", 2.0, 0.9),
        ("p50 of 1 min windows", 2.0, 0.9),
        ("mean", 2.8, 0.9),
    ],
)
def test_the_rate_and_what_it_covers(tmp_path: Path, plan_for: str, rate: float, covered: float) -> None:
    traffic = assemble(scenario(tmp_path, chat(plan_for))).traffic[0]
    assert traffic.demand.arrival_rate == pytest.approx(rate, rel=1e-3)
    assert traffic.traced is not None
    assert traffic.traced.covered == pytest.approx(covered)
    assert traffic.demand.mean_prompt_tokens == pytest.approx(1000)  # lengths come from the same trace
    assert traffic.demand.mean_output_tokens == pytest.approx(50)


def test_the_plan_says_so(tmp_path: Path) -> None:
    sized = size(scenario(tmp_path, chat("p90 of 60 s windows")))
    text = " ".join(str(sized).split())
    assert "planned for 2 req/s, the p90 of 60 s windows of two-speeds.csv: covers 90% of the time" in text
    assert sized.document()["fleet"]["classes"][0]["rate_from"]["covered_share_of_time"] == 0.9
    assert sized.document()["scenario"]["classes"][0]["rate"]["plan_for"] == "p90 of 60 s windows"


def test_the_trace_is_replayed_and_a_burst_beyond_the_plan_shows(tmp_path: Path) -> None:
    """One prefill instance takes a prompt in about 25 ms, so 10 a second fit; the limits decide."""
    plan = pdplan.plan(scenario(tmp_path, chat()))
    assert plan.replay is not None
    assert plan.replay.requests == 1080 + 601
    assert plan.replay.met
    assert "Replayed two-speeds.csv: 1,681 requests over 10 min" in " ".join(str(plan).split())
    assert plan.document()["replay"]["met"] is True
    assert json.dumps(plan.document()) == json.dumps(pdplan.plan(scenario(tmp_path, chat())).document())


def test_a_slow_fleet_misses_in_the_replay(tmp_path: Path) -> None:
    """2 req/s are planned for; 10 req/s overload one instance that takes 8 prompts a second at most."""
    slow = chat("p90 of 60 s windows")
    table = "latency: {max_prefill: 8000 tok/s, decode_table: {1: 5 ms, 64: 10 ms}}\n"
    write_trace(tmp_path)
    text = SCENARIO.format(classes=slow) + table
    plan = pdplan.plan(parse_scenario(text, str(tmp_path / "scenario.yaml")))
    assert plan.verification is not None
    assert plan.verification.holds == "holds"
    assert plan.replay is not None
    assert not plan.replay.met
    assert "(MISSED)" in str(plan.replay)
    assert "plan for a higher percentile" in str(plan.replay)
    # 100 s of backlog would be (10 - 8) x 60 / 8 = 15 s of wait at its end: the TTFT p99 lies there
    ttft = next(row for row in plan.replay.rows if str(row.target).startswith("ttft"))
    assert ttft.value == pytest.approx(15.0, rel=0.05)


def test_classes_with_a_plain_rate_are_there_in_the_replay(tmp_path: Path) -> None:
    other = """
  - {name: code, rate: 1 req/s, prompt_tokens: 500, output_tokens: 20, slo: {ttft: {p99: 1 s}}}
"""
    plan = pdplan.plan(scenario(tmp_path, chat() + other))
    assert plan.replay is not None
    assert {row.name for row in plan.replay.rows} == {"chat", "code"}
    assert all(row.value is not None for row in plan.replay.rows)


def test_no_replay_without_a_trace() -> None:
    assert pdplan.plan(pdplan.builtin_scenario()).replay is None


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("{trace: two-speeds.csv, plan_for: p99 of 2 h windows}", "spans 600"),
        ("{trace: absent.csv}", "absent.csv: No such file"),
        ("{trace: two-speeds.csv, plan_for: p99 of windows}", "write 'p99 of 60 s windows'"),
        ("{trace: two-speeds.csv, plan_for: p0 of 60 s windows}", "a percentile lies between p0 and p100"),
        ("{trace: two-speeds.csv, plan_for: p99 of 0 s windows}", "longer than 0 s"),
        ("{plan_for: mean}", "rate.trace is missing"),
        ("{trace: two-speeds.csv, plan: mean}", "did you mean plan_for"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, rate: str, said: str) -> None:
    classes = f"\n  - name: chat\n    rate: {rate}\n    slo: {{ttft: {{p99: 1 s}}}}\n"
    with pytest.raises(ScenarioError) as caught:
        assemble(scenario(tmp_path, classes))
    assert said in str(caught.value)
    assert "scenario.yaml:12" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_workload_file_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("name: mine\nprompt_tokens: 700\noutput_tokens: 70\n")
    by_file = "\n  - {name: chat, rate: 2 req/s, workload: w.yaml, slo: {ttft: {p99: 1 s}}}\n"
    assert assemble(scenario(tmp_path, by_file)).demand.mean_prompt_tokens == 700
    as_rate = "\n  - {name: chat, rate: {trace: w.yaml}, slo: {ttft: {p99: 1 s}}}\n"
    with pytest.raises(ScenarioError, match="is a workload, not a trace"):
        assemble(scenario(tmp_path, as_rate))


def test_a_trace_as_workload_gives_lengths_alone(tmp_path: Path) -> None:
    classes = "\n  - {name: chat, rate: 3 req/s, workload: two-speeds.csv, slo: {ttft: {p99: 1 s}}}\n"
    problem = assemble(scenario(tmp_path, classes))
    assert problem.demand.arrival_rate == 3.0
    assert problem.demand.mean_prompt_tokens == pytest.approx(1000)
    assert problem.traffic[0].traced is None
