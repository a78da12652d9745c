"""`pdplan spares`."""

from __future__ import annotations

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.planner.spares_report import spares
from pdplan.planner.spares_text import spares_text


def run(source: str | None, *, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Count the spares of the scenario's fleet and print."""
    scenario = load(source, overrides)
    with no_as_json("spares", as_json=as_json):
        report = spares(scenario)
    if as_json:
        print_json(report.document())
    else:
        print(spares_text(report, width=width()))
