"""`pdplan replan`."""

from __future__ import annotations

import typer

from pdplan.cli.output import load, no_as_json, print_json
from pdplan.errors import EXIT_NO, InputError
from pdplan.planner.replan import replan
from pdplan.planner.replan_trace import TRACES, with_trace


def run(old: str, new: str | None, *, check: bool, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Judge the fleet of OLD under NEW and print what to do."""
    if old == "-" and new == "-":
        raise InputError("standard input can be read once: give a file for OLD or for NEW")
    if new is None and not overrides:
        raise InputError("say what changes: a NEW scenario or trace, or --set classes.chat.rate='20 req/s'")
    standing = load(old, ())
    if new is not None and new.lower().endswith(TRACES):
        if overrides:
            raise InputError("--set changes a NEW scenario; a trace has no fields to set")
        coming = with_trace(standing, new)
    else:
        coming = load(old if new is None else new, overrides)
    with no_as_json("replan", as_json=as_json):
        result = replan(standing, coming)
    if as_json:
        print_json(result.document())
    else:
        print(result)
    if check and not result:
        raise typer.Exit(EXIT_NO)
