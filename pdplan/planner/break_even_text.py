"""Break-evens as text: one line per input, what flips below and above, or how far was looked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pdplan import units
from pdplan.planner.break_even_inputs import INPUTS
from pdplan.planner.text import wrap

if TYPE_CHECKING:
    from pdplan.planner.break_even_answer import BreakEven, BreakEvenReport, ClassBreakEvens
    from pdplan.planner.verdict import ClassVerdict

_SHOW: Final = {i.name: i.show for i in INPUTS}
_WORDS: Final = {
    "split": "split",
    "colocated": "keep colocated",
    "undetermined": "undetermined",
    "neither": "no fleet of either kind",
}


def break_even_note(report: BreakEvenReport, *, width: int) -> str:
    """Return the text of a report."""
    sc = report.scenario
    head = [f"{sc.name or sc.model}: where does each verdict flip?"]
    return "\n".join([*head, *(line for c in report.classes for line in ["", *class_lines(c, width)])])


def class_lines(found: ClassBreakEvens, width: int) -> list[str]:
    """Return the lines of one class: its verdict by formulas, then one line per input."""
    word = _WORDS[found.state]
    reason = "" if found.reason in (found.state, "split") else f" ({found.reason})"
    head = f"Break-evens of {found.name}, by formulas: {word}{reason} now; one input moves at a time."
    lines = textwrap.wrap(head, width)
    names = list(dict.fromkeys(r.name for r in found.rows))
    groups = [[r for r in found.rows if r.name == name] for name in names]
    pad = max((len(_what(g)) for g in groups), default=0)
    for group in groups:
        first = f"  {_what(group).ljust(pad)}  "
        lines += textwrap.wrap(_flips(group), width, initial_indent=first, subsequent_indent=" " * len(first))
    return lines


def margin_lines(verdict: ClassVerdict, width: int) -> list[str]:
    """Return what splitting saves in money and, at the 99th percentile, in time."""
    parts = []
    money = verdict.margin_usd_per_hour
    if money is not None:
        low, high = money
        span = _usd(low) if abs(high - low) < 0.005 else f"between {_usd(low)} and {_usd(high)}"
        parts.append(f"{span} {'as' if max(abs(low), abs(high)) < 0.005 else 'than'} the colocated fleet")
    if verdict.margin_s:
        times = (
            f"{m.upper()} {units.show(abs(s), 'time')} {'less' if s >= 0 else 'more'}"
            for m, s in verdict.margin_s.items()
        )
        parts.append("p99 of " + ", ".join(times))
    text = f"Splitting {verdict.name}: {'; '.join(parts)}."
    return wrap(text, width) if parts else []


def _usd(saved: float) -> str:
    if abs(saved) < 0.005:
        return "the same cost"
    return f"{abs(saved):.2f} USD/h {'less' if saved > 0 else 'more'}"


def _what(rows: Sequence[BreakEven]) -> str:
    return f"{rows[0].words} {_show(rows[0], rows[0].now)}"


def _flips(rows: Sequence[BreakEven]) -> str:
    """Say what flips; ranges without a flip are joined."""
    calm = [r for r in rows if r.value is None]
    found = [r for r in rows if r.value is not None]
    parts = [_flip(r) for r in found]
    if calm and calm[0].direction == "other":
        parts.append("no flip at " + ", ".join(_show(r, r.limit) for r in calm))
    elif len(calm) == 2:
        parts.append(f"no flip from {_show(calm[0], calm[0].limit)} to {_show(calm[1], calm[1].limit)}")
    elif calm:
        parts.append(f"no flip {calm[0].direction} to {_show(calm[0], calm[0].limit)}")
    return "; ".join(parts)


def _flip(row: BreakEven) -> str:
    assert row.value is not None
    assert row.after is not None
    reason = "" if row.reason_after in (row.after, "split", "") else f" ({row.reason_after})"
    side = {"down": "below", "up": "above", "other": "at"}[row.direction]
    return f"{_WORDS[row.after]}{reason} {side} {_show(row, row.value)}"


def _show(row: BreakEven, value: float | str) -> str:
    return value if isinstance(value, str) else _SHOW[row.name](value)
