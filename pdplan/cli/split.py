"""`pdplan split`."""

from __future__ import annotations

import typer

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, print_json, width
from pdplan.errors import EXIT_NO
from pdplan.planner import split
from pdplan.planner.split_text import split_note


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    check: bool,
    verify: bool,
    requests: int | None,
    seed: int,
    break_evens: bool,
) -> None:
    """Judge every class and print; with ``check``, exit with 1 unless all should be split."""
    scenario = load(source, overrides)
    if verify:
        announce_compiling("kernel_colocated")
    report = split(scenario, verify=verify, requests=requests, seed=seed)
    if break_evens:
        from pdplan.cli.break_even import announce_search
        from pdplan.planner.break_even import NAMES

        announce_search(len(scenario.classes), len(NAMES))
        report = report.with_break_evens()
    if as_json:
        print_json(report.document())
    else:
        print(split_note(report, width=width()))
    if check and not report:
        raise typer.Exit(EXIT_NO)
