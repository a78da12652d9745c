"""Commands that show or write what a plan rests on: its working, its deployment, the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, NoVerifyOption, RequestsOption, ScenarioArg, SeedOption, SetOption


def explain(
    quantity: Annotated[
        str | None,
        typer.Argument(
            help="A quantity of the plan, e.g. ttft or cost.per_hour. Default: list them.", show_default=False
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="Scenario file, or - for standard input.", show_default=False
        ),
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="List names, values and titles only.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX (amsmath).")] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page.", show_default=False),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
) -> None:
    """Show the working: formulas, numbers put in, value, trust, source; residuals of what is computed."""
    import pdplan.cli.explain as face

    face.run(
        quantity,
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        names=names,
        latex=latex,
        html=html,
        verify=not no_verify,
    )


def export(
    scenario: ScenarioArg = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="dynamo, llm-d, vllm, sglang or llmservingsim.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File, or folder for several. Default: the terminal.",
            show_default=False,
        ),
    ] = None,
    colocated: Annotated[
        bool | None,
        typer.Option(
            "--colocated/--split",
            help="Which fleet to write. Default: as the verdicts say.",
            show_default=False,
        ),
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option(
            "--model-id",
            metavar="ID",
            help="Hugging Face id or path of a checkpoint in the planned dtype. Default: the catalog's.",
            show_default=False,
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="NAME", help="Kubernetes namespace.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Write the deployment that the plan describes: manifests or commands to start it."""
    import pdplan.cli.export as face

    face.run(
        scenario,
        to=to,
        output=output,
        colocated=colocated,
        model_id=model_id,
        namespace=namespace,
        force=force,
        as_json=json,
        overrides=tuple(set_ or ()),
        verify=not no_verify,
        requests=requests,
        seed=seed,
    )


def schema() -> None:
    """Print the JSON Schema of scenario files."""
    import pdplan.cli.schema as face

    face.run()
