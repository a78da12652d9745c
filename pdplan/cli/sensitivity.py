"""`pdplan sensitivity`."""

from __future__ import annotations

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.planner.sensitivity_report import sensitivity
from pdplan.planner.sensitivity_text import sensitivity_note


def run(source: str | None, *, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Say how the plan moves with its inputs and print it."""
    scenario = load(source, overrides)
    with no_as_json("sensitivity", as_json=as_json):
        found = sensitivity(scenario)
    if as_json:
        print_json(found.document())
    else:
        print(sensitivity_note(found, width=width()))
