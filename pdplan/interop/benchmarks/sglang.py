"""SGLang's bench_serving: one JSON object a line, old (v0.4) and new; `--output-details` adds the requests.

Latencies in ms under keys that end in ``_ms``; the arrays in s. ``concurrency`` is the mean number in flight,
``max_concurrency`` the limit. Source: SGLang, python/sglang/bench_serving.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pdplan.interop.benchmarks.client import Keys, read_entries, run_of
from pdplan.interop.benchmarks.document import Document, Entry
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.values import MS, finite
from pdplan.latency.measured import Measurements

_KEYS: Final = Keys(e2e="e2e_latency", unit="_ms", scale=MS)
_NAME: Final = "SGLang bench_serving"


def is_result(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one run."""
    client = {
        "completed",
        "duration",
        "total_input_tokens",
        "total_output_tokens_retokenized",
    } <= value.keys()
    return client and "median_ttft_ms" in value


def recognise(document: Document) -> bool:
    """Whether the first object is one run."""
    return is_result(document.first)


def read(document: Document, select: Select) -> Measurements:
    """Read the runs, one for each line."""
    entries = read_entries(document, select, is_result, _NAME)
    corrections = ["Latencies converted from ms to s."]
    runs = tuple(run_of(_with_server(entry), _KEYS, corrections) for entry in entries)
    for entry in entries:
        accepted = finite(entry.value.get("accept_length"))
        if accepted and accepted > 1:
            corrections.append(
                f"{entry.prefix}Speculative decoding yields {accepted:.3g} tokens a step: "
                "TPOT is not a step time."
            )
    server = entries[0].value.get("server_info")
    server = server if isinstance(server, dict) else {}
    return Measurements(
        tool=_NAME,
        source=document.source,
        runs=runs,
        model=str(server["model_path"]) if server.get("model_path") else None,
        engine=" ".join(str(x) for x in (entries[0].value.get("backend"), server.get("version")) if x)
        or None,
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _with_server(entry: Entry) -> Entry:
    """Lift the server's degrees of parallelism beside the results."""
    server = entry.value.get("server_info")
    if not isinstance(server, dict):
        return entry
    lifted = {key: server[key] for key in ("tp_size", "pp_size") if key in server}
    return Entry({**lifted, **entry.value}, entry.where, entry.prefix)


READER: Final = Reader(
    _NAME, "JSON lines with completed, median_ttft_ms, total_output_tokens_retokenized", recognise, read
)
