"""Observed against planned, by hand: when a difference counts, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pdplan.errors import InfeasibleError
from pdplan.planner import Plan, sizing
from pdplan.planner.drift import ObservedLatency, ObservedTraffic, drift
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

ONE = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: 4 req/s
    prompt_tokens: {mean: 1000, scv: 1}
    output_tokens: {mean: 200, scv: 1}
    slo: {ttft: {p99: 600 ms}, tpot: {p95: 30 ms}}
"""
TWO = (
    ONE
    + """\
  - name: batch
    rate: 1 req/s
    prompt_tokens: {mean: 4000, scv: 1}
    output_tokens: {mean: 100, scv: 1}
    slo: {ttft: {p99: 2 s}}
"""
)
PLANS: dict[str, Plan] = {}
sizing_size = sizing.size


@pytest.fixture(autouse=True)
def planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scenario has the same plan: find it once."""

    def size(asked: Scenario) -> Plan:
        key = asked.model_dump_json()
        if key not in PLANS:
            PLANS[key] = sizing_size(asked)
        return PLANS[key]

    monkeypatch.setattr(sizing, "size", size)


def scenario(text: str = ONE) -> Scenario:
    return parse_scenario(text, "<test>")


def seen(**other: object) -> ObservedTraffic:
    """An hour of exactly what was planned."""
    given = ObservedTraffic(
        requests=14_400,
        rate=4.0,
        window_s=60.0,
        p99_rate=4.5,
        dispersion=1.0,
        prompt_tokens=1000.0,
        prompt_scv=1.0,
        output_tokens=200.0,
        output_scv=1.0,
        prefix_hit=None,
        latencies={},
    )
    return replace(given, **other)  # type: ignore[arg-type]


def verdicts(traffic: ObservedTraffic, text: str = ONE) -> dict[str, str]:
    return {line.quantity: line.verdict for line in drift(scenario(text), traffic).lines}


def test_what_was_planned_is_as_planned() -> None:
    report = drift(scenario(), seen())
    assert not report.drifted
    assert report.advice == ()
    assert "nothing drifted" in str(report)


def test_a_difference_counts_beyond_tolerance_and_chance() -> None:
    """+20% over 14,400 Poisson requests: standard error 1/120 = 0.8%, times 3 and 1.2: 3.0% < 20% - 10%.

    Over 400 requests: 1/20 = 5%, times 3 and 1.2: 18% > 10%: cannot tell.
    """
    assert verdicts(seen(rate=4.8))["rate"] == "drifted"
    assert verdicts(seen(rate=4.8, requests=400))["rate"] == "cannot tell"
    assert verdicts(seen(rate=4.8, dispersion=40.0))["rate"] == "cannot tell"
    assert verdicts(seen(rate=4.3))["rate"] == "as planned"
    assert verdicts(seen(prompt_tokens=1300.0))["mean prompt"] == "drifted"
    assert verdicts(seen(output_tokens=100.0))["mean output"] == "drifted"


def test_bursts_are_held_against_poisson() -> None:
    """240 in a minute, 99% at most 240 + 2.326 sqrt(240) = 276.0: 4.60 per second; 10% above: 5.06."""
    report = drift(scenario(), seen(p99_rate=5.2))
    line = report.lines[1]
    assert line.planned[0] == pytest.approx(4.6006, abs=1e-3)
    assert line.verdict == "drifted"
    assert verdicts(seen(p99_rate=5.0))["rate, 99% of 60 s"] == "as planned"


def latency(mean: float, low: float, high: float | None) -> ObservedLatency:
    return ObservedLatency(mean, {0.99: ((low + (high or low)) / 2, low, high)})


def test_latencies_are_held_bracket_against_bracket() -> None:
    planned = sizing.size(scenario()).classes[0].ttft
    p99, mean = planned.quantile_s(0.99), planned.mean_s
    same = seen(latencies={"ttft": latency(mean, 0.5 * p99, 2.0 * p99)})
    slow = seen(latencies={"ttft": latency(3 * mean, 1.5 * p99, 3.0 * p99)})
    fast = seen(latencies={"ttft": latency(mean / 3, 0.1 * p99, 0.5 * p99)})
    open_ended = seen(latencies={"ttft": latency(mean, 0.5 * p99, None)})
    assert verdicts(same)["TTFT p99"] == "as planned"
    assert verdicts(slow)["TTFT p99"] == verdicts(slow)["TTFT mean"] == "drifted"
    assert verdicts(fast)["TTFT p99"] == "drifted"
    assert verdicts(open_ended)["TTFT p99"] == "as planned"
    assert any("too fast for this fleet" in a for a in drift(scenario(), slow).advice)
    both = replace(slow, rate=8.0)
    assert any("plan again for the load first" in a for a in drift(scenario(), both).advice)


@pytest.mark.parametrize(
    ("low", "high", "verdict", "why"),
    [
        (0.25, 0.5, "as planned", "met"),
        (0.25, 0.75, "cannot tell", "limit in bucket"),
        (0.75, 1.0, "drifted", "missed"),
        (0.75, None, "drifted", "missed"),
        (0.25, None, "cannot tell", "limit in bucket"),
    ],
)
def test_an_objective_is_judged_by_its_bucket(low: float, high: float | None, verdict: str, why: str) -> None:
    report = drift(scenario(), seen(latencies={"ttft": latency(0.1, low, high)}))
    line = next(line for line in report.lines if line.quantity == "objective ttft p99")
    assert (line.verdict, line.why) == (verdict, why)


def test_prefix_reuse_is_compared_with_the_pool() -> None:
    assert verdicts(seen(prefix_hit=0.05))["prefix hit"] == "as planned"
    assert verdicts(seen(prefix_hit=0.4))["prefix hit"] == "drifted"


def test_several_classes_are_held_against_their_range() -> None:
    """Means: rate 5, prompt (4 x 1000 + 1 x 4000)/5 = 1600, output (4 x 200 + 100)/5 = 180."""
    classes = sizing.size(scenario(TWO)).classes
    p99 = [c.ttft.quantile_s(0.99) for c in classes]
    mean = (4 * classes[0].ttft.mean_s + classes[1].ttft.mean_s) / 5
    traffic = seen(
        rate=5.0,
        p99_rate=5.5,
        prompt_tokens=1600.0,
        output_tokens=180.0,
        latencies={"ttft": latency(mean, min(p99), max(p99))},
    )
    report = drift(scenario(TWO), traffic)
    assert not report.drifted
    assert not any(line.quantity.startswith("objective") for line in report.lines)
    assert "several classes" in report.notes[0]


def test_the_document_is_plain() -> None:
    document = drift(scenario(), seen(rate=8.0)).document()
    assert document["schema"] == "pdplan.drift/1"
    assert document["drifted"] is True
    assert document["lines"][0]["unit"] == "req/s"
    assert "--set classes.chat.rate='8 req/s'" in document["advice"][0]


def test_without_a_plan_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(InfeasibleError, match="there is no plan to compare with"):
        drift(scenario(ONE.replace("600 ms", "1 us")), seen())
