"""Plain CSV of step times: one row for each prefill or decode step that was timed.

Columns of a prefill row: ``prompt_tokens`` [tok], ``prefill_ms`` or ``prefill_s``, and as they are known
``tp``, ``pp`` (1), ``batch`` (prompts in the step, 1), ``cached_tokens`` (0). Columns of a decode row:
``batch`` (sequences in the step), ``context_tokens`` (mean KV tokens of one sequence; may be empty) [tok],
``step_ms`` or ``step_s``, ``tp``, ``pp``. Any row may say ``source``, ``model``, ``accelerator`` (or
``gpu``), ``engine``, ``repeats`` (or ``n_rep``) and ``kv_capacity_tokens`` [tok] of one instance. A file may
hold both kinds; in a row of one kind the time of the other is empty. Lines that begin with # are comments.
"""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.table import Record, has_time, last_line_open, records, unit_sentence
from pdplan.latency.measured import DecodePoint, Measurements, PrefillPoint

COLUMNS_HELP: Final = (
    "Plain CSV: prefill rows have prompt_tokens and prefill_ms (or prefill_s), and may have tp, pp, batch, "
    "cached_tokens; decode rows have batch, context_tokens and step_ms (or step_s), and may have tp, pp. "
    "Any row may have source, model, accelerator, engine, repeats, kv_capacity_tokens."
)


def recognise(document: Document) -> bool:
    """Whether the header has the columns of prefill or of decode steps."""
    header = document.header
    prefill = "prompt_tokens" in header and has_time(header, "prefill")
    return prefill or ("batch" in header and has_time(header, "step"))


def read(document: Document, select: Select) -> Measurements:
    """Read the steps of one system.

    Raises
    ------
    InputError
        A broken row, or several systems and no choice.
    """
    rows = choose(records(document), Record.system, select, document.source)
    prefill, decode = [], []
    capacity: dict[tuple[int, int], int] = {}
    for row in rows:
        tp, pp = row.count("tp"), row.count("pp")
        times = row.seconds("prefill"), row.seconds("step")
        if times == (None, None):
            raise InputError(f"{row.where}: no time: fill prefill_ms (or _s) or step_ms (or _s)")
        if times[0] is not None:
            prefill.append(_prefill(row, times[0], tp, pp))
        if times[1] is not None:
            decode.append(_decode(row, times[1], tp, pp))
        tokens = row.number("kv_capacity_tokens", least=1)
        if tokens is not None:
            capacity[tp, pp] = int(tokens)
    source, model, accelerator, engine = rows[0].system()
    corrections = unit_sentence(document.header, "prefill", "step") + last_line_open(document)
    several = sum(point.batch > 1 for point in prefill)
    if several:
        corrections.append(
            f"{several} prefill rows have several prompts: whether they ran as one step is not known."
        )
    kinds = {row.text("kind") for row in rows}
    if any("transfer" in kind for kind in kinds):
        corrections.append("Prefill times hold the KV transfer, as the column kind says.")
    return Measurements(
        tool="plain CSV of steps" + (f" ({source})" if source else ""),
        source=document.source,
        prefill=tuple(prefill),
        decode=tuple(decode),
        model=model or None,
        accelerator=accelerator or None,
        engine=engine or None,
        kv_capacity_tokens=capacity,
        corrections=tuple(corrections),
    )


def _prefill(row: Record, seconds: float, tp: int, pp: int) -> PrefillPoint:
    tokens = row.need("prompt_tokens", least=1)
    batch = row.number("batch") or 1.0
    cached = row.number("cached_tokens") or 0.0
    if cached >= tokens:
        raise InputError(
            f"{row.where}: cached_tokens {cached:g} leave nothing of {tokens:g} prompt tokens to compute"
        )
    return PrefillPoint(tokens, seconds, tp, pp, batch, cached, row.count("repeats", "n_rep"))


def _decode(row: Record, seconds: float, tp: int, pp: int) -> DecodePoint:
    batch = row.need("batch")
    if batch == 0:
        raise InputError(f"{row.where}: batch is 0: a step holds at least one sequence")
    return DecodePoint(batch, row.number("context_tokens"), seconds, tp, pp, row.count("repeats", "n_rep"))


READER: Final = Reader(
    "plain CSV of steps",
    "columns prompt_tokens, prefill_ms or batch, context_tokens, step_ms",
    recognise,
    read,
)
