"""A validation as text: every formula beside its simulated value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.planner.text import table, wrap

if TYPE_CHECKING:
    from pdplan.planner.validation import Validation


def validation_note(validation: Validation, *, width: int) -> str:
    """Return the text of a validation."""
    from pdplan.planner.validation import validation_rows

    head = (
        f"{validation.fleet.label}: {validation.requests:,} simulated requests, seed {validation.seed}, "
        f"{validation.left_out:,} left out as warm-up"
    )
    verdicts = [r.verdict for r in validation.rows]
    tail = (
        f"{verdicts.count('agrees')} agree, {verdicts.count('disagrees')} disagree, "
        f"{verdicts.count('not enough data')} have not enough data. "
    )
    tail += (
        "No formula fails its trust."
        if validation
        else "Failed: " + ", ".join(r.quantity for r in validation.contradicted) + "."
    )
    rows = validation_rows(validation)
    if width < 110:
        rows = [(*row[:3], *row[4:]) for row in rows]
    right = (1, 2, 3, 4) if width >= 110 else (1, 2, 3)
    return "\n".join([*wrap(head, width), "", *table(rows, right=right, indent=""), "", *wrap(tail, width)])
