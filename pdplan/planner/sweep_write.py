"""A sweep's rows as a table on disk: CSV or Parquet, whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.sim.result_files import whole_file

SUFFIXES: Final = (".csv", ".parquet")


def check_output(path: Path) -> None:
    """Refuse a file that could not be written at the end, before any work.

    Raises
    ------
    InputError
        Neither .csv nor .parquet, a folder, or a folder that does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: write a sweep to a .csv or a .parquet file")
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist: make it first")


def write_table(columns: Sequence[str], rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write one line for each point; what a point does not have is empty (null in Parquet)."""
    check_output(path)
    if path.suffix.lower() == ".csv":
        _write_csv(columns, rows, path)
    else:
        _write_parquet(columns, rows, path)
    return path


def _write_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]], path: Path) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(c)) for c in columns])


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _write_parquet(columns: Sequence[str], rows: Sequence[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({c: _column([row.get(c) for row in rows]) for c in columns})
    with whole_file(path) as temporary:
        parquet.write_table(table, temporary)


def _column(values: list[Any]) -> Any:
    """Return an array of one type: whole numbers, numbers, yes or no, else text."""
    import pyarrow as pa

    kinds = {type(v) for v in values if v is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else v if isinstance(v, str) else str(v) for v in values], pa.string())
