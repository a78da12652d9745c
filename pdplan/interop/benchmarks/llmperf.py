"""LLMPerf's summary: seconds, closed loop.

Its inter-token latency is end-to-end latency over output tokens, TTFT included: mean TPOT is recomputed as
(e2e - TTFT)/(output - 1), its percentiles are left out. Source: ray-project/llmperf, token_benchmark_ray.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.offered import offered_load
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.values import mean_gap_s, need, need_count, optional, spread
from pdplan.latency.measured import Measurements, ServingRun, Spread

_NAME: Final = "LLMPerf summary"


def recognise(document: Document) -> bool:
    """Whether the first object is a summary."""
    return {"results_ttft_s_mean", "results_number_output_tokens_mean"} <= document.first.keys()


def read(document: Document, select: Select) -> Measurements:
    """Read the summary, or several of one model."""
    entries = choose(
        document.entries, lambda e: ("", str(e.value.get("model") or ""), "", ""), select, document.source
    )
    corrections = ["Latencies are in s: taken as they are."]
    runs = tuple(_run(entry, corrections) for entry in entries)
    return Measurements(
        tool="LLMPerf",
        source=document.source,
        runs=runs,
        model=str(entries[0].value.get("model") or "") or None,
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _run(entry: Entry, corrections: list[str]) -> ServingRun:
    value, where, prefix = entry.value, entry.where, entry.prefix
    done = need_count(value, "results_num_completed_requests", where)
    if done == 0:
        raise InputError(f"{where}: no request was answered: nothing was measured")
    output = need(value, "results_number_output_tokens_mean", where)
    ttft = _spread(value, "ttft_s", "TTFT", prefix, corrections)
    e2e = _spread(value, "end_to_end_latency_s", "e2e", prefix, corrections)
    mean_s = mean_gap_s(e2e.mean, ttft.mean, output)
    said = optional(value, "results_inter_token_latency_s_mean")
    if mean_s is not None:
        corrections.append(
            f"{prefix}Mean TPOT recomputed as (e2e - TTFT)/(tokens - 1) = {mean_s * 1e3:.4g} ms"
            + ("" if said is None else f": the reported {said * 1e3:.4g} ms includes TTFT")
            + "; its percentiles are left out."
        )
    per_minute = optional(value, "results_num_completed_requests_per_min")
    throughput = per_minute / 60 if per_minute else None
    in_flight = throughput * e2e.mean if throughput and e2e.mean else None
    rate, concurrency = offered_load(
        None, optional(value, "num_concurrent_requests"), in_flight, done, prefix, corrections
    )
    return ServingRun(
        requests=done,
        prompt_tokens=need(value, "results_number_input_tokens_mean", where),
        output_tokens=output,
        duration_s=done / throughput if throughput else None,
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=ttft,
        tpot=Spread(mean=mean_s),
        itl=Spread(mean=mean_s),
        e2e=e2e,
        failed=int(optional(value, "results_number_errors") or 0),
        label=str(value.get("name") or ""),
    )


def _spread(value: Mapping[str, Any], stem: str, label: str, prefix: str, corrections: list[str]) -> Spread:
    raw = {p: value.get(f"results_{stem}_quantiles_{p}") for p in ("p50", "p90", "p95", "p99")}
    return spread({"mean": value.get(f"results_{stem}_mean"), **raw}, 1.0, label, prefix, corrections)


READER: Final = Reader(
    _NAME, "JSON with results_ttft_s_mean, results_number_output_tokens_mean", recognise, read
)
