"""AIPerf's and genai-perf's CSV: a table ``Metric,avg,...``, then ``Metric,Value``; units in the names."""

from __future__ import annotations

import re
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.metric_blocks import run_of_blocks
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.latency.measured import Measurements

_NAME: Final = "AIPerf or genai-perf CSV"
_METRIC: Final = re.compile(r"(?P<name>[^(]+?)\s*(\((?P<unit>[^)]*)\))?")


def recognise(document: Document) -> bool:
    """Whether the first row is that of the table of statistics."""
    return document.header[:1] == ("Metric",) and {"avg", "p50"} <= set(document.header)


def read(document: Document, select: Select) -> Measurements:
    """Read the run.

    Raises
    ------
    InputError
        A row of another width than its heading, a cell that is no number, or a metric that is missing.
    """
    corrections: list[str] = []
    run = run_of_blocks(_blocks(document), {}, document.source, corrections)
    return Measurements(
        tool="AIPerf or genai-perf",
        source=document.source,
        runs=(run,),
        corrections=tuple(dict.fromkeys(corrections)),
    )


def _blocks(document: Document) -> dict[str, dict[str, Any]]:
    """Return the metrics by their name in the JSON export."""
    blocks: dict[str, dict[str, Any]] = {}
    heading: tuple[str, ...] = ()
    for row in document.rows:
        where = f"{document.source}:{row.line}"
        if row.cells[0] == "Metric":
            heading = tuple("avg" if name == "Value" else name for name in row.cells[1:])
            continue
        if len(row.cells) - 1 != len(heading):
            raise InputError(
                f"{where}: {len(row.cells)} cells under {len(heading) + 1} columns; the file is cut off"
            )
        found = _METRIC.fullmatch(row.cells[0])
        if found is None:
            raise InputError(f"{where}: {row.cells[0][:40]!r} is not a metric with its unit")
        numbers = {n: _number(c, f"{where}: {n}") for n, c in zip(heading, row.cells[1:], strict=True) if c}
        key = found["name"].lower().replace(" ", "_")
        blocks[key] = {"unit": found["unit"] or "", **numbers}
    return blocks


def _number(cell: str, what: str) -> float:
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        raise InputError(f"{what} is {cell[:40]!r}, no number") from None


READER: Final = Reader(_NAME, "rows Metric,avg,...,p50 and Metric,Value", recognise, read)
