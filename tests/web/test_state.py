"""Controls and scenario agree: what a slider writes is what a scenario reads."""

from __future__ import annotations

import pytest

from pdplan import units
from pdplan.errors import InputError
from pdplan.planner.problem import assemble
from pdplan.spec.builtin import BUILTIN
from pdplan.web import scales, state
from pdplan.web.guard import read_scenario
from pdplan.web.text import scenario_yaml

SCALES = [getattr(scales, name) for name in ("RATE", "TTFT", "TPOT", "E2E", "BANDWIDTH", "TOTAL", "OVERLAP")]


POSITIONS = range(scales.STEPS + 1)


@pytest.mark.parametrize("scale", SCALES)
def test_what_a_slider_writes_reads_back(scale: scales.Scale) -> None:
    for value in map(scale.value, POSITIONS):
        assert units.parse(scale.written(value), scale.dimension) == pytest.approx(value, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("scale", [*SCALES, scales.PROMPT, scales.OUTPUT, scales.HIT])
def test_a_position_gives_itself_back(scale: scales.Scale) -> None:
    for position in POSITIONS:
        value = scale.value(position)
        # three digits and whole tokens: neighbours may share a value, never more than three steps
        assert abs(scale.position(value) - position) <= 3
        assert scale.low * 0.99 <= value <= scale.high * 1.01


@pytest.mark.parametrize("text", ["", "fast", "-1 req/s", "0 req/s", "nan", "inf req/s", "8 Gb/s", "{{7*7}}"])
def test_what_is_typed_wrong_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        scales.RATE.parsed(text)


def test_the_document_of_the_example_is_the_example() -> None:
    document = state.first_document()
    again = read_scenario(scenario_yaml(document))
    assert again.model_dump() == read_scenario(BUILTIN).model_dump()


def test_a_workload_written_out_has_the_same_lengths() -> None:
    document = state.first_document()
    written = state.lengths_written_out(document, 0)
    assert "workload" in document["classes"][0]
    assert "workload" not in written["classes"][0]
    a, b = (assemble(read_scenario(scenario_yaml(d))).demand for d in (document, written))
    assert b.mean_prompt_tokens == pytest.approx(a.mean_prompt_tokens, rel=1e-3)
    assert b.mean_output_tokens == pytest.approx(a.mean_output_tokens, rel=1e-3)


def test_stretched_lengths_have_the_mean_asked_for() -> None:
    written = state.lengths_written_out(state.first_document(), 0)
    form = written["classes"][0]["prompt_tokens"]
    before = assemble(read_scenario(scenario_yaml(written))).demand.mean_prompt_tokens
    changed = state.with_value(
        written, ("classes", 0, "prompt_tokens"), state.scaled_lengths(form, 3000 / before)
    )
    after = assemble(read_scenario(scenario_yaml(changed))).demand.mean_prompt_tokens
    assert after == pytest.approx(3000, rel=2e-3)


def test_classes_come_and_go() -> None:
    one = state.first_document()
    two = state.with_class(one)
    assert [c["name"] for c in two["classes"]] == ["chat", "class-2"]
    read_scenario(scenario_yaml(two))
    assert state.without_class(two, 1) == one
    most = one
    for _ in range(7):
        most = state.with_class(most)
    with pytest.raises(InputError, match="8 classes"):
        state.with_class(most)


def test_a_change_leaves_the_document_as_it_was() -> None:
    before = state.first_document()
    state.with_value(before, ("prefill", "prefix_hit"), "50%")
    assert before == state.first_document()
