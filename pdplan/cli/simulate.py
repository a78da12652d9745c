"""`pdplan simulate`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json
from pdplan.cli.progress import progress
from pdplan.errors import InputError
from pdplan.interop.llmservingsim import (
    ClusterFleet,
    build_fleet,
    interval_text,
    read_cluster_config,
    read_dataset,
    request_rows,
    serve_trace,
    write_requests_csv,
)
from pdplan.planner import simulate
from pdplan.sim.cluster import ClusterRun, Interval


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    requests: int | None,
    seed: int,
    output: str | None,
) -> None:
    """Simulate the scenario's fleet (the stated one, else the cheapest) under its traffic."""
    path = None if output is None else _writable(output)
    scenario = load(source, overrides)
    announce_compiling()
    number = requests or 100_000
    with no_as_json("simulate", as_json=as_json), progress("simulating", number) as told:
        result = simulate(scenario, requests=number, seed=seed, on_progress=told)
    if path is not None:
        _make_folder(path)
        with progress(f"writing {path.name}", number) as told:
            if path.suffix == ".json":
                result.to_json(path)
            else:
                (result.to_csv if path.suffix == ".csv" else result.to_parquet)(path, on_progress=told)
    if as_json:
        print_json({"schema": "pdplan.simulate/1", "seed": seed, **result.document()})
        return
    print(result)
    if output is not None:
        print(f"wrote {output}")


def _writable(output: str) -> Path:
    """Refuse, before any work, a file of a kind that is not written."""
    path = Path(output)
    if path.suffix not in (".csv", ".parquet", ".json"):
        raise InputError(f"--output is {output}: its name must end in .csv, .parquet or .json")
    if path.is_dir():
        raise InputError(f"--output is {output}: that is a folder: give the name of a file")
    return path


def _make_folder(path: Path) -> None:
    """Make the folder of a file, as LLMServingSim does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: the folder {path.parent} cannot be made: {error.strerror}") from None


def run_cluster_config(
    cluster_config: str,
    *,
    dataset: str | None,
    dtype: str | None,
    block_size: int,
    output: str | None,
    log_interval: float,
) -> None:
    """Serve a dataset on the cluster of an LLMServingSim config: log lines, a summary, a CSV."""
    if dataset is None:
        raise InputError("--cluster-config needs --dataset: a JSONL file with one request a line")
    fleet = build_fleet(read_cluster_config(cluster_config), dtype=dtype, block_tokens=block_size)
    trace = read_dataset(dataset)
    for i, (instance, source) in enumerate(zip(fleet.instances, fleet.step_sources, strict=True)):
        room = f"{instance.kv_capacity_tokens:,} tokens of KV"
        print(f"pdplan: instance {i} ({instance.role}): {source}; {room}", file=sys.stderr)
    if trace.has_token_ids:
        print("pdplan: input_tok_ids are not used: prefix caching is not modelled here", file=sys.stderr)
    roles = [i.role for i in fleet.instances]

    def log(interval: Interval) -> None:
        print(interval_text(interval, roles, fleet.memory_bytes(interval.kv_tokens)), flush=True)

    run = serve_trace(fleet, trace, interval_s=log_interval, on_interval=log)
    print(_summary(fleet, run))
    if output is not None:
        model_name = fleet.config.instances[0].model_name
        write_requests_csv(output, request_rows(run, model_name, trace.arrival_ns))
        print(f"wrote {output}")


def _summary(fleet: ClusterFleet, run: ClusterRun) -> str:
    """The run in a few lines."""
    seconds = float(run.end_s.max() - run.arrival_s.min())
    prompts, outputs = int(run.prompt_tokens.sum()), int(run.output_tokens.sum())
    lines = [
        f"{len(run.arrival_s)} requests in {seconds:.1f} s: {prompts:,} prompt and {outputs:,} output tokens "
        f"({prompts / seconds:,.0f} and {outputs / seconds:,.0f} tok/s)",
        f"TTFT {_spread(run.ttft_s)}: the first token comes from prefill, no transfer in it",
    ]
    if len(run.tpot_s):
        lines.append(f"TPOT {_spread(run.tpot_s)}")
    if run.moved.any():
        wait = (run.kv_ready_s - run.first_token_s)[run.moved]
        lines.append(f"KV   {_spread(wait)} from the first token to the decode instance, once a request")
    peaks = ", ".join(
        f"{peak:,} of {i.kv_capacity_tokens:,}"
        for peak, i in zip(run.peak_kv_tokens, fleet.instances, strict=True)
    )
    lines.append(f"peak KV tokens of each instance: {peaks}; preemptions: {run.preemptions}")
    lines.append("simulated, a replay: what happened to these requests, transients and all")
    return "\n".join(lines)


def _spread(values_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """Mean and percentiles in ms."""
    p50, p90, p99 = np.quantile(values_s, (0.5, 0.9, 0.99)) * 1e3
    return f"mean {values_s.mean() * 1e3:.1f}, p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f} ms"
