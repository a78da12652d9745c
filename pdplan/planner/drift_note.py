"""A drift report as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.text import table, wrap

if TYPE_CHECKING:
    from pdplan.planner.drift import DriftReport


def drift_note(report: DriftReport, *, width: int) -> str:
    """Return the text of a drift report."""
    drifted = sum(line.verdict == "drifted" for line in report.lines)
    head = f"{report.scenario}, planned as {report.fleet}: " + (
        f"{drifted} of {len(report.lines)} quantities drifted." if drifted else "nothing drifted."
    )
    rows = [("", "planned", "observed", "verdict", "")]
    rows += [
        (
            line.quantity,
            _range(*line.planned, line.dimension),
            _range(*line.observed, line.dimension),
            line.verdict.upper() if line.verdict == "drifted" else line.verdict,
            line.why,
        )
        for line in report.lines
    ]
    lines = [*textwrap.wrap(head, width), "", *table(rows, right=(), indent="")]
    if report.advice:
        lines += ["", "What to do:"]
        for advice in report.advice:
            lines += wrap(f"- {advice}", width)
    for note in report.notes:
        lines += wrap(f"note: {note}", width)
    return "\n".join(lines)


def _range(low: float, high: float | None, dimension: str) -> str:
    if high is None:
        return f"over {units.show(low, dimension)}"
    shown, last = _show(low, dimension), _show(high, dimension)
    if shown == last:
        return shown
    number, _, unit = shown.partition(" ")
    return f"{number}-{last}" if low == 0 or last.endswith(f" {unit}") else f"{shown}-{last}"


def _show(value: float, dimension: str) -> str:
    return "0 s" if value == 0 and dimension == "time" else units.show(value, dimension)
