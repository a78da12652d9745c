"""`pdplan plan`."""

from __future__ import annotations

import sys
from functools import partial

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.planner import Plan, size, verified
from pdplan.planner.note import brief_note, plan_note


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    verify: bool,
    requests: int | None,
    seed: int,
    brief: bool = False,
    report: str | None = None,
) -> None:
    """Plan, check by simulation, print, and write the report if one is asked for."""
    if report is not None:
        from pdplan.report import check_target

        check_target(report)
    scenario = load(source, overrides)
    with no_as_json("plan", as_json=as_json):
        result = size(scenario)
    if verify:
        announce_compiling(meanwhile=None if as_json else partial(brief_note, result, width=width()))
        result = verified(result, requests=requests, seed=seed)
    if as_json:
        print_json(result.document() if brief else result.full_document())
    else:
        print((brief_note if brief else plan_note)(result, width=width()))
    if report is not None:
        _write(result, report, requests, seed)


def _write(result: Plan, path: str, requests: int | None, seed: int) -> None:
    """Write the report; it simulates and plans at other rates, which takes seconds."""
    from pdplan.report import write_report

    sys.stdout.flush()
    print(f"pdplan: writing {path} ...", file=sys.stderr)
    write_report(result, path, requests=requests, seed=seed)
    print(f"pdplan: {path} is written: open it in a browser, or print it", file=sys.stderr)
