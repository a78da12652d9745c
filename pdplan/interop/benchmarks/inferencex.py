"""InferenceX's raw result: vLLM's client summary with the latencies in s and no unit in the keys.

Its closed-loop runs draw each length between 0.8 and 1.0 of the nominal one, 0.9 on average: the lengths here
are the totals over the requests answered, never the nominal ones. Source: SemiAnalysis InferenceX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.interop.benchmarks.client import Keys, read_entries, run_of
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.latency.measured import Measurements

_KEYS: Final = Keys(e2e="e2el", unit="", scale=1.0)
_NAME: Final = "InferenceX raw result"


def is_result(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one run."""
    client = {"completed", "duration", "total_input_tokens", "total_output_tokens"} <= value.keys()
    return client and "median_ttft" in value


def recognise(document: Document) -> bool:
    """Whether the first object is one run."""
    return is_result(document.first)


def read(document: Document, select: Select) -> Measurements:
    """Read the runs of one model."""
    entries = read_entries(document, select, is_result, _NAME)
    corrections = ["Latencies are in s under keys without a unit: taken as they are."]
    runs = tuple(run_of(entry, _KEYS, corrections) for entry in entries)
    corrections.append(
        f"Lengths are those measured ({runs[0].prompt_tokens:g} in and {runs[0].output_tokens:g} out on "
        "average); a run named by nominal lengths uses 0.9 of them on average."
    )
    return Measurements(
        tool=_NAME,
        source=document.source,
        runs=runs,
        model=str(entries[0].value.get("model_id") or "") or None,
        engine=str(entries[0].value.get("backend") or "") or None,
        corrections=tuple(dict.fromkeys(corrections)),
    )


READER: Final = Reader(_NAME, "JSON with completed, duration, median_ttft, max_concurrency", recognise, read)
