"""`pdplan doubt`."""

from __future__ import annotations

import typer

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.errors import EXIT_NO
from pdplan.planner.doubt_report import doubt
from pdplan.planner.doubt_text import doubt_text
from pdplan.units import parse


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    samples: int,
    confidence: str,
    seed: int,
) -> None:
    """Judge the fleet of a scenario under doubt and print; exit with 1 if no fleet is sure enough."""
    wanted = parse(confidence, "fraction", what="--confidence")
    scenario = load(source, overrides)
    with no_as_json("doubt", as_json=as_json):
        report = doubt(scenario, samples=samples, confidence=wanted, seed=seed)
    if as_json:
        print_json(report.document())
    else:
        print(doubt_text(report, width=width()))
    if not report:
        raise typer.Exit(EXIT_NO)
