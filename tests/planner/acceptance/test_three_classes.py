"""Chat, retrieval with long prompts and code: verdicts that differ, and flip where it is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

import pdplan
from pdplan.planner.break_even import of_class
from pdplan.planner.break_even_answer import BreakEven
from pdplan.planner.problem import assemble
from pdplan.planner.verdict import ClassVerdict
from pdplan.planner.verdicts import alone
from pdplan.spec.loading import load_scenario

THREE = Path(__file__).parents[3] / "scenarios" / "three-classes.yaml"
NAMES = ("chat", "rag", "code")

#: Inputs as they are written in the scenario file.
SET = {
    "rate": "classes.{name}.rate={value:.10g} req/s",
    "overlap": "overlap={value:.10g}",
    "prefix_hit": "classes.{name}.prefix_hit={value:.10g}",
}


@pytest.mark.slow
def test_verdicts_differ_between_the_classes() -> None:
    """By formulas alone, each class by itself at its objectives."""
    report = pdplan.split(load_scenario(str(THREE)), verify=False)
    reasons = {v.name: v.reason for v in report.verdicts}
    assert tuple(reasons) == NAMES
    assert len(set(reasons.values())) >= 2, reasons


@pytest.mark.slow
def test_simulated_verdicts_differ_and_none_is_left_open() -> None:
    report = pdplan.split(load_scenario(str(THREE)))
    reasons = {v.name: v.reason for v in report.verdicts}
    assert len(set(reasons.values())) >= 2, reasons


def state(v: ClassVerdict) -> str:
    if v.reason in ("split", "undetermined"):
        return v.reason
    return "neither" if v.fleet is None and v.colocated.count_low is None else "colocated"


def verdict_with(name: str, row: BreakEven, factor: float) -> str:
    """State of the class where the scenario file says so much of the printed value."""
    assert isinstance(row.value, float)
    written = SET[row.name].format(name=name, value=factor * row.value)
    problem = assemble(load_scenario(str(THREE), overrides=(written,)))
    return state(alone(problem.only(NAMES.index(name))))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_one_percent_past_a_printed_break_even_flips_through_the_file(name: str) -> None:
    problem = assemble(load_scenario(str(THREE))).only(NAMES.index(name))
    for row in of_class(problem, list(SET)).flips:
        past, short = (1.01, 0.99) if row.direction == "up" else (0.99, 1.01)
        assert verdict_with(name, row, short) == row.before, row
        assert verdict_with(name, row, past) == row.after != row.before, row
