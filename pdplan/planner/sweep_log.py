"""The log of a sweep: one line for each point that is done, appended, so that a killed sweep goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pdplan.errors import InputError


def log_path(output: Path) -> Path:
    """Return the log that lies beside an output file.

    Examples
    --------
    >>> log_path(Path("results.csv")).name
    'results.csv.points.jsonl'
    """
    return output.with_name(output.name + ".points.jsonl")


def read_log(path: Path, wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of a log by key, for the keys wanted; no log: none.

    A line that a kill cut short is passed over.

    Raises
    ------
    InputError
        The file is not a log of a sweep, or cannot be read.
    """
    if not path.exists():
        return {}
    keys = set(wanted)
    found: dict[str, dict[str, Any]] = {}
    lines = good = 0
    try:
        with path.open("rb") as file:
            for line in file:
                lines += 1
                entry = _entry(line)
                if entry is None:
                    continue
                good += 1
                if entry[0] in keys:
                    found[entry[0]] = entry[1]
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if lines > 1 and good == 0:
        raise InputError(f"{path} is not a log of a sweep: move it away, or write to another file")
    return found


def _entry(line: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, Mapping):
        return None
    key, row = entry.get("key"), entry.get("row")
    return (key, row) if isinstance(key, str) and isinstance(row, dict) and "status" in row else None


class Log:
    """An open log."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def append(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Add points; they are on disk, whole, before the call returns."""
        text = "".join(
            json.dumps({"key": key, "row": row}, ensure_ascii=False, allow_nan=False) + "\n"
            for key, row in entries
        )
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_log(path: Path | None) -> Iterator[Log | None]:
    """Open a log for appending; a line that was cut short is closed first. Without a path: no log."""
    if path is None:
        yield None
        return
    try:
        file = path.open("ab+")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    with file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        yield Log(file)
