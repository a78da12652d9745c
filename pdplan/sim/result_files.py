"""A simulation's result as files: whole or not at all, and in pieces that fit in memory."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdplan.errors import InputError

if TYPE_CHECKING:
    from pdplan.sim.result import SimResult
    from pdplan.sim.watch import OnProgress

#: Requests that are formatted at once.
CHUNK = 100_000
_STATUS = np.array(["completed", "rejected", "timed_out"])
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("arrival_s", "arrival_s"),
    ("prompt_tokens", "prompt_tokens"),
    ("output_tokens", "output_tokens"),
    ("queue_s", "queue_s"),
    ("prefill_s", "prefill_s"),
    ("transfer_s", "transfer_s"),
    ("admission_s", "admission_s"),
    ("ttft_s", "ttft_s"),
    ("tpot_s", "tpot_s"),
    ("itl_worst_s", "itl_worst_s"),
    ("end_s", "end_s"),
    ("prefill_instance", "instance"),
    ("decode_instance", "decode_instance"),
)
_NEEDS_TWO = frozenset({"tpot_s", "itl_worst_s"})
_NEEDS_END = frozenset({"prefill_s", "transfer_s", "admission_s", "ttft_s", "tpot_s", "itl_worst_s"})


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour of ``path`` that takes its place at the end; on any error nothing is left.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist: make it first")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def columns(result: SimResult, begin: int, end: int) -> dict[str, tuple[Any, Any]]:
    """Return (values, which of them exist) by column, for requests ``begin`` to ``end``."""
    raw = result.raw
    piece = slice(begin, end)
    completed = raw.completed[piece]
    two = completed & (raw.output_tokens[piece] > 1)
    every = np.ones(completed.size, dtype=bool)
    names = np.array(list(result.class_names) or [""])
    ids = raw.class_id[piece]
    class_name = names[ids] if ids.max(initial=0) < names.size else ids.astype(str)
    found: dict[str, tuple[Any, Any]] = {
        "request": (np.arange(begin, begin + completed.size), every),
        "class": (class_name, every),
        "status": (_STATUS[raw.status[piece]], every),
    }
    for column, name in _COLUMNS:
        exists = two if name in _NEEDS_TWO else completed if name in _NEEDS_END else every
        found[column] = (getattr(raw, name)[piece], exists)
    return found


def write_csv(result: SimResult, path: Path, *, on_progress: OnProgress | None = None) -> Path:
    """Write one line for each request, in the order given; what a request does not have is empty."""
    total = len(result.raw.arrival_s)
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns(result, 0, 0))
        for begin in range(0, total, CHUNK):
            end = min(begin + CHUNK, total)
            _write_rows(file, writer, columns(result, begin, end))
            if on_progress is not None:
                on_progress(end)
    return path


def _write_rows(file: Any, writer: Any, made: dict[str, tuple[Any, Any]]) -> None:
    """Write rows: with one format where nothing is missing, one by one elsewhere."""
    plain = all("," not in name and '"' not in name for name in np.unique(made["class"][0]).tolist())
    values = [v for v, _ in made.values()]
    line = ",".join("%.9g" if v.dtype.kind == "f" else "%s" for v in values) + "\n"
    whole = np.logical_and.reduce([exists for _, exists in made.values()]) & plain
    texts = [v.tolist() for v in values]
    if whole.all():
        file.writelines(line % row for row in zip(*texts, strict=True))
        return
    exist = [exists.tolist() for _, exists in made.values()]
    for row, there, good in zip(
        zip(*texts, strict=True), zip(*exist, strict=True), whole.tolist(), strict=True
    ):
        if good:
            file.write(line % row)
        else:
            shown = (f"{v:.9g}" if isinstance(v, float) else v for v in row)
            writer.writerow([v if e else "" for v, e in zip(shown, there, strict=True)])


def write_json(result: SimResult, path: Path) -> Path:
    """Write the document."""
    text = json.dumps(result.document(), indent=2, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def write_parquet(result: SimResult, path: Path, *, on_progress: OnProgress | None = None) -> Path:
    """Write one row for each request; what a request does not have is null."""
    import pyarrow as pa
    from pyarrow import parquet

    total = len(result.raw.arrival_s)

    def table(begin: int, end: int) -> Any:
        made = columns(result, begin, end)
        return pa.table({n: pa.array(v, mask=~np.asarray(exists)) for n, (v, exists) in made.items()})

    with whole_file(path) as temporary:
        first = table(0, min(CHUNK, total))
        with parquet.ParquetWriter(temporary, first.schema) as writer:
            for begin in range(0, total, CHUNK):
                end = min(begin + CHUNK, total)
                writer.write_table(first if begin == 0 else table(begin, end))
                if on_progress is not None:
                    on_progress(end)
    return path
