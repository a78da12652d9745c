"""`pdplan goodput`."""

from __future__ import annotations

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json
from pdplan.planner.goodput_report import REQUESTS, goodput


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    share: float | None,
    requests: int | None,
    seed: int,
) -> None:
    """Find the goodput of the scenario's fleet and print it."""
    scenario = load(source, overrides)
    announce_compiling()
    with no_as_json("goodput", as_json=as_json):
        report = goodput(scenario, share=share, requests=requests or REQUESTS, seed=seed)
    if as_json:
        print_json(report.document())
    else:
        print(report)
