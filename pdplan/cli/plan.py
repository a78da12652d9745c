"""`pdplan plan`."""

from __future__ import annotations

import sys

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.planner import size, verified
from pdplan.planner.note import plan_note
from pdplan.sim.compiled import is_compiled


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    verify: bool,
    requests: int | None,
    seed: int,
) -> None:
    """Plan, check by simulation, and print."""
    scenario = load(source, overrides)
    with no_as_json("plan", as_json=as_json):
        result = size(scenario)
    if verify:
        if not is_compiled():
            announce(None if as_json else plan_note(result, width=width()))
        result = verified(result, requests=requests, seed=seed)
    if as_json:
        print_json(result.document())
    else:
        print(plan_note(result, width=width()))


def announce(formulas: str | None) -> None:
    """Say that the engine is being compiled, once; people see the answer by formulas meanwhile."""
    if formulas is not None and sys.stderr.isatty():
        print(formulas, file=sys.stderr)
    print("pdplan: compiling the engine, once on this machine (10 to 20 s) ...", file=sys.stderr)
