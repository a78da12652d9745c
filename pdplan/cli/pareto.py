"""`pdplan pareto`."""

from __future__ import annotations

import sys
from pathlib import Path

from pdplan.cli.output import load, no_as_json, print_json
from pdplan.errors import InputError
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
    if output is not None and Path(output).suffix != ".csv":
        raise InputError(f"--output is {output}: its name must end in .csv")
    scenario = load(source, overrides)
    with no_as_json("pareto", as_json=as_json):
        found = pareto(scenario, gpus=gpus, frame=frame)
    if output is not None:
        print(f"pdplan: {len(found.points)} points in {found.to_csv(output)}", file=sys.stderr)
    if as_json:
        print_json(found.document())
    else:
        print(found)
