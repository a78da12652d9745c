"""LLMPerf's individual responses: an array of requests, seconds.

TPOT is computed as (end-to-end - TTFT)/(output - 1); the file's inter-token latency includes TTFT and is not
read. The file says neither when a request was sent nor how many were in flight.
"""

from __future__ import annotations

from typing import Final

from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.one_by_one import run_of_requests, served_request
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import need
from pdplan.latency.measured import Measurements

_NAME: Final = "LLMPerf individual responses"
_KEYS: Final = {"ttft_s", "end_to_end_latency_s", "number_input_tokens", "number_output_tokens"}


def recognise(document: Document) -> bool:
    """Whether the first object is a response, or a failed one."""
    return document.first.keys() >= _KEYS or {"error_code", "error_msg", "ttft_s"} <= document.first.keys()


def read(document: Document, select: Select) -> Measurements:
    """Read the responses as one run."""
    corrections = [
        "TPOT computed from end-to-end latency, TTFT and tokens: the inter-token latency includes TTFT."
    ]
    served, failed = [], 0
    for entry in document.entries:
        value, where = entry.value, entry.where
        if value.get("error_code") is not None:
            failed += 1
            continue
        served.append(
            served_request(
                sent_s=None,
                prompt_tokens=need(value, "number_input_tokens", where),
                output_tokens=need(value, "number_output_tokens", where),
                ttft_s=need(value, "ttft_s", where),
                e2e_s=need(value, "end_to_end_latency_s", where),
                where=where,
            )
        )
    run = run_of_requests(served, document.source, corrections, failed=failed)
    corrections.append("Neither the rate nor the concurrency is in the file (the summary beside it has it).")
    return Measurements(tool="LLMPerf", source=document.source, runs=(run,), corrections=tuple(corrections))


READER: Final = Reader(
    _NAME, "JSON array with ttft_s, end_to_end_latency_s, number_output_tokens", recognise, read
)
