"""GuideLLM's benchmarks.json (v0.2 to v0.8): one benchmark for each strategy that was run.

``request_latency`` is in s, everything under a name with ``_ms`` in ms. Its "time per output token" is
request latency over tokens, TTFT included, and not read. Its inter-token latency is (last token - first
token)/(tokens - 1) of each request, weighted by its tokens: the mean is that of the gaps, and mean and
percentiles are TPOT's where all outputs are equally long. Source: GuideLLM, docs/guides/metrics and
src/guidellm/schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.offered import offered_load
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import MS, counted, finite, need, need_count, optional, spread
from pdplan.latency.measured import Measurements, ServingRun, Spread

_NAME: Final = "GuideLLM"
_PERCENTILES: Final = ("p50", "p90", "p95", "p99")
_OPEN: Final = ("constant", "poisson", "async")


def recognise(document: Document) -> bool:
    """Whether there is a list of benchmarks with GuideLLM's metrics."""
    benchmarks = document.first.get("benchmarks")
    if not isinstance(benchmarks, list) or not benchmarks or not isinstance(benchmarks[0], dict):
        return False
    metrics = benchmarks[0].get("metrics")
    return isinstance(metrics, dict) and "time_to_first_token_ms" in metrics


def read(document: Document, select: Select) -> Measurements:
    """Read the benchmarks, one run each."""
    value = document.only
    corrections = [
        "TTFT and inter-token latency converted from ms to s; request latency is in s already.",
        "Time per output token includes TTFT and is not read: TPOT is from the inter-token latency.",
    ]
    runs = []
    for number, benchmark in enumerate(value["benchmarks"], start=1):
        where = f"{document.source}, benchmark {number}"
        if not isinstance(benchmark, dict):
            raise InputError(f"{where}: not a JSON object")
        runs.append(_run(benchmark, where, f"Benchmark {number}: ", corrections))
    metadata = _part(value, "metadata")
    version = metadata.get("guidellm_version")
    return Measurements(
        tool=_NAME + (f" {version}" if version else ""),
        source=document.source,
        runs=tuple(runs),
        model=_model(value),
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _run(benchmark: Mapping[str, Any], where: str, prefix: str, corrections: list[str]) -> ServingRun:
    metrics = _part(benchmark, "metrics")
    totals = _part(metrics, "request_totals")
    done = need_count(totals, "successful", f"{where}, request_totals")
    if done == 0:
        raise InputError(f"{where}: no request was answered: nothing was measured")
    incomplete = optional(totals, "incomplete") or 0
    if incomplete:
        corrections.append(f"{prefix}{counted(incomplete, 'request')} unfinished at the end: left out.")
    output = _answered(metrics, "output_token_count", where)
    gaps = _spread(metrics, "inter_token_latency_ms", MS, "TPOT", where, prefix, corrections)
    tpot, itl = gaps, Spread(mean=gaps.mean)
    if finite(output.get("std_dev")) != 0:
        tpot = itl
        corrections.append(
            f"{prefix}Answers differ in length and inter-token latency is weighted by tokens: its "
            "percentiles are left out, and its mean stands for TPOT."
        )
    e2e = _spread(metrics, "request_latency", 1.0, "e2e", where, prefix, corrections)
    throughput = need(_answered(metrics, "requests_per_second", where), "mean", where)
    strategy = _part(_part(benchmark, "config"), "strategy") or _part(_part(benchmark, "args"), "strategy")
    kind = str(strategy.get("type_", ""))
    rate, cap = _told(kind, strategy)
    in_flight = throughput * e2e.mean if e2e.mean is not None else None
    rate, concurrency = offered_load(rate, cap, in_flight, done, prefix, corrections)
    return ServingRun(
        requests=done,
        prompt_tokens=need(_answered(metrics, "prompt_token_count", where), "mean", where),
        output_tokens=need(output, "mean", where),
        duration_s=optional(benchmark, "duration"),
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=_spread(metrics, "time_to_first_token_ms", MS, "TTFT", where, prefix, corrections),
        tpot=tpot,
        itl=itl,
        e2e=e2e,
        failed=int(optional(totals, "errored") or 0),
        label=" ".join(str(x) for x in (kind, rate or concurrency) if x),
    )


def _told(kind: str, strategy: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return rate and limit on concurrency; the default limit of an open strategy plays no part."""
    if kind in _OPEN:
        return optional(strategy, "rate"), None
    if kind == "synchronous":
        return None, 1.0
    return None, optional(strategy, "streams") or optional(strategy, "max_concurrency")


def _answered(metrics: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """Return the statistics of one metric over the requests that were answered."""
    found = _part(_part(metrics, key), "successful")
    if not found:
        raise InputError(f"{where}: no {key} of the requests answered")
    return found


def _spread(
    metrics: Mapping[str, Any],
    key: str,
    scale: float,
    label: str,
    where: str,
    prefix: str,
    corrections: list[str],
) -> Spread:
    found = _answered(metrics, key, where)
    if finite(found.get("count")) == 0:
        corrections.append(f"{prefix}No {label}: the answers did not stream, or had one token.")
        return Spread()
    percentiles = _part(found, "percentiles")
    raw = {"mean": found.get("mean"), **{p: percentiles.get(p) for p in _PERCENTILES}}
    return spread(raw, scale, label, prefix, corrections)


def _model(value: Mapping[str, Any]) -> str | None:
    """Return the model of the backend, where the report says."""
    spec = _part(_part(_part(value, "config"), "spec"), "backend")
    args = _part(value, "args")
    found = spec.get("model") or args.get("model")
    return str(found) if found else None


def _part(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


READER: Final = Reader(_NAME, "JSON with benchmarks[].metrics.time_to_first_token_ms", recognise, read)
