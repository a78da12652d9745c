"""inference-perf's lifecycle reports, of one stage of load or of all: seconds throughout.

Its time per output token divides by the pieces that were received, which servers split and join: the
reports that are known count two pieces for a token. Mean TPOT is therefore recomputed from mean latency, TTFT
and output tokens, and percentiles are kept only where the two means agree. Source:
kubernetes-sigs/inference-perf, docs/reports.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.offered import offered_load
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import mean_gap_s, need, need_count, optional, spread
from pdplan.latency.measured import Measurements, ServingRun, Spread

_NAME: Final = "inference-perf"
_AGREES: Final = 0.2


def recognise(document: Document) -> bool:
    """Whether the first object is a report."""
    return {"load_summary", "successes"} <= document.first.keys()


def read(document: Document, select: Select) -> Measurements:
    """Read the report, or several that follow each other."""
    corrections = ["Latencies are in s: taken as they are."]
    runs = tuple(_run(entry, corrections) for entry in document.entries)
    return Measurements(
        tool=_NAME, source=document.source, runs=runs, corrections=tuple(dict.fromkeys(corrections))
    )


def _run(entry: Entry, corrections: list[str]) -> ServingRun:
    where, prefix = entry.where, entry.prefix
    load, done = (_part(entry.value, key, where) for key in ("load_summary", "successes"))
    requests = need_count(done, "count", f"{where}, successes")
    if requests == 0:
        raise InputError(f"{where}: no request was answered: nothing was measured")
    latency = _part(done, "latency", where)
    output = need(_part(done, "output_len", where), "mean", f"{where}, output_len")
    throughput = need(_part(done, "throughput", where), "requests_per_sec", f"{where}, throughput")
    ttft, reported, gaps, e2e = (
        _spread(latency, key, label, prefix, corrections)
        for key, label in (
            ("time_to_first_token", "TTFT"),
            ("time_per_output_token", "TPOT"),
            ("inter_token_latency", "ITL"),
            ("request_latency", "e2e"),
        )
    )
    tpot, itl = _tokens_not_pieces(
        reported, gaps, mean_gap_s(e2e.mean, ttft.mean, output), prefix, corrections
    )
    rate = optional(load, "requested_rate")
    cap = optional(load, "concurrency")
    in_flight = throughput * e2e.mean if e2e.mean is not None else None
    if rate is None and cap is None:
        corrections.append(
            f"{prefix}Names no rate: a summary mixes all stages of load and is no operating point."
        )
        concurrency = None
    else:
        rate, concurrency = offered_load(rate, cap, in_flight, requests, prefix, corrections)
    return ServingRun(
        requests=requests,
        prompt_tokens=need(_part(done, "prompt_len", where), "mean", f"{where}, prompt_len"),
        output_tokens=output,
        duration_s=requests / throughput if throughput else None,
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=ttft,
        tpot=tpot,
        itl=itl,
        e2e=e2e,
        failed=int(optional(_part(entry.value, "failures", where), "count") or 0),
        label="" if rate is None else f"rate {rate:g}",
    )


def _tokens_not_pieces(
    reported: Spread, gaps: Spread, mean_s: float | None, prefix: str, corrections: list[str]
) -> tuple[Spread, Spread]:
    """Return TPOT and ITL by tokens, from what may be counted by pieces."""
    if mean_s is None or reported.mean is None:
        return Spread(), Spread()
    if abs(reported.mean / mean_s - 1) <= _AGREES:
        return reported, gaps
    corrections.append(
        f"{prefix}Mean TPOT recomputed as (latency - TTFT)/(tokens - 1) = {mean_s * 1e3:.4g} ms: the "
        f"reported {reported.mean * 1e3:.4g} ms counts {mean_s / reported.mean:.2g} pieces for each token; "
        "percentiles of TPOT and ITL are left out."
    )
    return Spread(mean=mean_s), Spread(mean=mean_s)


def _spread(latency: Mapping[str, Any], key: str, label: str, prefix: str, corrections: list[str]) -> Spread:
    found = latency.get(key)
    if not isinstance(found, dict):
        corrections.append(f"{prefix}No {label} in the report.")
        return Spread()
    raw = {"p50": found.get("median"), **{p: found.get(p) for p in ("mean", "p90", "p95", "p99")}}
    return spread(raw, 1.0, label, prefix, corrections)


def _part(value: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    part = value.get(key)
    if not isinstance(part, dict):
        raise InputError(f"{where}: no {key}: not a whole report of {_NAME}")
    return part


READER: Final = Reader(_NAME, "JSON with load_summary, successes, failures", recognise, read)
