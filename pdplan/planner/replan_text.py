"""A replanning for people: the decision first, then why, then what else could be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.planner.text import gpus_text

if TYPE_CHECKING:
    from pdplan.planner.replan import Replan


def replan_text(r: Replan) -> str:
    """Return the decision, its reason, and how the cheapest fleet compares."""
    cost = r.fleet.cost.usd_per_hour
    lines = [_decision(r), f"because: {r.reason}"]
    if r.decision != "keep":
        lines.append(
            f"cost: {cost:,.2f} USD/h, {cost - r.old_usd_per_hour:+,.2f} against now; "
            f"{r.fleet.cost.gpus} GPUs"
        )
    saved = cost - r.cheapest.cost.usd_per_hour
    if r.decision != "new" and saved > 1e-9:
        lines.append(
            f"a new plan would be {r.cheapest.label}: {r.cheapest.cost.usd_per_hour:,.2f} USD/h, "
            f"{saved:,.2f} USD/h less"
        )
    return "\n".join(lines)


def _decision(r: Replan) -> str:
    if r.decision == "keep":
        return f"KEEP {r.old_label}"
    if r.decision == "new":
        return f"REPLACE {r.old_label} by {r.fleet.label}"
    parts = [f"{n} {role}" for n, role in zip(r.added, ("prefill", "decode"), strict=True) if n]
    gpus = gpus_text(r.added_gpus)
    return f"ADD {' and '.join(parts)} ({gpus}) to {r.old_label}: {r.fleet.label}"
