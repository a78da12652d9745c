"""Splitwise's table of measured batches (splitwise-sim's perf_model.csv): ms, several systems.

One row is a batch of equal requests: ``prompt_time`` of the whole batch, ``token_time`` the mean time between
tokens. Prompts of a larger batch did not run as one step, so prefill is read from rows with one request;
decode from all, at a mean context of the prompt and half of the output. Repeats become their median.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Final

from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.table import Record, last_line_open, records
from pdplan.interop.benchmarks.values import counted
from pdplan.latency.measured import DecodePoint, Measurements, PrefillPoint

_NAME: Final = "Splitwise table"
_COLUMNS: Final = {"prompt_size", "batch_size", "token_size", "prompt_time", "token_time", "tensor_parallel"}


def recognise(document: Document) -> bool:
    """Whether the header has Splitwise's columns."""
    return set(document.header) >= _COLUMNS


def read(document: Document, select: Select) -> Measurements:
    """Read the rows of one model on one accelerator.

    Raises
    ------
    InputError
        A broken row, or several systems and no choice.
    """
    rows = choose(records(document), Record.system, select, document.source)
    _, model, accelerator, _ = rows[0].system()
    prefill: dict[tuple[int, float], list[float]] = defaultdict(list)
    decode: dict[tuple[int, float, float], list[float]] = defaultdict(list)
    several = 0
    for row in rows:
        tp, batch = row.count("tensor_parallel"), row.need("batch_size", least=1)
        prompt, output = row.need("prompt_size", least=1), row.need("token_size", least=1)
        if batch == 1:
            prefill[tp, prompt].append(row.need("prompt_time", least=1e-6) * 1e-3)
        several += batch > 1
        if output > 1:
            decode[tp, batch, prompt + output / 2].append(row.need("token_time", least=1e-6) * 1e-3)
    corrections = [
        "Times converted from ms to s; the median of repeats is taken.",
        f"Prefill times of {counted(several, 'row')} with several requests left out: not one step.",
        "Context of a decode step taken as the prompt and half of the output.",
        *last_line_open(document),
    ]
    return Measurements(
        tool=_NAME,
        source=document.source,
        prefill=tuple(
            PrefillPoint(n, median(t), tp, repeats=len(t)) for (tp, n), t in sorted(prefill.items())
        ),
        decode=tuple(
            DecodePoint(batch, context, median(t), tp, repeats=len(t))
            for (tp, batch, context), t in sorted(decode.items())
        ),
        model=model or None,
        accelerator=accelerator or None,
        engine="Splitwise's vLLM (2023)",
        corrections=tuple(corrections),
    )


READER: Final = Reader(
    _NAME, "columns prompt_size, batch_size, token_size, prompt_time, token_time", recognise, read
)
