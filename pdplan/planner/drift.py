"""Observed against planned: what a fleet sees and gives, beside what the plan of its scenario said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pdplan._version import __version__
from pdplan.errors import InfeasibleError
from pdplan.planner.drift_latency import latency_lines, objective_lines
from pdplan.planner.drift_lines import DriftLine, ObservedLatency, ObservedTraffic
from pdplan.planner.drift_load import load_lines
from pdplan.spec.scenario import Scenario

__all__ = ["DriftLine", "DriftReport", "ObservedLatency", "ObservedTraffic", "drift"]


@dataclass(frozen=True)
class DriftReport:
    """Every line, and what to do: `print` it, or take its `document`."""

    scenario: str
    fleet: str
    lines: tuple[DriftLine, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def drifted(self) -> bool:
        """Whether anything is not as planned."""
        return any(line.verdict == "drifted" for line in self.lines)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, each thing once."""
        return tuple(dict.fromkeys(line.advice for line in self.lines if line.advice))

    def document(self) -> dict[str, Any]:
        """Return the JSON document (``pdplan.drift/1``)."""
        return {
            "schema": "pdplan.drift/1",
            "version": __version__,
            "scenario": self.scenario,
            "fleet": self.fleet,
            "drifted": self.drifted,
            "lines": [line.document() for line in self.lines],
            "advice": list(self.advice),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Read at 80 columns."""
        from pdplan.planner.drift_note import drift_note

        return drift_note(self, width=80)


def drift(scenario: Scenario, seen: ObservedTraffic) -> DriftReport:
    """Compare what was observed with the plan of a scenario.

    The plan is that of the fleet that the scenario states, if it states one, else of the cheapest fleet.

    Parameters
    ----------
    scenario : Scenario
        What was planned for.
    seen : ObservedTraffic
        What was observed, of all classes together.

    Raises
    ------
    ScenarioError
        The scenario is wrong.
    InfeasibleError
        It has no fleet, and so no plan to compare with.
    """
    from pdplan.planner.sizing import size

    try:
        plan = size(scenario)
    except InfeasibleError as error:
        raise InfeasibleError(f"there is no plan to compare with: {error}") from None
    fleet = plan.stated or plan.fleet
    load = load_lines(scenario, fleet, seen)
    moved = any(line.verdict == "drifted" for line in load)
    lines = [*load, *latency_lines(fleet, seen, moved=moved), *objective_lines(fleet, seen)]
    notes = []
    if len(fleet.classes) > 1:
        notes.append(
            "the scenario has several classes and one histogram holds them all: latencies are held against "
            "the range over classes, and objectives are left out"
        )
    return DriftReport(scenario.name or scenario.model, fleet.label, tuple(lines), tuple(notes))
