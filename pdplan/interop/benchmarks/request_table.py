"""Plain CSV of requests: one row for each request that a client saw.

Columns: ``prompt_tokens`` (or ``prompt_len``) and ``output_tokens`` (or ``output_len``) [tok], ``ttft_ms``
(or ``_s``), ``e2e_ms`` (or ``latency_ms``, or with ``_s``), and as they are known ``arrival_s`` and ``run``,
which tells the runs of one file apart. The layout of DistServe's published runs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.one_by_one import from_start, run_of_requests, served_request
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.table import Record, has_time, last_line_open, records, unit_sentence
from pdplan.latency.measured import Measurements, ServedRequest


def recognise(document: Document) -> bool:
    """Whether the header has the lengths and times of single requests."""
    header = document.header
    prompt = "prompt_tokens" in header or "prompt_len" in header
    output = "output_tokens" in header or "output_len" in header
    return (
        prompt
        and output
        and has_time(header, "ttft")
        and (has_time(header, "e2e") or has_time(header, "latency"))
    )


def read(document: Document, select: Select) -> Measurements:
    """Read the requests, run by run.

    Raises
    ------
    InputError
        A broken row, or several systems and no choice.
    """
    rows = choose(records(document), Record.system, select, document.source)
    corrections = unit_sentence(document.header, "ttft", "e2e", "latency") + last_line_open(document)
    corrections.append("TPOT computed as (e2e - TTFT)/(tokens - 1); single gaps (ITL) are not in the file.")
    by_run: dict[str, list[ServedRequest]] = defaultdict(list)
    for row in rows:
        by_run[row.text("run")].append(_request(row))
    source, model, accelerator, engine = rows[0].system()
    return Measurements(
        tool="plain CSV of requests" + (f" ({source})" if source else ""),
        source=document.source,
        runs=tuple(
            run_of_requests(from_start(served), document.source, corrections, label=label)
            for label, served in by_run.items()
        ),
        model=model or None,
        accelerator=accelerator or None,
        engine=engine or None,
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _request(row: Record) -> ServedRequest:
    ttft = row.seconds("ttft")
    e2e = row.seconds("e2e") or row.seconds("latency")
    if ttft is None or e2e is None:
        raise InputError(f"{row.where}: no time: fill ttft_ms and e2e_ms (or _s)")
    return served_request(
        sent_s=row.number("arrival_s"),
        prompt_tokens=row.need("prompt_tokens", "prompt_len"),
        output_tokens=row.need("output_tokens", "output_len", least=1),
        ttft_s=ttft,
        e2e_s=e2e,
        where=row.where,
    )


READER: Final = Reader(
    "plain CSV of requests", "columns prompt_tokens, output_tokens, ttft_ms, e2e_ms", recognise, read
)
