"""`pdplan designs`."""

from __future__ import annotations

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.planner.designs_note import designs_note
from pdplan.planner.designs_search import designs


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    verify: bool,
    requests: int | None,
    seed: int,
) -> None:
    """Rank the ways to build the fleet and print them."""
    scenario = load(source, overrides)
    if verify:
        announce_compiling("kernel_pd", "kernel_colocated")
    with no_as_json("designs", as_json=as_json):
        report = designs(scenario, verify=verify, requests=requests, seed=seed)
    if as_json:
        print_json(report.document())
    else:
        print(designs_note(report, width=width()))
