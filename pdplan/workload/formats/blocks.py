"""A block of rows read by pyarrow. Anything doubtful gives None: then rows are read one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pdplan.workload.formats.columns import Columns, Texts, good_lengths
from pdplan.workload.formats.layout import Layout


def block_reader(layout: Layout, first_row: bytes) -> Callable[[bytes], Columns | None]:
    """Return what turns a block of whole lines into columns, or into None where Python should look.

    Parameters
    ----------
    layout : Layout
        The layout of the file.
    first_row : bytes
        The first row of data: it shows whether dates have an offset and what texts are.
    """
    import pyarrow as pa

    table = _json_table(layout) if layout.kind == "jsonl" else _csv_table(layout, first_row)

    def read(block: bytes) -> Columns | None:
        try:
            found = table(pa.py_buffer(block))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
            return None
        # pyarrow drops blank lines and takes two objects on one line for two rows: then Python looks
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        return _columns(found, layout) if found.num_rows == lines else None

    return read


def _csv_table(layout: Layout, first_row: bytes) -> Callable[[Any], Any]:
    import pyarrow as pa
    from pyarrow import csv

    types: dict[str, Any] = {name: pa.dictionary(pa.int32(), pa.string()) for name in layout.texts}
    types |= {layout.prompt: pa.int64(), layout.output: pa.int64()}
    if layout.time is not None:
        zone = "UTC" if b"+" in first_row or b"Z" in first_row else None
        types[layout.time] = pa.timestamp("ns", zone) if layout.time_unit_s is None else pa.float64()
    read = csv.ReadOptions(column_names=list(layout.header), block_size=1 << 20)
    convert = csv.ConvertOptions(include_columns=list(types), column_types=types)
    return lambda buffer: csv.read_csv(pa.BufferReader(buffer), read_options=read, convert_options=convert)


def _json_table(layout: Layout) -> Callable[[Any], Any]:
    import pyarrow as pa
    from pyarrow import json

    fields = [(layout.prompt, pa.int64()), (layout.output, pa.int64())]
    if layout.time is not None:
        fields.append((layout.time, pa.string() if layout.time_unit_s is None else pa.float64()))
    if layout.hashes is not None:
        fields.append((layout.hashes, pa.list_(pa.int64())))
    if layout.delay is not None:
        fields.append((layout.delay, pa.float64()))
    parse = json.ParseOptions(
        explicit_schema=pa.schema(fields), unexpected_field_behavior="infer" if layout.texts else "ignore"
    )
    return lambda buffer: json.read_json(
        pa.BufferReader(buffer),
        # one block: texts are inferred, and chunks may infer different types
        read_options=json.ReadOptions(block_size=max(len(buffer), 1)),
        parse_options=parse,
    )


def _columns(table: Any, layout: Layout) -> Columns | None:
    import pyarrow as pa

    needed = {layout.prompt, layout.output, layout.time, layout.hashes, *layout.texts} - {None}
    if not needed <= set(table.column_names):
        return None
    try:
        table, failures = _without_failures(table, layout)
        prompt, output = _whole(table[layout.prompt]), _whole(table[layout.output])
        delay = _delays(table, layout)
        arrival = None if layout.time is None else _arrival_s(table[layout.time], layout)
        ids, counts = (None, None) if layout.hashes is None else _lists(table[layout.hashes])
        texts = {name: _texts(table[name]) for name in layout.texts}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return None
    if prompt is None or output is None or (layout.hashes is not None and ids is None):
        return None
    if arrival is not None and not _times_are_good(arrival, delay):
        return None
    return Columns(arrival, prompt, output, ids, counts, texts, delay, failures)


def _without_failures(table: Any, layout: Layout) -> tuple[Any, int]:
    """Return the rows that have output tokens, and how many have not, where that means a failed request."""
    import pyarrow.compute as pc

    if layout.failures is None:
        return table, 0
    alive = pc.not_equal(table[layout.output], 0)
    failed = table.num_rows - (pc.sum(alive).as_py() or 0)
    return (table.filter(alive) if failed and not alive.null_count else table), failed


def _delays(table: Any, layout: Layout) -> Any:
    """Return the waits after the turn before [s]; NaN where there are none."""
    if layout.delay is None:
        return None
    if layout.delay not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return _floats(table[layout.delay]) / 1e3


def _lists(column: Any) -> tuple[Any, Any]:
    """Return the numbers of all lists and how many each row has; (None, None) where any is missing."""
    lists = column.combine_chunks()
    lists = lists.chunk(0) if hasattr(lists, "num_chunks") else lists
    flat = lists.flatten()
    if lists.null_count or flat.null_count:
        return None, None
    ids = np.array(np.frombuffer(flat.buffers()[1], np.int64, len(flat), 8 * flat.offset))
    offsets = np.frombuffer(lists.buffers()[1], np.int32, len(lists) + 1, 4 * lists.offset)
    return ids, _differences(offsets)


def _differences(offsets: Any) -> Any:
    return np.diff(offsets).astype(np.int64)


def _whole(column: Any) -> Any:
    if column.null_count:
        return None
    values = _numbers(column, np.int64, np.int64)
    return values.astype(np.int32) if good_lengths(values) else None


def _floats(column: Any) -> Any:
    import pyarrow.compute as pc

    return _numbers(pc.fill_null(column, np.nan) if column.null_count else column, np.float64)


def _numbers(column: Any, kind: Any, wanted: Any = np.float64) -> Any:
    """Return a column of 64-bit numbers without nulls, straight from its buffers.

    pyarrow's own ``to_numpy`` of a column in chunks imports pandas where that is installed, for 0.6 s.
    """
    values = np.empty(len(column), wanted)
    at = 0
    for chunk in column.chunks:
        if len(chunk):
            part = np.frombuffer(chunk.buffers()[1], kind, len(chunk), 8 * chunk.offset)
            values[at : at + part.size] = part
            at += part.size
    return values


def _times_are_good(arrival_s: Any, delay_s: Any) -> bool:
    """Return whether each row has a time, or a wait of at least 0 in its place."""
    if delay_s is None:
        return bool(np.isfinite(arrival_s).all())
    given = np.isfinite(arrival_s)
    return bool(
        (given | np.isfinite(delay_s)).all()
        and not np.isinf(arrival_s).any()
        and not np.isinf(delay_s).any()
        and not (delay_s < 0).any()
    )


def _arrival_s(column: Any, layout: Layout) -> Any:
    import pyarrow as pa

    if layout.time_unit_s is not None:
        values = _floats(column)
        return values if layout.time_unit_s == 1.0 else values * layout.time_unit_s
    if pa.types.is_string(column.type):
        try:
            column = column.cast(pa.timestamp("ns"))
        except pa.ArrowInvalid:
            column = column.cast(pa.timestamp("ns", "UTC"))
    if column.null_count:
        return np.full(1, np.nan)
    return _numbers(column.cast(pa.int64()), np.int64) / 1e9


def _texts(column: Any) -> Texts:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    indices = column.indices.fill_null(len(column.dictionary)).cast(pa.int32())
    codes = np.array(np.frombuffer(indices.buffers()[1], np.int32, len(indices), 4 * indices.offset))
    values = [v or "" for v in column.dictionary.to_pylist()]
    return Texts(codes, (*values, "") if column.null_count else tuple(values))
