"""Commands over time: a day of rates, a workload that changed, a fleet that runs now."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, ScenarioArg, SetOption


def schedule(
    scenario: ScenarioArg = None,
    day: Annotated[
        str | None,
        typer.Option(
            "--day", metavar="FILE", help="Rates over a day, .yaml or .csv; it repeats.", show_default=False
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="FILE", help="Rates of a trace of requests.", show_default=False),
    ] = None,
    step: Annotated[str, typer.Option("--step", metavar="TIME", help="Length of a step.")] = "1 h",
    startup: Annotated[
        str, typer.Option("--startup", metavar="TIME", help="From the order of an instance until it serves.")
    ] = "5 min",
    hysteresis: Annotated[
        int,
        typer.Option(
            "--hysteresis", metavar="N", help="Stop an instance only if it is not needed for N steps."
        ),
    ] = 2,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Size each hour of a day or a trace, and compare with a fleet that never changes."""
    import pdplan.cli.schedule as face

    face.run(
        scenario,
        day=day,
        trace=trace,
        step=step,
        startup=startup,
        hysteresis=hysteresis,
        as_json=json,
        overrides=tuple(set_ or ()),
    )


def replan(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="Scenario whose stated, else planned, fleet stands now.")
    ],
    new: Annotated[
        str | None,
        typer.Argument(
            metavar="NEW",
            help="Scenario of what comes, or a trace (.csv, .jsonl). Default: OLD with --set.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless the fleet can stay.")] = False,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Keep a fleet under a new workload, or the smallest change that restores its objectives."""
    import pdplan.cli.replan as face

    face.run(old, new, check=check, as_json=json, overrides=tuple(set_ or ()))


def observe(
    prometheus: Annotated[
        str, typer.Option("--prometheus", metavar="URL", help="The Prometheus server.", show_default=False)
    ],
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="How far back to look, e.g. 1h, 30 min.")
    ] = "1h",
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="FILE",
            help="Compare with the plan of this scenario.",
            show_default=False,
        ),
    ] = None,
    set_: SetOption = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the workload (YAML).", show_default=False),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            "--report", metavar="FILE", help="Write the comparison with the plan (JSON).", show_default=False
        ),
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="vllm, sglang or auto.")] = "auto",
    selector: Annotated[
        str,
        typer.Option(
            "--selector",
            metavar="LABELS",
            help='Which series, e.g. \'model_name="x",namespace="y"\'.',
            show_default=False,
        ),
    ] = "",
    token_file: Annotated[
        str | None,
        typer.Option(
            "--token-file", metavar="FILE", help="A bearer token for the server.", show_default=False
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="Longest wait for an answer.")
    ] = "30 s",
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if anything is not as planned.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Read live metrics of vLLM or SGLang: the workload that comes, and how far it is from the plan."""
    import pdplan.cli.observe as face

    face.run(
        prometheus,
        window=window,
        scenario=scenario,
        overrides=tuple(set_ or ()),
        output=output,
        report=report,
        engine=engine,
        selector=selector,
        token_file=token_file,
        timeout=timeout,
        check=check,
        as_json=json,
    )
