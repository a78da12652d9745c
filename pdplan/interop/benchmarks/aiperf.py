"""AIPerf's profile_export_aiperf.json: metrics with their units, ms for latencies."""

from __future__ import annotations

from typing import Any, Final

from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.metric_blocks import blocks_of, config_of, model_of, run_of_blocks
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import finite
from pdplan.latency.measured import Measurements

_NAME: Final = "AIPerf JSON"
_OWN: Final = {"aiperf_version", "was_cancelled", "error_summary"}


def recognise(document: Document) -> bool:
    """Whether metrics and AIPerf's own keys are there."""
    first = document.first
    return "request_latency" in blocks_of(first) and bool(_OWN & first.keys())


def read(document: Document, select: Select) -> Measurements:
    """Read the run.

    Raises
    ------
    InputError
        Several objects, or a report that is not whole.
    """
    value = document.only
    config = config_of(value)
    corrections: list[str] = []
    if value.get("was_cancelled"):
        corrections.append("The benchmark was cancelled before its end.")
    run = run_of_blocks(
        blocks_of(value), config, document.entries[0].where, corrections, failed=_errors(value)
    )
    version = value.get("aiperf_version")
    return Measurements(
        tool="AIPerf" + (f" {version}" if version else ""),
        source=document.source,
        runs=(run,),
        model=model_of(config),
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _errors(value: dict[str, Any]) -> int:
    """Return how many requests failed, from the metric or the summary of errors."""
    block = value.get("error_request_count")
    if isinstance(block, dict):
        return int(finite(block.get("avg")) or 0)
    summary = value.get("error_summary")
    counts = (
        [finite(e.get("count")) for e in summary if isinstance(e, dict)] if isinstance(summary, list) else []
    )
    return int(sum(count or 0 for count in counts))


READER: Final = Reader(
    _NAME, "JSON with request_latency {unit, avg, p50} and aiperf_version", recognise, read
)
