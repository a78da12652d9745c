"""Sensitivity as text: a tornado for each class, elasticities, and when the cost next changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pdplan.planner.sensitivity_inputs import LEVERS
from pdplan.planner.text import table, time_text, wrap

if TYPE_CHECKING:
    from pdplan.planner.sensitivity_cost import CostStep
    from pdplan.planner.sensitivity_report import ClassSensitivity, Elasticity, Sensitivity


def sensitivity_note(found: Sensitivity, *, width: int) -> str:
    """Return the text."""
    sc, cost = found.scenario, found.fleet.cost
    head = f"{sc.name or sc.model}: {found.fleet.label}, {cost.usd_per_hour:.2f} USD/h, by formulas"
    blocks = [wrap(head, width)]
    for c in found.classes:
        blocks += [_tornado(c, width), _elasticities(c, width)]
    blocks += [_cost(found, width), _steps(found, width)]
    return "\n\n".join("\n".join(b) for b in blocks)


def _tornado(c: ClassSensitivity, width: int) -> list[str]:
    tpot = f", mean TPOT {time_text(c.now['tpot_mean'])}" if "tpot_mean" in c.now else ""
    head = f"{c.name}: p99 TTFT {time_text(c.now['ttft_p99'])}{tpot} on this fleet; with each input 10% off:"
    rows: list[tuple[str, ...]] = [("", "TTFT p99 -10%", "+10%", "TPOT -10%", "+10%")]
    order = sorted((v for v in LEVERS if v.name in c.tornado), key=lambda v: -_swing(c, v.name))
    for lever in order:
        low, high = c.tornado[lever.name]
        cells = [_change(c.now, x, m) for m in ("ttft_p99", "tpot_mean") for x in (low, high)]
        rows.append((lever.words, *cells))
    return [*wrap(head, width), *table(rows, right=(1, 2, 3, 4))]


def _swing(c: ClassSensitivity, name: str) -> float:
    """How far p99 TTFT swings [s]; an overload is the widest swing."""
    low, high = c.tornado[name]
    if low is None or high is None:
        return float("inf")
    return abs(high["ttft_p99"] - low["ttft_p99"])


def _change(now: Mapping[str, float], other: Mapping[str, float] | None, metric: str) -> str:
    if metric not in now:
        return "-"
    if other is None or metric not in other:
        return "overload"
    change = other[metric] / now[metric] - 1.0
    return "0" if abs(change) < 5e-4 else f"{change:+.1%}"


def _elasticities(c: ClassSensitivity, width: int) -> list[str]:
    head = "Elasticities: what 1% more of an input does, in % (* by derivative, others by differences of 2%)"
    rows: list[tuple[str, ...]] = [("", "TTFT mean", "TTFT p99", "TPOT mean")]
    for lever in LEVERS:
        if lever.served:
            row = c.elasticity[lever.name]
            metrics = ("ttft_mean", "ttft_p99", "tpot_mean")
            rows.append((lever.words, *(_signed(row.get(m)) for m in metrics)))
    return [*wrap(head, width), *table(rows, right=(1, 2, 3))]


def _signed(e: Elasticity | None) -> str:
    if e is None:
        return "- "
    if e.value is None:
        return "overload "
    text = "0" if abs(e.value) < 5e-4 else f"{e.value:+.3f}"
    return text + ("*" if e.method == "derivative" else " ")


def _cost(found: Sensitivity, width: int) -> list[str]:
    now = found.fleet.cost.usd_per_hour
    rows: list[tuple[str, ...]] = [("cost, planned again", "-10%", "+10%")]
    rows += [(v.words, *(_usd(x, now) for x in found.cost_at[v.name])) for v in LEVERS]
    return table(rows, right=(1, 2), indent="")


def _usd(usd: float | None, now: float) -> str:
    if usd is None:
        return "no fleet"
    return "same" if abs(usd - now) < 0.005 else f"{usd:.2f}"


def _steps(found: Sensitivity, width: int) -> list[str]:
    up, down = found.steps["up"], found.steps["down"]
    text = f"At {_rate(found, 1.0)} it costs {found.fleet.cost.usd_per_hour:.2f} USD/h"
    text += f"; {_step(found, up, 'above')}" if up else "; the same up to twice the rate"
    text += f"; {_step(found, down, 'below')}." if down else "; the same down to half the rate."
    return wrap(text, width)


def _step(found: Sensitivity, step: CostStep, side: str) -> str:
    price = "no fleet will do" if step.usd_per_hour is None else f"{step.usd_per_hour:.2f} ({step.fleet})"
    return f"{side} {_rate(found, step.factor)} {price}"


def _rate(found: Sensitivity, factor: float) -> str:
    return f"{found.rate * factor:.4g} req/s"
