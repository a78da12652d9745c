"""What is said of break-evens: rows, classes, the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pdplan._version import __version__
from pdplan.planner.break_even_state import State
from pdplan.spec.scenario import Scenario


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where the verdict of a class flips along one input, or that it does not.

    Parameters
    ----------
    name, words, unit : str
        The input.
    direction : str
        ``up`` or ``down`` from its value now; ``other`` for a type, which has no order.
    now, value : float or str
        The input now, and at the flip; ``value`` is None where nothing flips up to ``limit``.
    limit : float or str
        The end of the range looked at.
    before, after : str
        ``split``, ``colocated``, ``undetermined`` (until simulated) or ``neither`` (no fleet of either kind).
    reason_before, reason_after : str
        The reason of the verdict on each side, as `pdplan split` names it.
    """

    name: str
    words: str
    unit: str
    direction: str
    now: float | str
    value: float | str | None
    limit: float | str
    before: State
    after: State | None
    reason_before: str
    reason_after: str

    @property
    def factor(self) -> float | None:
        """The value over the value now; None for types, and for shares that are 0 now."""
        if isinstance(self.now, str) or isinstance(self.value, str) or self.value is None or self.now == 0:
            return None
        return self.value / self.now

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "input": self.name,
            "unit": self.unit,
            "direction": self.direction,
            "now": _plain(self.now),
            "value": None if self.value is None else _plain(self.value),
            "factor": None if self.factor is None else _plain(self.factor),
            "limit": _plain(self.limit),
            "before": self.before,
            "after": self.after,
            "reason_before": self.reason_before,
            "reason_after": self.reason_after or None,
        }


@dataclass(frozen=True, eq=False)
class ClassBreakEvens:
    """Every break-even of one class, by formulas alone."""

    name: str
    state: State
    reason: str
    rows: tuple[BreakEven, ...]

    def __iter__(self) -> Iterator[BreakEven]:
        """Iterate over the rows."""
        return iter(self.rows)

    @property
    def flips(self) -> tuple[BreakEven, ...]:
        """Rows that do flip."""
        return tuple(r for r in self.rows if r.value is not None)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "class": self.name,
            "by": "formulas",
            "state": self.state,
            "reason": self.reason,
            "break_evens": [r.document() for r in self.rows],
        }


@dataclass(frozen=True, eq=False)
class BreakEvenReport:
    """The break-evens of every class of a scenario."""

    scenario: Scenario
    classes: tuple[ClassBreakEvens, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": "pdplan.break-even/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "classes": [c.document() for c in self.classes],
        }

    def __str__(self) -> str:
        """Read like an engineer's note."""
        from pdplan.planner.break_even_text import break_even_note

        return break_even_note(self, width=80)


def _plain(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(f"{value:.6g}")
