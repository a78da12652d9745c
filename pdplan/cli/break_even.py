"""`pdplan break-even`."""

from __future__ import annotations

from pdplan.cli.output import load, print_json, width
from pdplan.planner.break_even import NAMES, break_evens
from pdplan.planner.break_even_text import break_even_note


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    inputs: tuple[str, ...],
    classes: tuple[str, ...],
) -> None:
    """Find the break-evens asked for and print them."""
    report = break_evens(load(source, overrides), inputs=inputs or NAMES, classes=classes)
    if as_json:
        print_json(report.document())
    else:
        print(break_even_note(report, width=width()))
