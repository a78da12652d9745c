"""Request traces: who arrived when, with how many tokens. One small reader for each format.

A format is recognised by the first line of the file, never by its name. To add one, write a reader and a
recogniser and add them to `FORMATS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.law import MAX_TOKENS, Array

HashIds = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests in order of arrival.

    Parameters
    ----------
    arrival_s : array, shape (n,)
        Arrival after the first request [s], non-decreasing.
    prompt_tokens, output_tokens : array, shape (n,)
        Lengths [tok], at least 1.
    hash_ids : tuple of tuples, optional
        Identity of each block of each prompt, chained from its start: equal leading blocks can be reused.
    block_tokens : int, optional
        Tokens of one such block.
    format : str
        Name of the format.
    source : str
        The file.
    """

    arrival_s: Array
    prompt_tokens: Array
    output_tokens: Array
    hash_ids: HashIds | None
    block_tokens: int | None
    format: str
    source: str

    def __len__(self) -> int:
        """Return the number of requests."""
        return int(self.arrival_s.size)


class Row(NamedTuple):
    """One request as a reader found it."""

    arrival_s: float
    prompt_tokens: object
    output_tokens: object
    hash_ids: tuple[int, ...] | None = None


class TraceFormat(NamedTuple):
    """One format: how its first line is recognised, how a line becomes a request."""

    name: str
    recognise: Callable[[str], bool]
    header_lines: int
    row: Callable[[str], Row]
    block_tokens: int | None = None


def read_trace(path: str | Path) -> Trace:
    """Return the requests of a trace file.

    Raises
    ------
    InputError
        No such file, an empty or unknown file (with the formats that are understood), or a broken row (with
        its line number and reason).
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"trace {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"trace {file}: not a text file; {_understood()}") from None
    lines = [(number, line) for number, raw in enumerate(text.splitlines(), 1) if (line := raw.strip())]
    if not lines:
        raise InputError(f"trace {file}: the file is empty; {_understood()}")
    kind = next((f for f in FORMATS if f.recognise(lines[0][1])), None)
    if kind is None:
        raise InputError(f"trace {file}: the first line is no known trace; {_understood()}")
    rows = list(_rows(kind, lines[kind.header_lines :], file))
    if not rows:
        raise InputError(f"trace {file}: a header and no requests")
    return _assembled(rows, kind, str(file))


def _understood() -> str:
    return f"understood: {', '.join(f.name for f in FORMATS)}"


def _rows(kind: TraceFormat, lines: list[tuple[int, str]], file: Path) -> Iterator[Row]:
    for number, line in lines:
        try:
            row = kind.row(line)
            yield Row(
                _finite(row.arrival_s, "arrival time"),
                _tokens(row.prompt_tokens, "prompt"),
                _tokens(row.output_tokens, "output"),
                row.hash_ids,
            )
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"trace {file}, line {number}: {reason} ({kind.name})") from None


def _assembled(rows: list[Row], kind: TraceFormat, source: str) -> Trace:
    arrival, prompt, output = (np.array([row[i] for row in rows], dtype=float) for i in range(3))
    order = np.argsort(arrival, kind="stable")
    hashes = [rows[i].hash_ids for i in order]
    known = tuple(h for h in hashes if h is not None)
    return Trace(
        arrival[order] - arrival[order[0]],
        prompt[order],
        output[order],
        known if len(known) == len(rows) else None,
        kind.block_tokens,
        kind.name,
        source,
    )


def _finite(value: Any, what: str) -> float:
    number = float(value)
    if isinstance(value, bool) or not np.isfinite(number):
        raise ValueError(f"{what} is {value!r}, not a finite number")
    return number


def _tokens(value: Any, what: str) -> float:
    if isinstance(value, bool):
        raise ValueError(f"{what} length is {value!r}, not a whole number from 1")
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not (1.0 <= number <= MAX_TOKENS and number == int(number)):
        raise ValueError(f"{what} length is {value!r}, not a whole number from 1 to {MAX_TOKENS:g}")
    return number


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _has_keys(*keys: str) -> Callable[[str], bool]:
    def recognise(line: str) -> bool:
        try:
            return set(keys) <= _fields(line).keys()
        except ValueError:
            return False

    return recognise


def _azure_row(line: str) -> Row:
    """Read a row of the Azure LLM inference dataset: TIMESTAMP,ContextTokens,GeneratedTokens."""
    cells = line.split(",")
    if len(cells) != 3:
        raise ValueError(f"{len(cells)} cells instead of 3")
    moment = datetime.fromisoformat(cells[0].strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Row(moment.timestamp(), cells[1], cells[2])


def _mooncake_row(line: str) -> Row:
    """Read a row of the Mooncake traces: milliseconds, lengths, hashes of blocks of 512 tokens."""
    fields = _fields(line)
    hashes = fields["hash_ids"]
    if not isinstance(hashes, list) or not all(type(h) is int for h in hashes):
        raise ValueError("hash_ids is not a list of whole numbers")
    milliseconds = _finite(fields["timestamp"], "timestamp")
    return Row(milliseconds / 1e3, fields["input_length"], fields["output_length"], tuple(hashes))


def _llmservingsim_row(line: str) -> Row:
    """Read a flat request of LLMServingSim: nanoseconds and lengths."""
    fields = _fields(line)
    nanoseconds = _finite(fields["arrival_time_ns"], "arrival_time_ns")
    return Row(nanoseconds / 1e9, fields["input_toks"], fields["output_toks"])


def _azure_header(line: str) -> bool:
    return line.replace(" ", "").lower() == "timestamp,contexttokens,generatedtokens"


FORMATS: Final = (
    TraceFormat("Azure LLM inference CSV", _azure_header, 1, _azure_row),
    TraceFormat(
        "Mooncake JSONL",
        _has_keys("timestamp", "input_length", "output_length", "hash_ids"),
        0,
        _mooncake_row,
        512,
    ),
    TraceFormat(
        "LLMServingSim JSONL",
        _has_keys("input_toks", "output_toks", "arrival_time_ns"),
        0,
        _llmservingsim_row,
    ),
)
