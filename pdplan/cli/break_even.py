"""`pdplan break-even`."""

from __future__ import annotations

import sys

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
    scenario = load(source, overrides)
    announce_search(len(classes or scenario.classes), len(inputs or NAMES))
    report = break_evens(scenario, inputs=inputs or NAMES, classes=classes)
    if as_json:
        print_json(report.document())
    else:
        print(break_even_note(report, width=width()))


def announce_search(classes: int, inputs: int) -> None:
    """Say on standard error that both fleets are sized many times over."""
    seconds = max(5, round(20 * classes * inputs / len(NAMES)))
    print(f"pdplan: both fleets are sized again at every step, about {seconds} s", file=sys.stderr)
