"""The figures of a report, each as an SVG and the sentence that is read out in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pdplan.planner.plot_latency import draw_targets, plot_latency, plot_parts
from pdplan.planner.plot_plan import plot_loads
from pdplan.planner.plot_split import plot_ledger
from pdplan.planner.plot_validation import plot_agreement
from pdplan.plotting import FAINT, FORMULA, INK, RAREST, SIMULATED, calm, legend_above, time_unit
from pdplan.report.cost_curve import CostPoint
from pdplan.report.svg import inline_svg, new_figure

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.result import ClassPlan
    from pdplan.planner.validation import Validation
    from pdplan.planner.verdict import ClassVerdict
    from pdplan.sim.result import SimResult

#: Fewer requests than this draw no law worth looking at.
FEWEST = 100


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG element and its caption."""

    svg: str
    caption: str


def law_picture(c: ClassPlan, metric: str, seen: SimResult | None, name: str) -> Picture | None:
    """Draw the law of one latency of one class: its targets, and the simulated law behind it."""
    latency = getattr(c, metric)
    if latency is None:
        return None
    ax = new_figure(3.7, 2.7)
    plot_latency(latency, ax, label="formula")
    unit = next(u for u in (1.0, 1e-3, 1e-6) if f"[{time_unit(2.0 * u)[1]}]" in ax.get_xlabel())
    values = None if seen is None else seen.values(metric, c.name)
    if values is not None and values.size >= FEWEST:
        share = np.geomspace(0.999, max(RAREST, 10.0 / values.size), 200)
        times = np.quantile(values, 1.0 - share) / unit
        ax.plot(times, share, color=SIMULATED, linewidth=3.5, alpha=0.45, zorder=1.5, label="simulated")
        ax.set_xlim(0.0, max(ax.get_xlim()[1], 1.02 * float(times[-1])))
    draw_targets(ax, metric, c.objectives)
    legend_above(ax, 2)
    title = f"{metric.upper()} of {c.name}: share of requests that takes longer, against time"
    return Picture(inline_svg(ax, name, title), title)


def parts_picture(classes: Sequence[ClassPlan]) -> Picture:
    """Draw where the mean TTFT goes."""
    ax = new_figure(7.6, 1.15 + 0.32 * len(classes))
    plot_parts(classes, ax)
    title = "Mean TTFT of each class, part by part"
    return Picture(inline_svg(ax, "parts", title), title)


def loads_picture(plan: Plan) -> Picture:
    """Draw how busy each station is."""
    ax = new_figure(7.6, 1.9)
    plot_loads(plan.fleet, ax)
    title = "Load of each station, with its limit as a line"
    return Picture(inline_svg(ax, "loads", title), title)


def ledger_picture(verdict: ClassVerdict, name: str) -> Picture | None:
    """Draw both ledgers of a class."""
    if verdict.ledger is None:
        return None
    ax = new_figure(7.6, 2.0)
    plot_ledger(verdict.ledger, ax)
    title = f"The two ledgers of {verdict.name}: interference on every token, transfer on every request"
    return Picture(inline_svg(ax, name, title), title)


def validation_pictures(validation: Validation) -> list[Picture]:
    """Draw simulation against formulas, a figure for each class."""
    from pdplan.planner.validation import excused  # the engine loads here

    drawn = []
    for i, name in enumerate(c.name for c in validation.fleet.classes):
        rows = [r for r in validation.rows if r.quantity.startswith(f"{name} ")]
        ax = new_figure(7.6, 0.9 + 0.19 * len(rows))
        plot_agreement(rows, excused, ax)
        title = f"Simulation against formulas for {name}: difference, with its interval"
        drawn.append(Picture(inline_svg(ax, f"validation{i}", title), title))
    return drawn


def cost_picture(points: Sequence[CostPoint]) -> Picture:
    """Draw cost against rate, split and colocated."""
    ax = new_figure(7.6, 2.6)
    calm(ax)
    rates = np.array([p.rate for p in points])
    split, low, high = (
        np.array([np.nan if x is None else x for x in column], dtype=float)
        for column in (
            [p.split for p in points],
            [p.colocated_low for p in points],
            [p.colocated_high for p in points],
        )
    )
    if np.isfinite(low).any():
        ax.fill_between(rates, low, high, color=SIMULATED, alpha=0.15, linewidth=0)
        ax.plot(
            rates, high, color=SIMULATED, linewidth=0.8, linestyle=(0, (3, 2)), marker="s", markersize=2.5
        )
        ax.plot(
            rates,
            low,
            color=SIMULATED,
            linewidth=1.4,
            marker="s",
            markersize=3,
            label="colocated, least fleet",
        )
    ax.plot(rates, split, color=FORMULA, linewidth=1.6, marker="o", markersize=4, label="split")
    planned = next((p.rate for p in points if p.factor == 1.0), None)
    if planned is not None:
        ax.axvline(planned, color=FAINT, linewidth=4, zorder=0.5)
        ax.annotate(
            "planned", (planned, 0.0), (2, 3), textcoords="offset points", color=INK, fontsize="small"
        )
    ax.set_xlabel("arrival rate, all classes [req/s]")
    ax.set_ylabel("cost [USD/h]")
    ax.set_ylim(bottom=0.0)
    ax.set_xlim(left=0.0)
    legend_above(ax, 3)
    title = "Cost of the fleet against the arrival rate, split and colocated"
    return Picture(inline_svg(ax, "cost", title), title)
