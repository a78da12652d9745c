"""The `pdplan` command. Every command imports what it needs when it runs: ``--help`` stays fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pdplan._version import __version__
from pdplan.cli.options import JsonOption, NoVerifyOption, RequestsOption, ScenarioArg, SeedOption, SetOption
from pdplan.cli.profile_app import profile_app
from pdplan.cli.workload_app import workload_app
from pdplan.errors import EXIT_BUG, PdplanError

#: click's ClickException, of whichever click this typer carries: BadParameter < UsageError < ClickException.
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="pdplan",
    help="How many prefill and decode instances do you need, and should you split them at all?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
catalog_app = typer.Typer(
    help="List and show models, accelerators, links, workloads, latency profiles.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(catalog_app, name="catalog")
app.add_typer(profile_app, name="profile")
app.add_typer(workload_app, name="workload")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"pdplan {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


@app.command()
def plan(
    scenario: ScenarioArg = None,
    json: JsonOption = False,
    set_: SetOption = None,
    no_verify: NoVerifyOption = False,
    requests: RequestsOption = None,
    seed: SeedOption = 0,
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
    )


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def sensitivity(scenario: ScenarioArg = None, json: JsonOption = False, set_: SetOption = None) -> None:
    """Say how latencies and cost of the plan move with each input: elasticities and a tornado."""
    import pdplan.cli.sensitivity as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()))


@app.command("break-even")
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


@app.command()
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


@app.command()
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

    share = None if attainment is None else parse(attainment, "fraction")
    face.run(scenario, as_json=json, overrides=tuple(set_ or ()), share=share, requests=requests, seed=seed)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def explain(
    quantity: Annotated[
        str | None,
        typer.Argument(help="A quantity of the plan, e.g. ttft. Default: list them.", show_default=False),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="Scenario file, or - for standard input.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    set_: SetOption = None,
) -> None:
    """Show the working: formula, numbers substituted, value, source."""
    import pdplan.cli.explain as face

    face.run(quantity, scenario, as_json=json, overrides=tuple(set_ or ()))


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@catalog_app.command("ls")
def catalog_ls(
    kind: Annotated[
        str | None,
        typer.Argument(help="models, accelerators, links, workloads or latency.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the names in the catalog."""
    import pdplan.cli.catalog as face

    face.ls(kind, as_json=json)


@catalog_app.command("show")
def catalog_show(
    name: Annotated[str, typer.Argument(help="A name or alias.")],
    json: JsonOption = False,
) -> None:
    """Show one entry of the catalog with its sources."""
    import pdplan.cli.catalog as face

    face.show(name, as_json=json)


@app.command()
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


@app.command()
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


@app.command()
def spares(scenario: ScenarioArg = None, json: JsonOption = False, set_: SetOption = None) -> None:
    """Count the spare instances for an availability, and show what one loss does to the objectives."""
    import pdplan.cli.spares as face

    face.run(scenario, as_json=json, overrides=tuple(set_ or ()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    import pdplan.cli.schema as face

    face.run()


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 (an honest no), 2 (bad input) or 3 (a bug in pdplan)."""
    # Matrices here are small: BLAS threads cost more than they bring (must be said before numpy loads).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(guarded(lambda: app(args=argv, prog_name="pdplan", standalone_mode=False)))


def guarded(call: Callable[[], Any]) -> int:
    """Run ``call`` and turn whatever it raises into an exit code and one line on standard error."""
    try:
        result = call()
    except PdplanError as error:
        print(f"pdplan: {error}", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("pdplan: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) left: nothing to say, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, _USAGE_ERROR):
            usage: Any = error
            usage.show()
            return int(usage.exit_code)
        if os.environ.get("PDPLAN_DEBUG"):
            raise
        print(
            f"pdplan: a bug in pdplan {__version__}: {type(error).__name__}: {error}; "
            "please report it with the scenario (PDPLAN_DEBUG=1 shows the traceback)",
            file=sys.stderr,
        )
        return EXIT_BUG
    return result if isinstance(result, int) else 0
