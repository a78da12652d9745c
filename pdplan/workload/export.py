"""Requests written as a trace: plain CSV and JSONL, Mooncake's and LLMServingSim's JSONL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import numpy as np

from pdplan.errors import InputError, did_you_mean
from pdplan.workload.formats.mooncake import BLOCK_TOKENS
from pdplan.workload.generate import Requests

_CHUNK: Final = 100_000
Rows = Iterator[tuple[float, int, int]]


def _rows(requests: Requests) -> Rows:
    for begin in range(0, requests.arrival_s.size, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        yield from zip(
            np.round(requests.arrival_s[part], 6).tolist(),
            requests.prompt_tokens[part].tolist(),
            requests.output_tokens[part].tolist(),
            strict=True,
        )


def _csv(rows: Rows) -> Iterator[str]:
    yield "arrival_s,prompt_tokens,output_tokens\n"
    for arrival_s, prompt, output in rows:
        yield f"{arrival_s:.6f},{prompt},{output}\n"


def _jsonl(rows: Rows) -> Iterator[str]:
    for arrival_s, prompt, output in rows:
        yield _line(arrival_s=arrival_s, prompt_tokens=prompt, output_tokens=output)


def _mooncake(rows: Rows) -> Iterator[str]:
    """Whole milliseconds, as in the published traces; every block is new, so nothing can be reused."""
    block = 0
    for arrival_s, prompt, output in rows:
        blocks = -(-prompt // BLOCK_TOKENS)
        yield _line(
            timestamp=round(arrival_s * 1e3),
            input_length=prompt,
            output_length=output,
            hash_ids=list(range(block, block + blocks)),
        )
        block += blocks


def _llmservingsim(rows: Rows) -> Iterator[str]:
    for arrival_s, prompt, output in rows:
        yield _line(input_toks=prompt, output_toks=output, arrival_time_ns=round(arrival_s * 1e9))


def _line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


FORMATS: Final[dict[str, Callable[[Rows], Iterator[str]]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "mooncake": _mooncake,
    "llmservingsim": _llmservingsim,
}


def write_trace(requests: Requests, file: IO[str], trace_format: str = "csv") -> None:
    """Write requests as a trace that `read_trace` reads back.

    Parameters
    ----------
    requests : Requests
    file : text file
    trace_format : {"csv", "jsonl", "mooncake", "llmservingsim"}
        Plain CSV or JSONL in seconds and tokens; Mooncake's JSONL (milliseconds; blocks of 512 tokens, all
        different); LLMServingSim's (nanoseconds).

    Raises
    ------
    InputError
        Unknown format.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> write_trace(Requests(np.array([0.0, 1.5]), np.array([600, 20]), np.array([7, 9])), out, "mooncake")
    >>> print(out.getvalue(), end="")
    {"timestamp": 0, "input_length": 600, "output_length": 7, "hash_ids": [0, 1]}
    {"timestamp": 1500, "input_length": 20, "output_length": 9, "hash_ids": [2]}
    """
    if trace_format not in FORMATS:
        hint = did_you_mean(trace_format, FORMATS)
        raise InputError(f"format {trace_format!r} is not known{hint}; known: {', '.join(FORMATS)}")
    file.writelines(FORMATS[trace_format](_rows(requests)))
