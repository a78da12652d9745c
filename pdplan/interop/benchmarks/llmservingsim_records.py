"""LLMServingSim's record of a real vLLM run: one JSON object a line, one request each; stamps in s.

Seen from inside the engine: TTFT runs from when the request was queued, so the HTTP front is not in it.
"""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.one_by_one import from_start, run_of_requests, served_request
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import need
from pdplan.latency.measured import Measurements, ServedRequest

_NAME: Final = "LLMServingSim vLLM records"
_KEYS: Final = ("input_toks", "output_toks", "queued_ts", "first_token_ts", "last_token_ts")


def recognise(document: Document) -> bool:
    """Whether the first line is one request."""
    return set(_KEYS) <= document.first.keys()


def read(document: Document, select: Select) -> Measurements:
    """Read the requests as one run."""
    corrections = [
        "TTFT and e2e run from the stamp queued_ts: the engine's view, without the HTTP front.",
        "Means and percentiles computed from the requests; single gaps (ITL) are not in the file.",
    ]
    served = from_start([_request(entry) for entry in document.entries])
    run = run_of_requests(served, document.source, corrections)
    return Measurements(
        tool=_NAME, source=document.source, runs=(run,), engine="vllm", corrections=tuple(corrections)
    )


def _request(entry: Entry) -> ServedRequest:
    prompt, output, queued, first, last = (need(entry.value, key, entry.where) for key in _KEYS)
    if not queued <= first <= last:
        raise InputError(f"{entry.where}: stamps out of order: queued, first token, last token")
    return served_request(queued, prompt, output, first - queued, last - queued, entry.where)


READER: Final = Reader(
    _NAME, "JSON lines with input_toks, output_toks, queued_ts, first_token_ts", recognise, read
)
