"""Rows of a CSV by the name of the column, with the line in every error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document

SECONDS: Final = {"_s": 1.0, "_ms": 1e-3, "_us": 1e-6}


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its cells by column, and where it stands (file:line)."""

    cells: Mapping[str, str]
    where: str

    def text(self, *columns: str) -> str:
        """Return the first of some columns that is filled; an empty text where none is."""
        return next((self.cells[c] for c in columns if self.cells.get(c)), "")

    def number(self, *columns: str, least: float = 0.0) -> float | None:
        """Return a number; None where the cell is empty or there is no such column.

        Raises
        ------
        InputError
            Not a finite number of at least ``least``.
        """
        column = next((c for c in columns if self.cells.get(c)), None)
        if column is None:
            return None
        try:
            number = float(self.cells[column])
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < least:
            raise InputError(
                f"{self.where}: {column} is {self.cells[column][:40]!r}: it must be a finite number "
                f"of at least {least:g}"
            )
        return number

    def need(self, *columns: str, least: float = 0.0) -> float:
        """Return a number that must be there."""
        number = self.number(*columns, least=least)
        if number is None:
            raise InputError(
                f"{self.where}: {columns[0]} is empty: it must be a number of at least {least:g}"
            )
        return number

    def seconds(self, stem: str) -> float | None:
        """Return a time [s] under ``stem`` with _s, _ms or _us; it must be above 0; None where empty."""
        for ending, scale in SECONDS.items():
            number = self.number(stem + ending)
            if number == 0:
                raise InputError(f"{self.where}: {stem}{ending} is 0: it must be above 0")
            if number is not None:
                return number * scale
        return None

    def count(self, *columns: str, default: int = 1) -> int:
        """Return a whole number of at least 1."""
        number = self.number(*columns, least=1)
        if number is None:
            return default
        if number != int(number):
            raise InputError(f"{self.where}: {columns[0]} is {number:g}: it must be a whole number")
        return int(number)

    def system(self) -> tuple[str, str, str, str]:
        """Return source, model, accelerator and engine."""
        accelerator = self.text("accelerator", "gpu", "hardware")
        return self.text("source"), self.text("model"), accelerator, self.text("engine")


def records(document: Document) -> list[Record]:
    """Return the rows under the header.

    Raises
    ------
    InputError
        A column named twice, a row of another width than the header, or no row.
    """
    header, source = document.header, document.source
    double = next((name for name in header if header.count(name) > 1), None)
    if double is not None:
        raise InputError(f"{source}: two columns are named {double!r}: name each once")
    found = []
    for row in document.rows[1:]:
        if len(row.cells) != len(header):
            cut = "; the file is cut off" if row is document.rows[-1] else ""
            raise InputError(f"{source}:{row.line}: {len(row.cells)} cells under {len(header)} columns{cut}")
        found.append(Record(dict(zip(header, row.cells, strict=True)), f"{source}:{row.line}"))
    if not found:
        raise InputError(f"{source}: has a header and no rows; the file may be cut off")
    return found


def last_line_open(document: Document) -> list[str]:
    """Say where the last line has no end: a cut inside its last cell cannot be seen otherwise."""
    if document.text.endswith(("\n", "\r")):
        return []
    return ["The last line has no line end: if the file was cut off, its last value is wrong."]


def has_time(header: tuple[str, ...], stem: str) -> bool:
    """Whether a column holds this time in some unit."""
    return any(stem + ending in header for ending in SECONDS)


def unit_sentence(header: tuple[str, ...], *stems: str) -> list[str]:
    """Say which columns were converted to seconds."""
    found = [f"{s}{e}" for s in stems for e in ("_ms", "_us") if s + e in header]
    return [f"{', '.join(found)} converted to s."] if found else []
