"""A plan drawn: every load and every objective as a share of its limit, so that one sees what binds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pdplan.plotting import FORMULA, LIMIT, SIMULATED, new_axes, note_at, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.result import Fleet, Objective

_COLOURS: Final = {"met": FORMULA, "undetermined": SIMULATED, "missed": LIMIT}


def loads(fleet: Fleet) -> list[tuple[str, float, float]]:
    """(name, load, limit) of every station, as shares of what it can do."""
    limit = fleet.prefill.utilization_limit
    rows = [
        ("prefill load", fleet.prefill.utilization, limit),
        ("decode load", fleet.decode.utilization, fleet.decode.utilization_limit),
        ("link load", fleet.link.utilization, limit),
    ]
    if fleet.decode.kv_p99_share is not None:
        rows.append(("KV memory, p99", fleet.decode.kv_p99_share, 1.0))
    return rows


def plot_plan(fleet: Fleet, ax: Axes | None = None) -> Axes:
    """Draw a bar for each station and each objective: how much of its limit is used.

    100% is the limit. Shares of requests (joint objectives) are drawn by the share that may miss. A thin
    bar spans the bracket of an objective that is bounded.
    """
    bars = [(name, load / limit, load / limit, "met") for name, load, limit in loads(fleet)]
    for c in fleet.classes:
        for o in c.objectives:
            low, high = _used(o)
            bars.append((f"{c.name}: {readable(str(o.target))}", low, high, o.status))
    ax = new_axes(ax, size=(6.4, 1.0 + 0.36 * len(bars)))
    for row, (_, low, high, status) in enumerate(bars):
        color = LIMIT if low > 1.0 else _COLOURS[status]
        ax.barh(row, 100 * low, height=0.6, color=color, alpha=0.9)
        if high > low:
            ax.barh(row, 100 * (high - low), left=100 * low, height=0.18, color=color, alpha=0.5)
        note_at(ax, 100 * high, row, f"{100 * high:.0f}%")
    ax.axvline(100.0, color=LIMIT, linewidth=1.0, linestyle=(0, (4, 2)))
    ax.set_yticks(range(len(bars)), [name for name, *_ in bars])
    ax.set_ylim(len(bars) - 0.4, -0.6)
    ax.set_xlim(0.0, max(112.0, *(110 * high for _, _, high, _ in bars)))
    ax.set_xlabel("used of the limit [%]")
    ax.grid(visible=False, axis="y")
    return ax


def _used(o: Objective) -> tuple[float, float]:
    """How much of a limit an objective uses, at the two ends of its bracket."""
    if o.is_share:  # of the requests that may miss, those that do
        room = max(1.0 - o.limit, 1e-9)
        return (1.0 - o.high) / room, (1.0 - o.low) / room
    return o.low / o.limit, o.high / o.limit


def plot_loads(fleet: Fleet, ax: Axes | None = None) -> Axes:
    """Draw how busy each station is, with its limit."""
    rows = loads(fleet)
    ax = new_axes(ax, size=(6.4, 0.9 + 0.4 * len(rows)))
    for i, (_, load, limit) in enumerate(rows):
        ax.barh(i, 100 * load, height=0.6, color=FORMULA if load <= limit else LIMIT)
        ax.plot([100 * limit] * 2, [i - 0.42, i + 0.42], color=LIMIT, linewidth=1.4)
        note_at(ax, 100 * load, i, f"{load:.1%}" if load < 0.1 else f"{load:.0%}")
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0.0, max(104.0, *(112 * load for _, load, _ in rows)))
    ax.set_xlabel("load, with its limit [%]")
    ax.grid(visible=False, axis="y")
    return ax
