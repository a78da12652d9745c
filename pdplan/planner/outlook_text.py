"""What stands around a plan, as text: five lines that matter, and the command that shows more of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.headroom import FleetBreakEven
from pdplan.planner.text import time_text, wrap

if TYPE_CHECKING:
    from pdplan.planner.doubt_answer import Probability
    from pdplan.planner.outlook import Outlook, Swing
    from pdplan.planner.runner_up import RunnerUp
    from pdplan.planner.spares_count import JointSpares

_METRICS = {"ttft_p99": "p99 TTFT", "tpot_mean": "mean TPOT"}


def outlook_lines(seen: Outlook, width: int) -> list[str]:
    """Return the five lines, by formulas."""
    head = "By formulas, around this plan (more: pdplan designs, break-even, sensitivity, doubt, spares):"
    rows = {
        "Runner-up": _runner_up(seen.runner_up),
        "Breaks first": _nearest(seen.nearest),
        "Most sensitive": _swing(seen.swing),
        "Doubt": _chance(seen.chance, seen.samples),
        "Spares": _spares(seen.spares),
    }
    lines = wrap(head, width)
    return lines + [line for name, text in rows.items() for line in wrap(f"{name}: {text}.", width, "  ")]


def _runner_up(second: RunnerUp | None) -> str:
    if second is None:
        return "no fleet of other instances surely meets every objective"
    extra = second.extra_usd_per_hour
    if abs(extra) < 0.005:
        took = "the same price; ties go to fewer GPUs, then fewer instances, then smaller TP"
    else:
        planned = second.usd_per_hour - extra
        share = f" ({abs(extra) / planned:.0%})" if planned > 0 else ""
        took = f"{abs(extra):.2f} USD/h {'more' if extra > 0 else 'less'}{share}"
    why = f"; {second.why[0]}" if second.why and extra >= 0.005 else ""
    return f"{second.label}, {second.usd_per_hour:.2f} USD/h, {took}{why}"


def _nearest(row: FleetBreakEven | str | None) -> str:
    if isinstance(row, str):
        return row
    if row is None or row.factor is None:
        return "nothing within a factor of 16 of any input"
    up = row.factor > 1
    change = abs(row.factor - 1.0)
    return f"at {change:.0%} {'more' if up else 'less'} {row.words}, {row.breaks}"


def _swing(row: Swing | str) -> str:
    if isinstance(row, str):
        return row
    what = f"10% more {row.words}"
    if row.after_s is None:
        return f"{what} overloads the fleet"
    change = row.after_s / row.before_s - 1.0
    before, after = time_text(row.before_s), time_text(row.after_s)
    return f"{what} takes {_METRICS[row.metric]} of {row.class_name} from {before} to {after} ({change:+.1%})"


def _chance(chance: Probability | str, samples: int) -> str:
    if isinstance(chance, str):
        return chance
    shown = units.show(chance.value, "fraction")
    low, high = units.show(chance.low, "fraction"), units.show(chance.high, "fraction")
    return f"every objective holds with probability {shown} [{low}, {high}], in {samples} samples"


def _spares(row: JointSpares | str) -> str:
    if isinstance(row, str):
        return row
    a = row.availability
    target = f"{100 * a.target:.6g}%"
    if row.prefill == row.decode == 0:
        return f"none needed to be whole {target} of the time"
    taken = " and ".join(
        f"{count} {role}" for count, role in ((row.prefill, "prefill"), (row.decode, "decode")) if count
    )
    return (
        f"{taken} more to be whole {target} of the time (a GPU fails every {a.mtbf / 3600:,.6g} h, "
        f"{units.show(a.mttr, 'time')} to repair)"
    )
