"""genai-perf's profile_export_genai_perf.json: metrics with their units, ms for latencies."""

from __future__ import annotations

from typing import Final

from pdplan.interop.benchmarks import aiperf
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.metric_blocks import blocks_of, config_of, model_of, run_of_blocks
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
    value = document.only
    config = config_of(value)
    corrections: list[str] = []
    run = run_of_blocks(blocks_of(value), config, document.entries[0].where, corrections)
    return Measurements(
        tool="genai-perf",
        source=document.source,
        runs=(run,),
        model=model_of(config),
        corrections=tuple(dict.fromkeys(corrections)),
    )


READER: Final = Reader(_NAME, "JSON with request_latency {unit, avg, p50} and input_config", recognise, read)
