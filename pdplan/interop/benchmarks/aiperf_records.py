"""AIPerf's profile_export.jsonl: one JSON object a line, the metrics of one request.

Requests of the warm-up, failed and cancelled ones are left out. Times carry their unit; stamps are in ns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.one_by_one import from_start, run_of_requests, served_request
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import SECONDS, counted, need, optional
from pdplan.latency.measured import Measurements, ServedRequest

_NAME: Final = "AIPerf records"


def recognise(document: Document) -> bool:
    """Whether the first line is one request."""
    return {"metadata", "metrics"} <= document.first.keys() and "error" in document.first


def read(document: Document, select: Select) -> Measurements:
    """Read the requests as one run.

    Raises
    ------
    InputError
        A line that is not a request, or no request answered.
    """
    served, corrections = [], []
    failed = warmup = unstreamed = 0
    for entry in document.entries:
        metadata, metrics = (_section(entry, key) for key in ("metadata", "metrics"))
        if metadata.get("benchmark_phase", "profiling") != "profiling":
            warmup += 1
        elif entry.value.get("error") or metadata.get("was_cancelled"):
            failed += 1
        elif "time_to_first_token" not in metrics:
            unstreamed += 1
        else:
            served.append(_request(metadata, metrics, entry.where))
    if warmup:
        corrections.append(f"{counted(warmup, 'request')} of the warm-up left out.")
    if unstreamed:
        corrections.append(f"{counted(unstreamed, 'answer')} without a time to first token left out.")
    run = run_of_requests(from_start(served), document.source, corrections, failed=failed)
    corrections.append(
        "Means and percentiles computed from the requests; single gaps (ITL) are not in the file."
    )
    return Measurements(tool="AIPerf", source=document.source, runs=(run,), corrections=tuple(corrections))


def _request(metadata: Mapping[str, Any], metrics: Mapping[str, Any], where: str) -> ServedRequest:
    start = optional(metadata, "request_start_ns")
    return served_request(
        sent_s=None if start is None else start * 1e-9,
        prompt_tokens=_value(metrics, "input_sequence_length", where)[0],
        output_tokens=_value(metrics, "output_sequence_length", where)[0],
        ttft_s=_time(metrics, "time_to_first_token", where),
        e2e_s=_time(metrics, "request_latency", where),
        where=where,
    )


def _value(metrics: Mapping[str, Any], key: str, where: str) -> tuple[float, str]:
    """Return the number and the unit of one metric."""
    metric = metrics.get(key)
    if not isinstance(metric, dict):
        raise InputError(f"{where}: no {key}")
    return need(metric, "value", f"{where}, {key}"), str(metric.get("unit", ""))


def _time(metrics: Mapping[str, Any], key: str, where: str) -> float:
    number, unit = _value(metrics, key, where)
    if unit not in SECONDS:
        raise InputError(f"{where}: {key} is in {unit[:20]!r}: it must be one of {', '.join(SECONDS)}")
    return number * SECONDS[unit]


def _section(entry: Entry, key: str) -> dict[str, Any]:
    section = entry.value.get(key)
    if not isinstance(section, dict):
        raise InputError(f"{entry.where}: no {key}: not a request of AIPerf's records")
    return section


READER: Final = Reader(_NAME, "JSON lines with metadata, metrics, error", recognise, read)
