"""A scenario whose requests are those of a trace."""

from __future__ import annotations

from pathlib import Path

from pdplan.errors import InputError
from pdplan.planner.sweep_points import Base
from pdplan.spec.loading import from_document
from pdplan.spec.scenario import Origin, Scenario

#: Ends of files that are traces and not scenarios.
TRACES = (".csv", ".jsonl", ".csv.gz", ".jsonl.gz")


def with_trace(old: Scenario, path: str) -> Scenario:
    """Return the scenario with the lengths of a trace, and its rate at p99 of 60 s windows.

    Raises
    ------
    InputError
        Several classes: a trace does not say which request is of which.
    """
    if len(old.classes) > 1:
        raise InputError(
            f"{path}: a trace gives one class, the scenario has {len(old.classes)}: write the new workload "
            "as a scenario"
        )
    base = Base.of(old)
    document = {k: v for k, v in base.document.items() if k not in ("fleet", "total_tokens")}
    given = next(iter(document["classes"]))
    kept = {k: v for k, v in given.items() if k in ("name", "slo", "prefix_hit")}
    document["classes"] = [{**kept, "rate": {"trace": str(Path(path).absolute())}}]
    return from_document(document, Origin(base.source, {}))
