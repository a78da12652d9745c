"""`pdplan schedule`."""

from __future__ import annotations

from pdplan.cli.output import load, no_as_json, print_json
from pdplan.cli.progress import progress
from pdplan.errors import InputError
from pdplan.planner.schedule import schedule
from pdplan.planner.schedule_profile import profile_of_trace, read_profile
from pdplan.units import parse


def run(
    source: str | None,
    *,
    trace: str | None,
    day: str | None,
    step: str,
    startup: str,
    hysteresis: int,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Print the schedule of a day or of a trace."""
    if (trace is None) == (day is None):
        raise InputError("give the rates over time: --day profile.yaml (or .csv), or --trace FILE")
    step_s = parse(step, "time", what="--step")
    startup_s = parse(startup, "time", what="--startup")
    if step_s <= 0:
        raise InputError(f"--step {step}: a step is longer than 0 s")
    scenario = load(source, overrides)
    profile = read_profile(day, step_s) if day is not None else profile_of_trace(str(trace), step_s)
    with no_as_json("schedule", as_json=as_json), progress("steps", profile.steps) as update:
        result = schedule(scenario, profile, startup_s=startup_s, hysteresis=hysteresis, on_progress=update)
    if as_json:
        print_json(result.document())
    else:
        print(result)
