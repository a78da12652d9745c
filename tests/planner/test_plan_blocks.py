"""What stands around a plan: the same numbers as the commands, five lines, break-evens held on both sides."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_scenarios import M_D_1

import pdplan
from pdplan.cli import main
from pdplan.planner.answer import Plan
from pdplan.planner.doubt_order import last_place
from pdplan.planner.headroom import INPUTS, Headroom, moved
from pdplan.planner.headroom import _excess as past_limits
from pdplan.planner.outlook_text import outlook_lines
from pdplan.planner.plan_blocks import SHARED
from pdplan.planner.plan_blocks import _block as block
from pdplan.planner.search import Search
from pdplan.planner.sensitivity_inputs import LEVERS
from pdplan.planner.sizing import size
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

FAST = M_D_1 + "uncertainty: {rate: +-40%, prefill_time: +-30%}\n"
ROOFLINE = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-400g
classes:
  - {name: chat, rate: 40 req/s, prompt_tokens: 2000, output_tokens: 150,
     slo: {ttft: {p95: 800 ms}, tpot: {p95: 25 ms}}}
prefill: {parallel: {tp: [1, 2]}}
decode: {parallel: {tp: [1, 2]}}
"""
BY_NAME = {v.name: v for v in LEVERS}


def fast(*overrides: str) -> Scenario:
    return parse_scenario(FAST, "fast", overrides)


@pytest.fixture(scope="module")
def planned() -> Plan:
    return size(fast())


def own(found: dict[str, object]) -> dict[str, object]:
    return {k: v for k, v in found.items() if k not in SHARED}


@pytest.mark.slow
def test_blocks_are_what_the_commands_print(planned: Plan) -> None:
    scenario, document = fast(), planned.full_document()
    assert document["sensitivities"] == own(pdplan.sensitivity(scenario).document())
    assert document["doubt"] == own(pdplan.doubt(scenario).document())
    assert document["spares"] == own(pdplan.spares(scenario).document())
    flips = document["break_evens"]
    assert isinstance(flips, dict)
    assert flips["classes"] == pdplan.break_evens(scenario).document()["classes"]
    assert {k: v for k, v in document.items() if k in planned.document()} == planned.document()
    again = size(fast()).full_document()
    assert json.dumps(again, allow_nan=False) == json.dumps(document, allow_nan=False)


@pytest.mark.slow
def test_the_lines_say_what_the_blocks_say(planned: Plan) -> None:
    seen = planned.outlook
    assert seen.chance == planned.doubt.probability
    assert not isinstance(seen.spares, str)
    assert (seen.spares.prefill, seen.spares.decode) == (
        planned.spares.prefill.spares,
        planned.spares.decode.spares,
    )
    assert not isinstance(seen.nearest, str)
    assert seen.nearest is not None
    nearest = min(planned.headroom, key=lambda row: row.distance)
    assert seen.nearest.distance == pytest.approx(nearest.distance, rel=0.04)
    swing = seen.swing
    assert not isinstance(swing, str)
    lever = next(v.name for v in LEVERS if v.words == swing.words)
    high = planned.sensitivities.classes[0].tornado[lever][1]
    assert high is not None
    assert swing.after_s == high[swing.metric]
    text = str(planned)
    lines = outlook_lines(seen, 80)
    for name in ("Runner-up: ", "Breaks first: ", "Most sensitive: ", "Doubt: ", "Spares: "):
        assert f"\n  {name}" in text
    assert all(len(line) <= 80 for line in lines)
    assert "\n".join(lines) in text


@pytest.mark.parametrize("slo", [pytest.param("20 s", marks=pytest.mark.slow), "800 ms",
                                 pytest.param("150 ms", marks=pytest.mark.slow)])  # fmt: skip
def test_one_percent_past_each_break_even_the_fleet_fails_and_one_percent_short_it_holds(slo: str) -> None:
    chosen = size(fast(f"classes.chat.slo.ttft={{p95: {slo}}}")).basis.chosen
    for row in Headroom(chosen):
        if row.factor is None:
            continue
        away = math.copysign(0.01, INPUTS[row.name])
        lever = BY_NAME[row.name]
        assert past_limits(moved(chosen, lever, row.factor * (1 + away))) > 0.0
        assert past_limits(moved(chosen, lever, row.factor * (1 - away))) <= 0.0


def test_the_load_limit_of_m_d_1() -> None:
    # rho = 5 x 0.08 = 0.4 of 0.85: the rate, the prompts and the step time may each grow by 0.85/0.4 = 2.125
    chosen = size(fast("classes.chat.slo.ttft={p95: 20 s}")).basis.chosen
    room = Headroom(chosen)
    for name in ("rate", "prompt_tokens", "prefill_step"):
        row = room.along(name)
        assert row.factor == pytest.approx(2.125, rel=2e-3)
        assert row.breaks == "prefill load would be 86%, limit 85%"


def test_a_pool_that_an_input_does_not_touch_stays_as_it_is() -> None:
    chosen = size(fast()).basis.chosen
    for lever in LEVERS:
        for factor in (0.9, 1.1):
            fresh = replace(
                moved(chosen, lever, factor),
                prefill=type(chosen.prefill)(p := lever.at(chosen.problem, factor),
                                             p.own(chosen.prefill.option), chosen.prefill.count),
                decode=type(chosen.decode)(p, p.own(chosen.decode.option), chosen.decode.count),
            )  # fmt: skip
            assert past_limits(moved(chosen, lever, factor)) == past_limits(fresh)


def test_the_runner_up_is_the_cheapest_of_all_other_pairs() -> None:
    found = size(parse_scenario(ROOFLINE, "roofline"))
    problem, best = found.basis.search.problem, found.basis.best
    others = [
        Search(problem.with_kinds(p, d)).best()
        for p in problem.options("prefill")
        for d in problem.options("decode")
        if (p, d) != (best.prefill, best.decode)
    ]
    cheapest = min(others, key=lambda c: c.order)
    second = found.runner_up
    assert second is not None
    sure = found.colocated.cost
    usd = min(cheapest.usd_per_hour, math.inf if sure is None else sure.usd_per_hour)
    assert second.usd_per_hour == pytest.approx(usd)
    assert second.extra_usd_per_hour == pytest.approx(usd - found.cost.usd_per_hour)


def test_what_cannot_be_said_says_why() -> None:
    certain = size(fast("uncertainty={rate: certain}"))
    why = block(lambda: certain.doubt.document())
    assert why is not None
    assert "no input is in doubt" in why["unavailable"]
    assert "no input is in doubt" in str(certain).replace("\n    ", " ")


def test_brief_leaves_it_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "fast.yaml"
    path.write_text(FAST)
    for words, shown in ((["--brief"], False), ([], True)):
        with pytest.raises(SystemExit):
            main(["plan", str(path), "--no-verify", *words])
        assert ("Breaks first: " in capsys.readouterr().out) is shown


@given(size_=st.integers(1, 300), last=st.integers(-1, 299), near=st.integers(-1, 299))
def test_the_last_place_is_found(size_: int, last: int, near: int) -> None:
    last = min(last, size_ - 1)
    assert last_place(size_, lambda place: place <= last) == last
    assert last_place(size_, lambda place: place <= last, near=min(near, last)) == last
