"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

ScenarioArg = Annotated[
    str | None,
    typer.Argument(
        metavar="SCENARIO",
        help="Scenario file (YAML), or - for standard input. Default: the built-in example.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a scenario field, e.g. classes.chat.rate='10 req/s'. Repeatable.",
        show_default=False,
    ),
]

BriefOption = Annotated[
    bool,
    typer.Option(
        "--brief",
        help="The plan alone: leave out runner-up, break-evens, sensitivity, doubt and spares.",
    ),
]
RequestsOption = Annotated[
    int | None,
    typer.Option("--requests", min=1000, max=50_000_000, help="Requests to simulate.", show_default=False),
]
NoVerifyOption = Annotated[
    bool, typer.Option("--no-verify", help="Formulas alone: check and settle nothing by simulation.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random streams.")]
