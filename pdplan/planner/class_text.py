"""One class of a plan as text: its percentiles, its objectives, the parts of its mean TTFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.text import table, time_text, wrap
from pdplan.planner.ttft_parts import PARTS

if TYPE_CHECKING:
    from pdplan.planner.result import ClassPlan, Objective


def class_lines(c: ClassPlan, width: int) -> list[str]:
    """Return the block of a class."""
    head = (
        f"{c.name}: {units.show(c.rate, 'rate')}, mean {c.prompt_tokens:.0f} prompt and "
        f"{c.output_tokens:.0f} output tokens ({c.lengths})"
    )
    rows: list[tuple[str, ...]] = [("", "mean", "p50", "p90", "p95", "p99", "trust")]
    for latency in (x for x in (c.ttft, c.tpot, c.itl, c.e2e) if x is not None):
        rows.append(
            (
                latency.metric.upper(),
                time_text(latency.mean_s),
                *(time_text(latency.quantile_s(p)) for p in (0.5, 0.9, 0.95, 0.99)),
                latency.trust.value,
            )
        )
    lines = wrap(head, width)
    lines += [] if c.traced is None else wrap(str(c.traced), width, indent="  ")
    lines += table(rows, right=(1, 2, 3, 4, 5))
    if c.single_token_share > 0.0005:
        share = units.show(c.single_token_share, "fraction")
        lines.append(f"  {share} of requests have one output token: no TPOT, left out of it")
    lines += [f"  {objective_text(o)}" for o in c.objectives]
    parts = " + ".join(f"{PARTS.get(k, k)} {time_text(v)}" for k, v in c.ttft_parts_s.items() if v > 5e-7)
    lines += wrap(f"mean TTFT {time_text(c.ttft.mean_s)} = {parts}", width, indent="  ")
    execution = c.decode_parts_s["execution"]
    queue = c.decode_parts_s["queue"]
    lines += wrap(
        f"decode: queue {time_text(queue)}, execution {time_text(execution)} a request", width, indent="  "
    )
    return lines


def objective_text(o: Objective) -> str:
    """Say whether an objective is met, its value and its slack."""
    if o.is_share:
        value = f"{units.show(o.low, 'fraction')} to {units.show(o.high, 'fraction')}"
    elif o.low < o.high:
        value = f"{time_text(o.low)} to {time_text(o.high)}"
    else:
        value = time_text(o.value)
    sign = {"met": "met", "missed": "MISSED", "undetermined": "undetermined"}[o.status]
    return f"{sign}: {o.target}: {value}, {o.slack:+.0%} slack ({o.trust.value})"
