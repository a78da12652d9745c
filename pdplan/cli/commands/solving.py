"""The command that runs formulas backwards."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, SetOption


def solve(
    quantity: Annotated[
        str | None,
        typer.Argument(
            help="A quantity of the plan (ttft.p99), or a formula (mean_ttft). Default: list formulas.",
            show_default=False,
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="Scenario file, or - for standard input.", show_default=False
        ),
    ] = None,
    unknown: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="SYMBOL",
            help="What to solve for: rate, link.bandwidth, an argument or a symbol.",
            show_default=False,
        ),
    ] = None,
    equals: Annotated[
        str | None,
        typer.Option(
            "--equals",
            metavar="VALUE",
            help="What the quantity is to be, with its unit. Default: its limit, else its own value.",
            show_default=False,
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--given",
            metavar="NAME=VALUE",
            help="A number of a formula, e.g. service_s='200 ms'. Repeatable.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Run a formula backwards: what an input must be for a quantity to be what you ask."""
    import pdplan.cli.solve as face

    face.run(
        quantity,
        scenario,
        unknown=unknown,
        equals=equals,
        given=tuple(given or ()),
        as_json=json,
        overrides=tuple(set_ or ()),
    )
