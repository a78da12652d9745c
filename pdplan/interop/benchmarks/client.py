"""The summary that vLLM's, SGLang's and InferenceX's clients share: one JSON object for each run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pdplan.errors import InputError
from pdplan.interop.benchmarks.detailed import has_arrays, recomputed, requests_of
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.offered import arrival_rate, offered_load
from pdplan.interop.benchmarks.reader import Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.values import (
    compare_tpot,
    degree,
    mean_gap_s,
    need,
    need_count,
    optional,
    spread,
)
from pdplan.latency.measured import ServingRun


@dataclass(frozen=True, slots=True)
class Keys:
    """How a client names its latencies.

    Parameters
    ----------
    e2e : str
        Stem of the end-to-end latency.
    unit : str
        Ending of every latency key.
    scale : float
        Seconds in that unit [s].
    """

    e2e: str
    unit: str
    scale: float


def read_entries(
    document: Document, select: Select, is_one: Callable[[Mapping[str, Any]], bool], name: str
) -> list[Entry]:
    """Return the entries of one model, all of them results of this client.

    Raises
    ------
    InputError
        An entry that is something else, or several models and no choice.
    """
    for entry in document.entries:
        if not is_one(entry.value):
            raise InputError(f"{entry.where}: not a result of {name}, unlike the first object of the file")
    return choose(
        document.entries, lambda e: ("", str(e.value.get("model_id") or ""), "", ""), select, document.source
    )


def run_of(entry: Entry, keys: Keys, corrections: list[str]) -> ServingRun:
    """Return one run; means and percentiles come from the requests where they are there one by one."""
    value, where, prefix = entry.value, entry.where, entry.prefix
    completed = need_count(value, "completed", where)
    if completed == 0:
        raise InputError(f"{where}: no request was answered (completed is 0): nothing was measured")
    duration = need(value, "duration", where)
    throughput = optional(value, "request_throughput")
    if throughput and duration and abs(completed / duration / throughput - 1) > 0.01:
        corrections.append(
            f"{prefix}request_throughput is {throughput:g}/s, but {completed} requests in {duration:g} s are "
            f"{completed / duration:.4g}/s: kept as reported."
        )
    ttft, tpot, itl, e2e = (
        spread(_named(value, stem, keys.unit), keys.scale, label, prefix, corrections)
        for stem, label in (("ttft", "TTFT"), ("tpot", "TPOT"), ("itl", "ITL"), (keys.e2e, "e2e"))
    )
    served: tuple[Any, ...] = ()
    if has_arrays(value):
        served, gaps = requests_of(entry, corrections)
        if served:
            reported = {"TTFT": ttft.mean, "TPOT": tpot.mean}
            ttft, tpot, itl, e2e = recomputed(served, gaps, prefix, corrections)
            _compare(reported, {"TTFT": ttft.mean, "TPOT": tpot.mean}, prefix, corrections)
    if not served:
        gap = mean_gap_s(e2e.mean, ttft.mean, need(value, "total_output_tokens", where) / completed)
        compare_tpot(tpot.mean, gap, prefix, corrections)
    in_flight = None if e2e.mean is None or not throughput else e2e.mean * throughput
    rate = arrival_rate(value.get("request_rate"), where)
    if value.get("ramp_up_strategy"):
        corrections.append(f"{prefix}The rate ramps up ({value['ramp_up_strategy']}): no single rate.")
        rate = None
    cap = optional(value, "max_concurrency")
    rate, concurrency = offered_load(rate, cap, in_flight, completed, prefix, corrections)
    return ServingRun(
        requests=completed,
        prompt_tokens=need(value, "total_input_tokens", where) / completed,
        output_tokens=need(value, "total_output_tokens", where) / completed,
        duration_s=duration,
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=ttft,
        tpot=tpot,
        itl=itl,
        e2e=e2e,
        served=served,
        tp=degree(value, "tensor_parallel_size", "tp_size", "tp"),
        pp=degree(value, "pipeline_parallel_size", "pp_size", "pp"),
        failed=_failed(value, completed),
        label=_label(value),
    )


def _named(value: Mapping[str, Any], stem: str, unit: str) -> dict[str, Any]:
    """Return the raw statistics of one latency under our names."""
    found = {p: value.get(f"{p}_{stem}{unit}") for p in ("mean", "p50", "p90", "p95", "p99")}
    if found["p50"] is None:
        found["p50"] = value.get(f"median_{stem}{unit}")
    return found


def _failed(value: Mapping[str, Any], completed: int) -> int:
    """Return how many requests failed: as counted, or those sent and not answered."""
    failed = optional(value, "failed")
    if failed is None:
        failed = max(0.0, (optional(value, "num_prompts") or completed) - completed)
    return int(failed)


def _label(value: Mapping[str, Any]) -> str:
    """What tells a run from its neighbours: the tag, or the load."""
    given = value.get("tag") or value.get("label")
    if given:
        return str(given)
    cap = value.get("max_concurrency")
    return f"rate {value.get('request_rate')}" + ("" if cap is None else f", concurrency {cap}")


def _compare(
    reported: Mapping[str, float | None],
    found: Mapping[str, float | None],
    prefix: str,
    corrections: list[str],
) -> None:
    """Say where the summary and the requests disagree by more than 1%."""
    for name, said in reported.items():
        mean = found[name]
        if said and mean and abs(said / mean - 1) > 0.01:
            corrections.append(
                f"{prefix}Mean {name} is {said * 1e3:.4g} ms in the summary and {mean * 1e3:.4g} ms over "
                "the requests: the requests are taken."
            )
