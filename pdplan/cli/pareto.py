"""`pdplan pareto`."""

from __future__ import annotations

import sys

from pdplan.cli.output import load, no_as_json, print_json
from pdplan.planner.pareto_frames import pareto


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    gpus: int,
    frame: str,
    output: str | None,
) -> None:
    """Find the frontiers and print them; with ``output``, write the points as well."""
    scenario = load(source, overrides)
    with no_as_json("pareto", as_json=as_json):
        found = pareto(scenario, gpus=gpus, frame=frame)
    if output is not None:
        print(f"pdplan: {len(found.points)} points in {found.to_csv(output)}", file=sys.stderr)
    if as_json:
        print_json(found.document())
    else:
        print(found)
