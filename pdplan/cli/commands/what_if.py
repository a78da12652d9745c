"""Commands that ask what moves the plan: inputs one by one, break-evens, doubt, failures."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, ScenarioArg, SeedOption, SetOption


def sensitivity(scenario: ScenarioArg = None, json: JsonOption = False, set_: SetOption = None) -> None:
    """Say how latencies and cost of the plan move with each input: elasticities and a tornado."""
    import pdplan.cli.sensitivity as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()))


def break_even(
    scenario: ScenarioArg = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME",
            help="rate, prompt_tokens, output_tokens, link, overlap, prefix_hit, kv_dtype, ttft_target, "
            "tpot_target. Repeatable; default: all.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", metavar="NAME", help="A class. Repeatable; default: all.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Say at which rate, length, link, target and so on the verdict of each class flips."""
    import pdplan.cli.break_even as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        inputs=tuple(inputs or ()),
        classes=tuple(classes or ()),
    )


def doubt(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=16, max=1 << 20, help="Points drawn; best a power of two.")
    ] = 256,
    confidence: Annotated[
        str, typer.Option("--confidence", metavar="SHARE", help="How sure the surer fleet must be.")
    ] = "95%",
    seed: SeedOption = 0,
) -> None:
    """Say how sure the fleet is to hold when inputs are off, what drives it, and what being surer costs."""
    import pdplan.cli.doubt as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        samples=samples,
        confidence=confidence,
        seed=seed,
    )


def spares(scenario: ScenarioArg = None, json: JsonOption = False, set_: SetOption = None) -> None:
    """Count the spare instances for an availability, and show what one loss does to the objectives."""
    import pdplan.cli.spares as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()))
