"""Formats of request traces, each recognised by its content: one small file for each.

To add one, write a file with ``NAME`` and ``recognise_csv`` (given the header) or ``recognise_json`` (given
the keys of the first object) that returns a `Layout`, and add it below; the first that recognises a file
reads it.
"""

from __future__ import annotations

from typing import Final

from pdplan.workload.formats import (
    azure,
    burstgpt,
    llmservingsim,
    mooncake,
    plain,
    qwen_bailian,
    splitwise,
    vidur,
    vllm_detailed,
)
from pdplan.workload.formats.layout import Layout

_CSV: Final = (azure, burstgpt, splitwise, vidur, plain)
_JSON: Final = (qwen_bailian, mooncake, llmservingsim, plain)

#: Names of all formats, for messages.
UNDERSTOOD: Final = (
    azure.NAME,
    mooncake.NAME,
    burstgpt.NAME,
    qwen_bailian.NAME,
    llmservingsim.NAME,
    splitwise.NAME,
    vidur.NAME,
    vllm_detailed.NAME,
    plain.NAME,
)


def csv_layout(header: tuple[str, ...]) -> Layout | None:
    """Return the layout of a CSV file with this header, None where no format has it.

    Examples
    --------
    >>> csv_layout(("arrived_at", "num_prefill_tokens", "num_decode_tokens")).format
    'Vidur CSV'
    >>> csv_layout(("a", "b")) is None
    True
    """
    return next((found for f in _CSV if (found := f.recognise_csv(header)) is not None), None)


def json_layout(keys: frozenset[str]) -> Layout | None:
    """Return the layout of a JSONL file whose first object has these keys, None where no format has them.

    Examples
    --------
    >>> json_layout(frozenset({"input_toks", "output_toks", "arrival_time_ns"})).format
    'LLMServingSim JSONL'
    """
    return next((found for f in _JSON if (found := f.recognise_json(keys)) is not None), None)
