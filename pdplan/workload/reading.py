"""Read a trace: recognise its format, take its rows block by block, put the requests in order."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, Literal

from pdplan.errors import InputError
from pdplan.workload.assemble import assemble
from pdplan.workload.formats import UNDERSTOOD, csv_layout, json_layout, vllm_detailed
from pdplan.workload.formats.blocks import block_reader
from pdplan.workload.formats.columns import Columns
from pdplan.workload.formats.layout import Layout
from pdplan.workload.formats.rows import Row, columns_of, row_reader
from pdplan.workload.source import line_blocks, opened
from pdplan.workload.traces import Skipped, Trace

BadRows = Literal["stop", "skip"]
#: The value in a reason: rows are counted by reason without it.
_VALUE: Final = re.compile(r" is .*(?=, not )| is .*(?=: a wait)|(?<=^)\d+(?= cells)", re.DOTALL)


def read_trace(path: str | Path, *, bad_rows: BadRows = "stop") -> Trace:
    """Return the requests of a trace, in order of arrival.

    The format shows in the content, never in the name (`pdplan.workload.formats` lists them). Gzip is
    recognised by its first bytes; ``-`` is standard input.

    Parameters
    ----------
    path : str or Path
        The file, or ``-``.
    bad_rows : {"stop", "skip"}
        What to do with a row that cannot be read: stop, naming its line and the reason, or leave it out and
        count it in the trace's ``skipped``.

    Raises
    ------
    InputError
        No such file, an empty, truncated or unknown file (with the formats that are understood), a broken
        row, or no request at all.
    """
    name = "standard input" if str(path) == "-" else str(path)
    with opened(str(path)) as stream:
        blocks = line_blocks(stream)
        head = next(blocks, b"")
        while head and not head.strip() and (more := next(blocks, b"")):
            head += more
        if not head.strip():
            raise InputError(f"trace {name}: the file is empty; {_understood()}")
        _require_text(head, name)
        if head.lstrip()[:1] in (b"{", b"["):
            layout = _jsonl(head)
            if layout is None:
                return _document(b"".join(chain([head], blocks)), name)
            skipped_lines = 0
        else:
            layout, skipped_lines = _csv(head, name)
        return _rows(chain([head], blocks), layout, skipped_lines, name, bad_rows)


def _understood() -> str:
    return f"understood: {', '.join(UNDERSTOOD)}; each also as gzip"


def _require_text(head: bytes, name: str) -> None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = "\0" if error.start < len(head) - 4 else ""
    if "\0" in text:
        raise InputError(f"trace {name}: not a text file in UTF-8; {_understood()}")


def _jsonl(head: bytes) -> Layout | None:
    """Return the layout of JSON lines; None where the first line is no object of a known format."""
    keys: set[str] = set()
    for line in head.splitlines()[:200]:
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(found, dict) or vllm_detailed.is_document(found):
            break
        keys |= found.keys()
    return json_layout(frozenset(keys)) if keys else None


def _csv(head: bytes, name: str) -> tuple[Layout, int]:
    """Return the layout of a CSV file and the lines up to the end of its header."""
    lines = head.decode("utf-8", errors="replace").splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip())
    try:
        header = tuple(next(csv.reader([lines[at]])))
    except csv.Error:
        header = ()
    layout = csv_layout(header)
    if layout is None:
        raise InputError(f"trace {name}: the first line is no known trace; {_understood()}")
    if len(set(header)) != len(header):
        raise InputError(f"trace {name}: the header names a column twice: give each its own name")
    return layout, at + 1


def _document(text: bytes, name: str) -> Trace:
    """Read a file that is one JSON document."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "cannot be read"
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(
            f"trace {name}{where}: no known trace, nor one JSON document ({reason}); {_understood()}"
        ) from None
    if not vllm_detailed.is_document(found):
        raise InputError(f"trace {name}: the first line is no known trace; {_understood()}")
    try:
        columns = vllm_detailed.read_document(found)
    except (ValueError, TypeError) as error:
        raise InputError(f"trace {name}: {error} ({vllm_detailed.NAME})") from None
    layout = Layout(
        vllm_detailed.NAME,
        "jsonl",
        "input_lens",
        "output_lens",
        time=None if columns.arrival_s is None else "start_times",
        failures="failed requests",
    )
    return assemble([columns], layout, name, ())


def _rows(blocks: Iterator[bytes], layout: Layout, header_lines: int, name: str, bad_rows: BadRows) -> Trace:
    """Read block after block; a block that pyarrow does not take whole is read line by line."""
    parts: list[Columns] = []
    skipped: dict[str, Skipped] = {}
    on_bad = _counting(skipped) if bad_rows == "skip" else _stopping(name, layout)
    fast, row = None, row_reader(layout)
    lines_before = 0
    for block in blocks:
        lines = block.count(b"\n")
        if lines_before == 0 and header_lines:
            block = _without_lines(block, header_lines)
            lines_before, lines = header_lines, lines - header_lines
        if fast is None and block:
            fast = block_reader(layout, block.split(b"\n", 1)[0])
        columns = fast(block) if fast is not None and block else None
        if columns is None:
            columns = columns_of(list(_read_lines(block, lines_before, row, on_bad)), layout)
        parts.append(columns)
        lines_before += lines
    return assemble(parts, layout, name, tuple(skipped.values()))


def _without_lines(block: bytes, lines: int) -> bytes:
    for _ in range(lines):
        block = block.partition(b"\n")[2]
    return block


def _read_lines(
    block: bytes, lines_before: int, row: Callable[[str], Row], on_bad: Callable[[int, str], None]
) -> Iterator[Row]:
    for number, raw in enumerate(block.split(b"\n"), lines_before + 1):
        if not raw.strip():
            continue
        try:
            yield row(raw.decode("utf-8").strip())
        except UnicodeDecodeError:
            on_bad(number, "not UTF-8")
        except ValueError as error:
            on_bad(number, str(error))


def _stopping(name: str, layout: Layout) -> Callable[[int, str], None]:
    def stop(line: int, reason: str) -> None:
        raise InputError(f"trace {name}, line {line}: {reason} ({layout.format})")

    return stop


def _counting(skipped: dict[str, Skipped]) -> Callable[[int, str], None]:
    def count(line: int, reason: str) -> None:
        kind = _VALUE.sub(lambda m: "" if m[0][0].isdigit() else " is", reason).replace(" is,", " is").strip()
        before = skipped.get(kind)
        skipped[kind] = Skipped(kind, 1, line) if before is None else before._replace(rows=before.rows + 1)

    return count
