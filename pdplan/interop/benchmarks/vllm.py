"""`vllm bench serve`: one JSON object for each run, appended to one file or not.

Latencies in ms under keys that end in ``_ms``; the arrays of ``--save-detailed`` in s. Its TPOT and ITL are
those of docs/nomenclature.md. Source: vLLM, vllm/benchmarks/serve.py (v0.6 to v0.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.interop.benchmarks.client import Keys, read_entries, run_of
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import MS
from pdplan.latency.measured import Measurements

_KEYS: Final = Keys(e2e="e2el", unit="_ms", scale=MS)
_NAME: Final = "vllm bench serve"


def is_result(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one run."""
    client = {"completed", "duration", "total_input_tokens", "total_output_tokens"} <= value.keys()
    latencies = any(f"{p}_ttft_ms" in value for p in ("mean", "median", "p50", "p99"))
    return client and latencies and "total_output_tokens_retokenized" not in value


def recognise(document: Document) -> bool:
    """Whether the first object is one run."""
    return is_result(document.first)


def read(document: Document, select: Select) -> Measurements:
    """Read the runs of one model."""
    entries = read_entries(document, select, is_result, _NAME)
    corrections = ["Latencies converted from ms to s."]
    runs = tuple(run_of(entry, _KEYS, corrections) for entry in entries)
    first = entries[0].value
    return Measurements(
        tool=_NAME,
        source=document.source,
        runs=runs,
        model=str(first["model_id"]) if first.get("model_id") else None,
        engine=str(first.get("backend") or first.get("endpoint_type") or "") or None,
        corrections=tuple(dict.fromkeys(corrections)),
    )


READER: Final = Reader(
    _NAME, "JSON with completed, duration, mean_ttft_ms, total_output_tokens", recognise, read
)
