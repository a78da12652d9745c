"""Break-evens: 1% past each the verdict is another one, 1% short it is not; what is monotone stays so."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import pdplan
from pdplan.cli.app import app
from pdplan.errors import InputError
from pdplan.planner.break_even import NAMES, break_evens, of_class
from pdplan.planner.break_even_answer import BreakEven, ClassBreakEvens
from pdplan.planner.break_even_inputs import INPUTS, at_kv_dtype
from pdplan.planner.break_even_search import Line, outward
from pdplan.planner.break_even_state import Stations, state_of
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.verdict import ClassVerdict
from pdplan.planner.verdicts import alone
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.loading import load_scenario, parse_scenario
from pdplan.spec.scenario import Scenario

#: Each solves many plans; what a plan says of them is checked in test_plan_blocks.
pytestmark = pytest.mark.slow

THREE = Path(__file__).parents[2] / "scenarios" / "three-classes.yaml"

#: One parallelism, one length of each kind, a benchmark table: a verdict takes milliseconds.
FAST = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-100g
latency: {max_prefill: 25000 tok/s, decode_table: {1: 8 ms, 16: 9 ms, 64: 13 ms, 128: 20 ms, 256: 36 ms}}
classes:
  - {name: chat, rate: 12 req/s, prompt_tokens: 2000, output_tokens: 150,
     slo: {ttft: {p95: 800 ms}, tpot: {mean: 14 ms}}}
prefill: {parallel: {tp: 1}}
decode: {parallel: {tp: 1}}
"""
#: How some inputs are written in a scenario of one class.
SET = {
    "rate": "classes.chat.rate={:.10g} req/s",
    "prompt_tokens": "classes.chat.prompt_tokens={:.10g}",
    "overlap": "overlap={:.10g}",
    "prefix_hit": "classes.chat.prefix_hit={:.10g}",
    "tpot_target": "classes.chat.slo.tpot.mean={:.10g} s",
}


def fast(*overrides: str) -> Scenario:
    return parse_scenario(FAST, "fast", overrides)


def word(verdict: ClassVerdict) -> str:
    """The state that a full verdict stands for."""
    if verdict.reason in ("split", "undetermined"):
        return verdict.reason
    if verdict.fleet is None and verdict.colocated.count_low is None:
        return "neither"
    return "colocated"


def beside(row: BreakEven) -> tuple[float, float]:
    """Values 1% past and 1% short of a flip."""
    assert isinstance(row.value, float)
    up = row.direction == "up"
    return (1.01 if up else 0.99) * row.value, (0.99 if up else 1.01) * row.value


def check(problem: Problem, found: ClassBreakEvens) -> None:
    """Hold every flip against full verdicts on both sides."""
    inputs = {i.name: i for i in INPUTS}
    for row in found.flips:
        if row.name == "kv_dtype":
            assert word(alone(at_kv_dtype(problem, str(row.value)))) == row.after != row.before
            continue
        past, short = beside(row)
        here = inputs[row.name].at
        assert word(alone(here(problem, short))) == row.before, row
        verdict = alone(here(problem, past))
        assert word(verdict) == row.after != row.before, row
        assert verdict.reason == row.reason_after, row


@pytest.fixture(scope="module")
def report() -> ClassBreakEvens:
    return break_evens(fast()).classes[0]


def test_every_input_is_looked_at_in_every_direction(report: ClassBreakEvens) -> None:
    looked = {(r.name, r.direction) for r in report.rows}
    expected = {(n, d) for n in NAMES[:-1] for d in ("down", "up")} | {("kv_dtype", "other")}
    # shares of 0 have nothing below
    assert looked == expected - {("overlap", "down"), ("prefix_hit", "down")}
    assert len(report.flips) >= 5


def test_one_percent_past_flips_and_one_percent_short_does_not(report: ClassBreakEvens) -> None:
    check(assemble(fast()), report)


def test_the_same_through_the_scenario_file(report: ClassBreakEvens) -> None:
    for row in report.flips:
        if row.name not in SET:
            continue
        past, short = (
            pdplan.split(fast(SET[row.name].format(value)), verify=False).verdicts[0] for value in beside(row)
        )
        assert word(short) == row.before, row
        assert word(past) == row.after, row


def test_the_state_is_that_of_the_verdict() -> None:
    for scenario in (builtin_scenario(), fast(), fast("node.whole_nodes=true")):
        problem = assemble(scenario)
        expected = word(alone(problem))
        assert state_of(problem) == expected
        assert state_of(problem, likely="colocated") == expected


@pytest.mark.slow
@settings(max_examples=5, deadline=None, derandomize=True)
@given(rate=st.floats(1, 60), prompt=st.floats(50, 6000), output=st.floats(2, 600), pace=st.floats(9, 40))
def test_the_state_is_that_of_the_verdict_anywhere(
    rate: float, prompt: float, output: float, pace: float
) -> None:
    scenario = fast(
        f"classes.chat.rate={rate} req/s",
        f"classes.chat.prompt_tokens={prompt}",
        f"classes.chat.output_tokens={output}",
        f"classes.chat.slo.tpot.p90={pace} ms",
    )
    problem = assemble(scenario)
    expected = word(alone(problem))
    assert state_of(problem) == expected
    assert state_of(problem, likely="colocated") == expected


@pytest.mark.parametrize("name", ["link", "overlap", "ttft_target", "tpot_target"])
@pytest.mark.parametrize("factor", [0.3, 0.9, 2.5])
def test_lent_stations_say_what_new_ones_do(name: str, factor: float) -> None:
    problem = assemble(fast("overlap=0.3"))
    spec = next(i for i in INPUTS if i.name == name)
    now = spec.now(problem)
    assert now is not None
    other = spec.at(problem, factor * now)
    assert state_of(other, Stations(problem)) == state_of(other)


def test_link_and_overlap_by_hand(report: ClassBreakEvens) -> None:
    # Split and colocated cost the same (3 instances), so the freight decides: 25% of a prefill of
    # 2000 / 25,000 = 80 ms is 20 ms. The KV of 2000 tokens is 2 x 8 heads x 128 x 2 B x 32 layers x 2000 =
    # 262.144 MB, and a transfer takes 378 us + bytes / bandwidth:
    #   at 20 ms: 262.144e6 / (0.020 - 0.000378) = 13.36 GB/s;
    #   at 12.5 GB/s: 21.35 ms, of which 1.35 ms must hide behind 80 ms: overlap 0.01687.
    value = {r.name: r.value for r in report.flips if r.direction == "up"}
    assert value["link"] == pytest.approx(262.144e6 / (0.020 - 0.000378), rel=4e-3)
    assert value["overlap"] == pytest.approx((262.144e6 / 12.5e9 + 0.000378 - 0.020) / 0.080, rel=4e-3)


def test_a_link_of_a_few_megabytes_is_never_split(report: ClassBreakEvens) -> None:
    slow = next(i for i in INPUTS if i.name == "link")
    assert state_of(slow.at(assemble(fast()), 1e6)) == "colocated"


def test_an_objective_nobody_meets_is_neither() -> None:
    spec = next(i for i in INPUTS if i.name == "ttft_target")
    # 2000 tokens at 25,000 tok/s take 80 ms alone: nothing answers in 20 ms
    assert state_of(spec.at(assemble(fast()), 0.02)) == "neither"


def test_a_class_without_a_target_has_no_break_even_of_it() -> None:
    text = FAST.replace("tpot: {mean: 14 ms}", "e2e: {mean: 20 s}")
    found = of_class(assemble(parse_scenario(text, "fast")), ["tpot_target"])
    assert found.rows == ()


def test_short_outputs_keep_their_tpot() -> None:
    found = of_class(assemble(fast("classes.chat.output_tokens=3")), ["output_tokens"])
    assert {r.direction for r in found} == {"down", "up"}


def test_unknown_inputs_and_classes_are_refused() -> None:
    with pytest.raises(InputError, match=r"no input 'rates'.*rate"):
        break_evens(fast(), inputs=["rates"])
    with pytest.raises(InputError, match="no class 'rag'"):
        break_evens(fast(), classes=["rag"])


# ---------------------------------------------------------------- the search itself


@settings(max_examples=60, deadline=None, derandomize=True)
@given(edge=st.floats(1.05, 60.0), below=st.booleans())
def test_one_edge_is_found_wherever_it_is(edge: float, below: bool) -> None:
    now = 7.0
    at = now / edge if below else now * edge
    flip = Line(lambda x: x < at if below else x > at, now).nearest(
        outward(now, now / 64 if below else now * 64, share=False)
    )
    assert flip is not None
    assert math.isclose(flip.value, at, rel_tol=4e-3)


def test_a_staircase_gives_its_nearest_firm_edge() -> None:
    # a window 0.5% wide at 1.3 is passed over; the state changes for good at 1.7
    def state(x: float) -> str:
        return "b" if 1.3 < x < 1.3065 or x > 1.7 else "a"

    flip = Line(state, 1.0).nearest([1.303, 1.5, 2.0])
    assert flip is not None
    assert flip.after == "b"
    assert math.isclose(flip.value, 1.7, rel_tol=4e-3)


def test_of_two_edges_between_looks_the_nearer_may_be_had() -> None:
    # a -> b at 2.2, b -> c at 3: whichever is bisected first, 1% short must still be a
    def state(x: float) -> str:
        return "a" if x < 2.2 else "b" if x < 3.0 else "c"

    flip = Line(state, 1.0).nearest([2.0, 4.0])
    assert flip is not None
    assert (flip.after, round(flip.value, 1)) == ("b", 2.2)


def test_nothing_to_find() -> None:
    assert Line(lambda _: "a", 1.0).nearest(outward(1.0, 16.0, share=False)) is None
    assert outward(0.3, 0.0, share=True) == [0.25, 0.15, 0.0]


# ---------------------------------------------------------------- faces


def test_the_command_prints_text_and_json(tmp_path: Path) -> None:
    path = tmp_path / "fast.yaml"
    path.write_text(FAST)
    text = CliRunner().invoke(app, ["break-even", str(path), "--input", "link"])
    assert text.exit_code == 0
    assert "link, one port 12.5 GB/s" in " ".join(text.stdout.split())
    out = CliRunner().invoke(app, ["break-even", str(path), "--input", "link", "--json"])
    document = json.loads(out.stdout)
    assert document["schema"] == "pdplan.break-even/1"
    rows = document["classes"][0]["break_evens"]
    assert {r["input"] for r in rows} == {"link"}
    assert all(r["unit"] == "B/s" and r["now"] == 12.5e9 for r in rows)


def test_split_has_them_where_asked(report: ClassBreakEvens) -> None:
    plain = pdplan.split(fast(), verify=False)
    assert "break_evens" not in plain.document()
    assert "Break-evens" not in str(plain)
    full = replace(plain, break_evens=(report,))
    assert full.document()["break_evens"][0]["class"] == "chat"
    assert "Break-evens of chat, by formulas" in str(full)
    margin = plain.document()["verdicts"][0]["margin_p99_s"]
    split, other = plain.verdicts[0].fleet, plain.verdicts[0].colocated
    assert split is not None
    both = other.classes[0].ttft.quantile_s(0.99) - split.classes[0].ttft.quantile_s(0.99)
    assert margin["ttft"] == pytest.approx(both)


@pytest.mark.slow
def test_every_break_even_of_the_built_in_example() -> None:
    problem = assemble(builtin_scenario())
    check(problem, of_class(problem))


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_break_even_of_the_three_classes(index: int) -> None:
    problem = assemble(load_scenario(str(THREE))).only(index)
    check(problem, of_class(problem))


@pytest.mark.slow
def test_the_split_command_prints_them(tmp_path: Path) -> None:
    path = tmp_path / "fast.yaml"
    path.write_text(FAST)
    out = CliRunner().invoke(app, ["split", str(path), "--no-verify", "--break-evens", "--json"])
    found = json.loads(out.stdout)["break_evens"][0]
    assert (found["class"], found["by"], len(found["break_evens"])) == ("chat", "formulas", 15)


@pytest.mark.slow
def test_some_break_evens_of_the_built_in_example_and_of_code() -> None:
    problem = assemble(builtin_scenario())
    check(problem, of_class(problem, ["ttft_target"]))
    code = assemble(load_scenario(str(THREE))).only(2)
    check(code, of_class(code, ["tpot_target"]))
