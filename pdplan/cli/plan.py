"""`pdplan plan`."""

from __future__ import annotations

from pdplan.cli.output import load, print_json, width
from pdplan.planner import InfeasiblePlanError, plan
from pdplan.planner.note import plan_note


def run(source: str | None, *, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Plan and print."""
    scenario = load(source, overrides)
    try:
        result = plan(scenario)
    except InfeasiblePlanError as error:
        if as_json:
            print_json(error.document())
        raise
    if as_json:
        print_json(result.document())
    else:
        print(plan_note(result, width=width()))
