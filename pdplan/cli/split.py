"""`pdplan split`."""

from __future__ import annotations

import typer

from pdplan.cli.output import load, print_json, width
from pdplan.errors import EXIT_NO
from pdplan.planner import split
from pdplan.planner.note import split_note


def run(source: str | None, *, as_json: bool, overrides: tuple[str, ...], check: bool) -> None:
    """Judge every class and print; with ``check``, exit with 1 unless all should be split."""
    report = split(load(source, overrides))
    if as_json:
        print_json(report.document())
    else:
        print(split_note(report, width=width()))
    if check and not report:
        raise typer.Exit(EXIT_NO)
