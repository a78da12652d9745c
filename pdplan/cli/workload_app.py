"""`pdplan workload`: traces described, made workloads, and made up."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, SeedOption

workload_app = typer.Typer(
    help="Describe request traces, import them as workloads, generate synthetic ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TraceArg = Annotated[
    str,
    typer.Argument(
        metavar="TRACE",
        help="A trace of any format that is understood, plain or gzip; - for standard input.",
        show_default=False,
    ),
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out rows that cannot be read, and count them.")
]


@workload_app.command("describe")
def describe(
    trace: TraceArg,
    window: Annotated[str, typer.Option("--window", metavar="TIME", help="Window of the rates.")] = "60 s",
    cache: Annotated[
        str | None,
        typer.Option(
            "--cache",
            "--cache-tokens",
            metavar="TOKENS",
            help="Prefix reuse in a cache of this size too, e.g. '2 M tok' or '4000 blocks'.",
            show_default=False,
        ),
    ] = None,
    skip_bad_rows: SkipOption = False,
    json: JsonOption = False,
) -> None:
    """Say what a trace holds: rates, bursts, lengths, classes, prefix reuse."""
    import pdplan.cli.workload as face

    face.describe(trace, window=window, cache=cache, skip_bad_rows=skip_bad_rows, as_json=json)


@workload_app.command("import")
def import_trace(
    trace: TraceArg,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the workload here (YAML). Default: standard output.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the workload. Default: the file's.", show_default=False),
    ] = None,
    skip_bad_rows: SkipOption = False,
) -> None:
    """Make a workload of a trace: quantile tables of its lengths, its arrivals, its prefix reuse."""
    import pdplan.cli.workload as face

    face.import_trace(trace, output=output, name=name, skip_bad_rows=skip_bad_rows)


@workload_app.command("generate")
def generate(
    workload: Annotated[
        str,
        typer.Argument(
            metavar="WORKLOAD",
            help="A name of the catalog, a workload file, or a trace to resample.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the trace here (.csv or .jsonl). Default: standard output.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate",
            metavar="RATE",
            help="Mean rate, e.g. '8 req/s'. Default: the workload's.",
            show_default=False,
        ),
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option("--requests", min=1, max=100_000_000, help="How many.", show_default=False),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option("--duration", metavar="TIME", help="Time to fill, e.g. '1 h'.", show_default=False),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv, jsonl, mooncake or llmservingsim. Default: by the file's ending.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Make up a trace: lengths and arrivals drawn from a workload, or resampled from a trace."""
    import pdplan.cli.workload as face

    face.generate(
        workload,
        output=output,
        rate=rate,
        requests=requests,
        duration=duration,
        trace_format=format_,
        seed=seed,
    )
