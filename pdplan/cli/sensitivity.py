"""`pdplan sensitivity`."""

from __future__ import annotations

from pdplan.cli.output import load, print_json, width
from pdplan.planner.sensitivity_report import sensitivity
from pdplan.planner.sensitivity_text import sensitivity_note


def run(source: str | None, *, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Say how the plan moves with its inputs and print it."""
    found = sensitivity(load(source, overrides))
    if as_json:
        print_json(found.document())
    else:
        print(sensitivity_note(found, width=width()))
