"""One file of measurements, opened once: JSON objects, rows of a CSV, or the arrays of an npz."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from pdplan.errors import InputError

_ZIP: Final = b"PK\x03\x04"
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = "\ufeff"
_DELIMITERS: Final = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Entry:
    """One JSON object, where it stands (file:line), and what sentences about it begin with."""

    value: dict[str, Any]
    where: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a CSV and its number."""

    cells: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Document:
    """The bytes of a file; each view is made when it is first asked for.

    Parameters
    ----------
    source : str
        The file, as errors name it.
    data : bytes
        Its content, unpacked where it was gzip.
    """

    source: str
    data: bytes

    @cached_property
    def text(self) -> str:
        """The content as text without a byte-order mark; empty for an npz."""
        if self.is_npz:
            return ""
        try:
            text = self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.source}: is neither text nor an npz: byte {error.start} is not UTF-8"
            ) from None
        if "\x00" in text:
            raise InputError(f"{self.source}: is neither text nor an npz: byte {text.index(chr(0))} is 0")
        return text.removeprefix(_BOM)

    @property
    def is_npz(self) -> bool:
        """Whether the content is a zip archive, as numpy writes npz."""
        return self.data.startswith(_ZIP)

    @property
    def is_json(self) -> bool:
        """Whether the content begins like JSON."""
        return self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The JSON objects: one, several one after another, one a line, or the items of one array.

        Raises
        ------
        InputError
            Not JSON, cut off, or not objects; with line and column.
        """
        found = _objects(self.text, self.source) if self.is_json else []
        if len(found) == 1:
            return tuple(found)
        return tuple(Entry(e.value, e.where, f"Run {n}: ") for n, e in enumerate(found, start=1))

    @property
    def first(self) -> dict[str, Any]:
        """The first JSON object; empty where there is none."""
        return self.entries[0].value if self.entries else {}

    @property
    def only(self) -> dict[str, Any]:
        """The first JSON object of a file that holds one report.

        Raises
        ------
        InputError
            It holds several.
        """
        if len(self.entries) > 1:
            raise InputError(f"{self.source}: holds {len(self.entries)} reports: give each its own file")
        return self.first

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The lines of a CSV that are neither empty nor comments (#); none where the content is not one."""
        if self.is_npz or self.is_json:
            return ()
        lines = self.text.splitlines()
        head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        delimiter = max(_DELIMITERS, key=head.count)
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=delimiter)
        try:
            return tuple(
                Row(tuple(cell.strip() for cell in cells), reader.line_num)
                for cells in reader
                if any(cell.strip() for cell in cells) and not cells[0].startswith("#")
            )
        except csv.Error as error:
            raise InputError(f"{self.source}:{reader.line_num}: not a CSV line ({error})") from None

    @property
    def header(self) -> tuple[str, ...]:
        """The names in the first row; none where the content is not a CSV."""
        return self.rows[0].cells if self.rows else ()

    @cached_property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of an npz by name; none where the content is not one.

        Raises
        ------
        InputError
            A zip that is cut off, or that holds anything but plain arrays.
        """
        if not self.is_npz:
            return {}
        try:
            with np.load(io.BytesIO(self.data), allow_pickle=False) as archive:
                return {name: np.asarray(archive[name]) for name in archive.files}
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{self.source}: not an npz of plain arrays, or cut off ({reason})") from None

    def describe(self) -> str:
        """What the content looks like, for an error: the names it begins with."""
        if self.is_npz:
            return f"an npz with {_names(self.arrays)}"
        if self.is_json:
            return f"JSON with {_names(self.first)}"
        return f"text with the columns {_names(self.header)}" if len(self.header) > 1 else "text, not a table"


def open_document(path: str | Path | BinaryIO) -> Document:
    """Read a file, a binary stream, or standard input (``-``); gzip is unpacked.

    Raises
    ------
    InputError
        It cannot be read, is empty, or is a gzip that is cut off.
    """
    if hasattr(path, "read"):
        return _unpacked(str(getattr(path, "name", "stream")), path.read())
    if str(path) == "-":
        return _unpacked("standard input", sys.stdin.buffer.read())
    try:
        return _unpacked(str(path), Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _unpacked(source: str, data: bytes) -> Document:
    """Return the document of some bytes."""
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{source}: a gzip that cannot be unpacked ({error})") from None
    if not data.strip():
        raise InputError(f"{source}: is empty")
    return Document(source, data)


def _objects(text: str, source: str) -> list[Entry]:
    """Parse JSON objects that follow each other."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    found: list[Entry] = []
    while True:
        start = at
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        line += text.count("\n", start, at)
        if at == len(text):
            return found
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise InputError(f"{source}: {_broken(text, error)}") from None
        except (RecursionError, ValueError) as error:
            raise InputError(f"{source}:{line}: JSON that cannot be read ({error})") from None
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items, start=1):
            where = f"{source}:{line}" + (f", item {number}" if isinstance(value, list) else "")
            if not isinstance(item, dict):
                raise InputError(f"{where}: not a JSON object")
            found.append(Entry(item, where))
        line += text.count("\n", at, end)
        at = end


def _broken(text: str, error: json.JSONDecodeError) -> str:
    """Say where JSON breaks, and whether it simply ends there."""
    place = f"line {error.lineno} column {error.colno} (character {error.pos})"
    cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated")
    return f"JSON breaks at {place}: {error.msg}" + ("; the file is cut off" if cut else "")


def _names(names: Any, limit: int = 5) -> str:
    """List the first names, shortened."""
    shown = [str(name)[:30] for name in names]
    return ", ".join(shown[:limit]) + (", ..." if len(shown) > limit else "") if shown else "nothing"
