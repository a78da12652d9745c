"""`pdplan validate`."""

from __future__ import annotations

import typer

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.errors import EXIT_NO
from pdplan.planner import validate
from pdplan.planner.validation_text import validation_note


def run(
    source: str | None, *, as_json: bool, overrides: tuple[str, ...], requests: int | None, seed: int
) -> None:
    """Compare formulas and simulation; exit with 1 where a formula fails its trust."""
    scenario = load(source, overrides)
    announce_compiling()
    number = {} if requests is None else {"requests": requests}
    with no_as_json("validate", as_json=as_json):
        result = validate(scenario, seed=seed, **number)
    if as_json:
        print_json(result.document())
    else:
        print(validation_note(result, width=width()))
    if not result:
        raise typer.Exit(EXIT_NO)
