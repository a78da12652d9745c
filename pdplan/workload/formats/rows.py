"""One row read by Python itself: slower than a block, and exact about what is wrong with it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from pdplan.workload.formats.columns import Columns, Texts, block_ids, number, tokens
from pdplan.workload.formats.layout import Layout


class Row(NamedTuple):
    """One request; ``failed`` where it has no output tokens and the format says why."""

    arrival_s: float
    prompt_tokens: float
    output_tokens: float
    hash_ids: list[int]
    texts: tuple[str, ...]
    delay_s: float
    failed: bool


def row_reader(layout: Layout) -> Callable[[str], Row]:
    """Return what turns a line of the file into a row; it raises ValueError with the reason."""
    fields = json_fields if layout.kind == "jsonl" else _csv_fields(layout.header)
    return lambda line: _row(fields(line), layout)


def json_fields(line: str) -> Mapping[str, Any]:
    """Return the object on a line.

    Raises
    ------
    ValueError
        It is not JSON, or not an object.
    """
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _csv_fields(header: tuple[str, ...]) -> Callable[[str], Mapping[str, Any]]:
    def fields(line: str) -> Mapping[str, Any]:
        try:
            cells = next(csv.reader([line], strict=True))
        except (csv.Error, StopIteration) as error:
            raise ValueError(f"not CSV: {error}") from None
        if len(cells) != len(header):
            raise ValueError(f"{len(cells)} cells instead of {len(header)}")
        return dict(zip(header, cells, strict=True))

    return fields


def _row(fields: Mapping[str, Any], layout: Layout) -> Row:
    for key in (layout.prompt, layout.output, layout.hashes):
        if key is not None and key not in fields:
            raise ValueError(f"{key!r} is missing")
    delay_s = math.nan
    if layout.delay is not None and fields.get(layout.delay) is not None:
        delay_s = number(fields[layout.delay], layout.delay) / 1e3
        if delay_s < 0:
            raise ValueError(f"{layout.delay} is {fields[layout.delay]!r}: a wait cannot be negative")
    texts = tuple("" if fields.get(name) is None else str(fields[name]) for name in layout.texts)
    if layout.failures is not None and _is_zero(fields[layout.output]):
        return Row(0.0, 1.0, 1.0, [], texts, delay_s, True)
    return Row(
        _arrival_s(fields, layout, delayed=not math.isnan(delay_s)),
        tokens(fields[layout.prompt], "prompt"),
        tokens(fields[layout.output], "output"),
        [] if layout.hashes is None else block_ids(fields[layout.hashes], layout.hashes),
        texts,
        delay_s,
        False,
    )


def _arrival_s(fields: Mapping[str, Any], layout: Layout, *, delayed: bool) -> float:
    if layout.time is None:
        return 0.0
    if fields.get(layout.time) is None and delayed:
        return math.nan
    if layout.time not in fields:
        raise ValueError(f"{layout.time!r} is missing")
    value = fields[layout.time]
    if layout.time_unit_s is not None:
        return number(value, layout.time) * layout.time_unit_s
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(
            f"{layout.time} is {value!r}, not a date with a time of day; a number needs its unit in the "
            f"column's name, such as {layout.time.strip()}_s or {layout.time.strip()}_ms"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_zero(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) == 0.0
    except (TypeError, ValueError):
        return False


def columns_of(rows: Sequence[Row], layout: Layout) -> Columns:
    """Return the columns of rows; failed ones are only counted."""
    good = [row for row in rows if not row.failed]
    codes: dict[str, Texts] = {}
    for k, name in enumerate(layout.texts):
        values = [row.texts[k] for row in good]
        distinct = {value: code for code, value in enumerate(dict.fromkeys(values))}
        codes[name] = Texts(np.array([distinct[v] for v in values], dtype=np.int32), tuple(distinct))
    return Columns(
        None if layout.time is None else np.array([row.arrival_s for row in good], dtype=float),
        np.array([row.prompt_tokens for row in good], dtype=np.int32),
        np.array([row.output_tokens for row in good], dtype=np.int32),
        None
        if layout.hashes is None
        else np.array([h for row in good for h in row.hash_ids], dtype=np.int64),
        None if layout.hashes is None else np.array([len(row.hash_ids) for row in good], dtype=np.int64),
        codes,
        None if layout.delay is None else np.array([row.delay_s for row in good], dtype=float),
        len(rows) - len(good),
    )
