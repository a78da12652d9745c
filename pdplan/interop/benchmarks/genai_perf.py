"""genai-perf's profile_export_genai_perf.json: metrics with their units, ms for latencies."""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks import aiperf
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.metric_blocks import blocks_of, model_of, run_of_blocks
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.latency.measured import Measurements

_NAME: Final = "genai-perf JSON"


def recognise(document: Document) -> bool:
    """Whether metrics are there and none of AIPerf's own keys."""
    return "request_latency" in blocks_of(document.first) and not aiperf.recognise(document)


def read(document: Document, select: Select) -> Measurements:
    """Read the run.

    Raises
    ------
    InputError
        Several objects, or a report that is not whole.
    """
    if len(document.entries) > 1:
        raise InputError(f"{document.source}: holds {len(document.entries)} reports: give each its own file")
    config = document.first.get("input_config")
    config = config if isinstance(config, dict) else {}
    corrections: list[str] = []
    run = run_of_blocks(blocks_of(document.first), config, document.entries[0].where, corrections)
    return Measurements(
        tool="genai-perf",
        source=document.source,
        runs=(run,),
        model=model_of(config),
        corrections=tuple(dict.fromkeys(corrections)),
    )


READER: Final = Reader(_NAME, "JSON with request_latency {unit, avg, p50} and input_config", recognise, read)
