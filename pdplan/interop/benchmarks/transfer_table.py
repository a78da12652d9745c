"""Plain CSV of KV transfers: one row for each that was timed.

Columns: ``payload_bytes`` (or ``kv_mb``, 1 MB = 1e6 bytes), ``transfer_ms`` (or ``_s``), and as they are
known ``prompt_tokens``, ``source``, ``model``, ``accelerator``, ``engine``.
"""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.table import Record, has_time, last_line_open, records, unit_sentence
from pdplan.latency.measured import Measurements, TransferPoint


def recognise(document: Document) -> bool:
    """Whether the header has a payload and a time of transfer."""
    header = document.header
    return has_time(header, "transfer") and ("payload_bytes" in header or "kv_mb" in header)


def read(document: Document, select: Select) -> Measurements:
    """Read the transfers of one system.

    Raises
    ------
    InputError
        A broken row, or several systems and no choice.
    """
    rows = choose(records(document), Record.system, select, document.source)
    corrections = unit_sentence(document.header, "transfer") + last_line_open(document)
    if "kv_mb" in document.header:
        corrections.append("kv_mb converted to bytes with 1 MB = 1e6 bytes.")
    if any(column.startswith("ttft") for column in document.header):
        corrections.append("TTFT beside a transfer is not read: it holds queueing and prefill.")
    source, model, accelerator, engine = rows[0].system()
    return Measurements(
        tool="plain CSV of KV transfers" + (f" ({source})" if source else ""),
        source=document.source,
        model=model or None,
        accelerator=accelerator or None,
        engine=engine or None,
        corrections=tuple(corrections),
        transfers=tuple(_transfer(row) for row in rows),
    )


def _transfer(row: Record) -> TransferPoint:
    seconds = row.seconds("transfer")
    payload = row.number("payload_bytes", least=1)
    if payload is None:
        payload = row.need("kv_mb", least=1e-6) * 1e6
    if seconds is None:
        raise InputError(f"{row.where}: no time: fill transfer_ms (or _s)")
    return TransferPoint(payload, seconds, row.number("prompt_tokens"))


READER: Final = Reader(
    "plain CSV of KV transfers", "columns payload_bytes or kv_mb, transfer_ms", recognise, read
)
