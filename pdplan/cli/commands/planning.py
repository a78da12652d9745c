"""Commands that plan: the fleet, every design, the check by simulation, the verdict of each class."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import (
    BriefOption,
    JsonOption,
    NoVerifyOption,
    RequestsOption,
    ScenarioArg,
    SeedOption,
    SetOption,
)


def plan(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
    brief: BriefOption = False,
    report: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Also write one HTML page with reasons, plots, validation (extra plot).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Find the cheapest fleet that meets every objective, and say what binds it."""
    import pdplan.cli.plan as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        verify=not no_verify,
        requests=requests,
        seed=seed,
        brief=brief,
        report=report,
    )


def designs(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Rank every way to build the fleet: split, colocated or both, on which accelerators."""
    import pdplan.cli.designs as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        verify=not no_verify,
        requests=requests,
        seed=seed,
    )


def validate(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Hold every formula of the plan against simulation, with confidence intervals."""
    import pdplan.cli.validate as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()), requests=requests, seed=seed)


def split(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 unless every class should be split.")
    ] = False,
    break_evens: Annotated[
        bool,
        typer.Option("--break-evens", help="Say where each verdict flips, by formulas (some 20 s a class)."),
    ] = False,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Say for each class whether prefill and decode should be split, and why."""
    import pdplan.cli.split as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        check=check,
        verify=not no_verify,
        requests=requests,
        seed=seed,
        break_evens=break_evens,
    )
