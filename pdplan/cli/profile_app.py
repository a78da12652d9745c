"""`pdplan profile`: latency profiles from measurements, shown, compared and checked."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption

profile_app = typer.Typer(
    help="Make latency profiles from benchmark files; show, compare and check them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FilesArg = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES...",
        help="Benchmark results or tables of any tool that is understood.",
        show_default=False,
    ),
]
ProfileArg = Annotated[str, typer.Argument(help="A name of the catalog, or a YAML file.", show_default=False)]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="KEY=VALUE",
        help="Which system of a file that holds several: source, model, accelerator or engine. Repeatable.",
        show_default=False,
    ),
]
TpOption = Annotated[
    int | None,
    typer.Option(
        "--tp", min=1, help="TP of runs whose file does not say it. Default: 1.", show_default=False
    ),
]
RunsOption = Annotated[
    str | None,
    typer.Option(
        "--runs", metavar="TEXT", help="Only end-to-end runs whose label holds this.", show_default=False
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="The model's name. Default: the file's.", show_default=False)
]
AcceleratorOption = Annotated[
    str | None,
    typer.Option("--accelerator", help="The accelerator's name. Default: the file's.", show_default=False),
]


@profile_app.command("fit")
def fit(
    files: FilesArg,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the profile (YAML).", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the profile. Default: the file's.", show_default=False),
    ] = None,
    model: ModelOption = None,
    accelerator: AcceleratorOption = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="The engine. Default: the file's.", show_default=False)
    ] = None,
    weights_dtype: Annotated[str, typer.Option("--weights-dtype", help="bf16, fp16, fp8, ...")] = "not said",
    kv_dtype: Annotated[str, typer.Option("--kv-dtype", help="bf16, fp16, fp8, ...")] = "not said",
    tp: TpOption = None,
    select: SelectOption = None,
    runs: RunsOption = None,
    fleet: Annotated[
        str | None,
        typer.Option(
            "--fleet",
            metavar="nPmD",
            help="Instances behind runs that do not name them, e.g. 2P1D. Default: one colocated engine.",
            show_default=False,
        ),
    ] = None,
    steps_from: Annotated[
        str | None,
        typer.Option(
            "--steps-from",
            metavar="PROFILE",
            help="Keep the step times of this profile; take from the files' runs only what a system adds.",
            show_default=False,
        ),
    ] = None,
    chunk_tokens: Annotated[
        int, typer.Option("--chunk-tokens", min=1, help="Token budget of a step of a colocated engine.")
    ] = 2048,
    json: JsonOption = False,
) -> None:
    """Fit step times to measurements and say how good the fit is; -o writes the profile."""
    import pdplan.cli.profile as face

    face.fit(
        tuple(files),
        output=output,
        name=name,
        named={"model": model, "accelerator": accelerator, "engine": engine},
        dtypes=(weights_dtype, kv_dtype),
        tp=tp,
        select=tuple(select or ()),
        runs=runs,
        fleet=fleet,
        steps_from=steps_from,
        chunk_tokens=chunk_tokens,
        as_json=json,
    )


@profile_app.command("show")
def show(profile: ProfileArg, json: JsonOption = False) -> None:
    """Show the step times of a profile, its ranges, errors and sources."""
    import pdplan.cli.profile as face

    face.show(profile, as_json=json)


@profile_app.command("compare")
def compare(a: ProfileArg, b: ProfileArg, json: JsonOption = False) -> None:
    """Compare the step times of two profiles over what both measured."""
    import pdplan.cli.profile as face

    face.compare(a, b, as_json=json)


@profile_app.command("check")
def check(
    profile: ProfileArg,
    files: FilesArg,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="SHARE",
            help="Exit with 1 if a median error is above this, e.g. 10%.",
            show_default=False,
        ),
    ] = None,
    tp: TpOption = None,
    select: SelectOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> None:
    """Hold a profile against measurements: relative errors by kind of step and TP."""
    import pdplan.cli.profile as face
    from pdplan.units import parse

    share = None if limit is None else parse(limit, "fraction")
    wanted = tuple(select or ())
    face.check(profile, tuple(files), limit=share, tp=tp, select=wanted, runs=runs, as_json=json)
