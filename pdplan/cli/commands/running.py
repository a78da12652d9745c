"""Commands that run a fleet: request by request, to its goodput, or at a benchmark's concurrency."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, RequestsOption, ScenarioArg, SeedOption, SetOption


def simulate(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
    cluster_config: Annotated[
        str | None,
        typer.Option(
            "--cluster-config", metavar="JSON", help="An LLMServingSim cluster config to run instead."
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="JSONL", help="Requests for --cluster-config.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Weights and KV: float16, bfloat16, float32, fp8, int8.")
    ] = None,
    block_size: Annotated[int, typer.Option("--block-size", help="Tokens of one KV block.")] = 16,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="A row for each request (.csv, .parquet), or the statistics (.json).",
        ),
    ] = None,
    log_interval: Annotated[
        float, typer.Option("--log-interval", help="Simulated seconds between two lines of log.")
    ] = 1.0,
) -> None:
    """Serve requests on a fleet, event by event."""
    import pdplan.cli.simulate as face

    if cluster_config is None:
        face.run(
            scenario,
            as_json=json,
            overrides=tuple(set_ or ()),
            requests=requests,
            seed=seed,
            output=output,
        )
        return
    if scenario is not None:
        raise typer.BadParameter("give SCENARIO or --cluster-config, not both")
    face.run_cluster_config(
        cluster_config,
        dataset=dataset,
        dtype=dtype,
        block_size=block_size,
        output=output,
        log_interval=log_interval,
    )


def goodput(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    attainment: Annotated[
        str | None,
        typer.Option(
            "--attainment",
            metavar="SHARE",
            help="Share of requests that must meet TTFT and TPOT. Default: the scenario's, else 90%.",
            show_default=False,
        ),
    ] = None,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Find the largest rate that a fleet serves within its limits, by simulation."""
    import pdplan.cli.goodput as face
    from pdplan.units import parse

    share = None if attainment is None else parse(attainment, "fraction", what="--attainment")
    face.run(scenario, as_json=json, overrides=tuple(set_ or ()), share=share, requests=requests, seed=seed)


def predict(
    scenario: ScenarioArg = None,
    concurrency: Annotated[
        str | None,
        typer.Option(
            "--concurrency",
            metavar="N[,N...]",
            help="Requests that a benchmark keeps in flight. Default: arrivals at the scenario's rate.",
            show_default=False,
        ),
    ] = None,
    output_factor: Annotated[
        float,
        typer.Option(
            "--output-factor", help="Generated over nominal output length (InferenceX-style runs: 0.9)."
        ),
    ] = 1.0,
    colocated: Annotated[
        bool, typer.Option("--colocated", help="The smallest colocated fleet instead; simulated only.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate/--no-simulate", help="Run the engine beside the formulas.")
    ] = True,
    json: JsonOption = False,
    set_: SetOption = None,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Predict what a fleet gives: at a held concurrency, or at the scenario's rate."""
    import pdplan.cli.predict as face

    face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        concurrency=concurrency,
        output_factor=output_factor,
        colocated=colocated,
        simulate=simulate,
        requests=requests,
        seed=seed,
    )
