"""Commands that look over many fleets or scenarios: placement, frontiers, sweeps."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption, NoVerifyOption, RequestsOption, ScenarioArg, SeedOption, SetOption


def placement(
    scenario: ScenarioArg = None,
    affinity: Annotated[
        str,
        typer.Option(
            "--affinity",
            help="low: a prefill and a decode instance share a node. high: each phase by itself.",
        ),
    ] = "low",
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, max=64, help="Nodes that one instance may span, by PP.")
    ] = 1,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
) -> None:
    """Place instances as DistServe does: the TP and PP of both phases with the most goodput per GPU."""
    import pdplan.cli.placement as face

    code = face.run(
        scenario,
        as_json=json,
        overrides=tuple(set_ or ()),
        affinity=affinity,
        nodes=nodes,
        verify=not no_verify,
        requests=requests,
        seed=seed,
    )
    if code:
        raise typer.Exit(code)


def pareto(
    scenario: ScenarioArg = None,
    gpus: Annotated[
        int,
        typer.Option("--gpus", help="GPUs of every fleet (throughput), or of the largest (cost)."),
    ] = 16,
    frontier: Annotated[
        str,
        typer.Option(
            "--frontier",
            help="throughput: per GPU, against speed per user. cost: against p99 of TTFT.",
        ),
    ] = "throughput",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE.csv", help="Write the points as well.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Show what no other fleet beats: throughput against speed, or cost against TTFT, split and colocated."""
    import pdplan.cli.pareto as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()), gpus=gpus, frame=frontier, output=output)


def sweep(
    scenario: ScenarioArg = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="KEY=VALUES",
            help="A field and its values: a..b, a..b:n, log a..b:n, or [x, y]. Repeatable.",
            show_default=False,
        ),
    ] = None,
    latin: Annotated[
        int | None,
        typer.Option(
            "--latin", metavar="N", help="N points of a Latin hypercube, not the grid.", show_default=False
        ),
    ] = None,
    seed: SeedOption = 0,
    quantities: Annotated[
        str | None,
        typer.Option(
            "--quantities",
            metavar="WHAT",
            help="plan: the cheapest fleet. fleet: judge the stated one (default where fleet.* is swept). "
            "means: only means and loads of the stated one, thousands of points in seconds.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Rows, .csv or .parquet; a log beside it lets a killed sweep go on.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Processes. Default: one for few points, else all cores.",
            show_default=False,
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="ADDRESS", help="Work on a dask cluster, tcp://host:8786.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Plan at every point of a grid or a Latin hypercube over any fields, by formulas."""
    import pdplan.cli.sweep as face

    face.run(
        scenario,
        over=tuple(over or ()),
        latin=latin,
        seed=seed,
        quantities=quantities,
        output=output,
        workers=workers,
        dask=dask,
        as_json=json,
        overrides=tuple(set_ or ()),
    )
