"""A schedule for people: one line for each change, and what it saves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pdplan import units
from pdplan.planner.schedule_profile import hours

if TYPE_CHECKING:
    from pdplan.planner.schedule import Schedule, Step

#: Up to so many steps each has its line; of more, only those where counts change.
EVERY_STEP: Final = 48


def schedule_text(s: Schedule) -> str:
    """Return the table of a schedule."""
    p, d = s.kinds
    head = ("from", "req/s", f"prefill {p}", f"decode {d}", "GPUs", "change")
    rows = [_row(s, step, i) for i, step in enumerate(s.steps)]
    note = ""
    if len(rows) > EVERY_STEP:
        rows = [r for i, r in enumerate(rows) if i == 0 or r[-1]]
        note = f"{len(s.steps)} steps of {units.show(s.profile.step_s, 'time')}; only changes are shown"
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip()
        for r in [head, tuple("-" * w for w in widths), *rows]
    ]
    return "\n".join([*lines, *([note] if note else []), "", *_summary(s)])


def _row(s: Schedule, step: Step, i: int) -> tuple[str, ...]:
    before = s.steps[i - 1] if i > 0 or s.profile.repeats else None
    gpus = step.prefill * s.gpus[0] + step.decode * s.gpus[1]
    rate = f"{math.fsum(step.rates):.3g}"
    return hours(step.start_s), rate, str(step.prefill), str(step.decode), str(gpus), _change(s, step, before)


def _change(s: Schedule, step: Step, before: Step | None) -> str:
    if before is None:
        return "start"
    parts = []
    for name, now, was in (("P", step.prefill, before.prefill), ("D", step.decode, before.decode)):
        if now != was:
            parts.append(f"{now - was:+d} {name}")
    text = ", ".join(parts)
    if step.started_prefill or step.started_decode:
        ahead = step.start_s - s.startup_s
        if s.profile.repeats:
            ahead %= len(s.steps) * s.profile.step_s
        text += f" (order at {hours(ahead)})" if s.startup_s > 0 else ""
    return text


def _summary(s: Schedule) -> list[str]:
    p, d = s.static
    span = units.show(len(s.steps) * s.profile.step_s, "time")
    verb = "saves" if s.saved >= 0 else "costs more by"
    return [
        f"{s.gpu_hours:.4g} GPU-hours over {span}, starts of {units.show(s.startup_s, 'time')} included, "
        f"against {s.static_gpu_hours:.4g} with {p} prefill + {d} decode all the time:",
        f"{verb} {abs(s.saved):.0%} ({s.usd:,.2f} USD instead of {s.static_usd:,.2f})",
        f"an instance stops only if it is not needed for {units.show(s.kept_s, 'time')} or more; each step "
        "is sized by formulas for its mean rate",
    ]
