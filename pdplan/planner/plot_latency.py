"""Latencies drawn: the law of one, and the parts that a mean is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pdplan.planner.ttft_parts import PARTS
from pdplan.plotting import (
    RAREST,
    SERIES,
    draw_limit,
    exceedance_axes,
    legend_above,
    new_axes,
    readable,
    time_unit,
)
from pdplan.spec.slo import JointTarget

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.result import ClassPlan, Latency, Objective


def plot_latency(latency: Latency, ax: Axes | None = None, *, label: str | None = None) -> Axes:
    """Draw the share of requests that takes longer than t, from the percentiles of a latency.

    A bracket (``low_s`` below ``high_s``) is a bar at each percentile that has one.
    """
    ax = new_axes(ax)
    name = latency.metric.upper()
    known = sorted(latency.quantiles_s)
    levels = known if latency.ask is None else (1.0 - np.geomspace(0.999, RAREST, 120)).tolist()
    share = 1.0 - np.array(levels)
    times = np.array([latency.quantile_s(p) for p in levels])
    color = SERIES[len(ax.lines) % len(SERIES)]
    unit = exceedance_axes(ax, name, float(times[-1]))
    ax.plot(times / unit, share, color=color, linewidth=1.6, label=label or f"{name}, {latency.trust}")
    for p in known:
        low, high = latency.low_s.get(p, 0.0), latency.high_s.get(p, 0.0)
        if high > low:
            ax.plot([low / unit, high / unit], [1.0 - p] * 2, color=color, alpha=0.3, linewidth=5)
    return ax


def draw_targets(ax: Axes, metric: str, objectives: Iterable[Objective]) -> None:
    """Mark what a class asks of one latency."""
    unit = next(u for u, text in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if f"[{text}]" in ax.get_xlabel())
    for o in objectives:
        if isinstance(o.target, JointTarget):
            joint = o.target.ttft_s if metric == "ttft" else o.target.tpot_s if metric == "tpot" else None
            if joint is not None:
                draw_limit(ax, joint / unit, None, f"{metric.upper()} of the joint target")
        elif o.target.metric == metric:
            p = o.target.probability
            share = None if p is None else 1.0 - p
            draw_limit(ax, o.target.limit_s / unit, share, readable(str(o.target)))


def plot_parts(classes: Iterable[ClassPlan], ax: Axes | None = None) -> Axes:
    """Draw where the mean TTFT of each class goes: a bar per class, a colour per part."""
    shown = list(classes)
    ax = new_axes(ax, size=(6.4, 1.4 + 0.5 * len(shown)))
    longest = max(c.ttft.mean_s for c in shown)
    unit, unit_name = time_unit(longest)
    rows = np.arange(len(shown))
    left = np.zeros(len(shown))
    for number, part in enumerate(visible_parts([c.ttft_parts_s for c in shown], 2e-3 * longest)):
        width = np.array([c.ttft_parts_s.get(part, 0.0) for c in shown]) / unit
        color = SERIES[number % len(SERIES)]
        ax.barh(rows, width, left=left, height=0.6, color=color, label=PARTS.get(part, part))
        left += width
    ax.set_yticks(rows, [c.name for c in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel(f"mean TTFT [{unit_name}]")
    ax.grid(visible=False, axis="y")
    legend_above(ax)
    return ax


def visible_parts(parts: Iterable[Mapping[str, float]], least_s: float) -> list[str]:
    """Return the parts that any class spends ``least_s`` or more in, in the order of the request's way."""
    largest: dict[str, float] = {}
    for each in parts:
        for name, value in each.items():
            largest[name] = max(largest.get(name, 0.0), value)
    order = {name: i for i, name in enumerate(PARTS)}
    found = [name for name, value in largest.items() if value >= least_s]
    return sorted(found, key=lambda name: order.get(name, len(order)))
