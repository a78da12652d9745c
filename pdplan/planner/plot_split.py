"""Verdicts drawn: what each class costs split and colocated, and the two ledgers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pdplan.plotting import FORMULA, SIMULATED, legend_above, new_axes, note_at, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.verdict import ClassVerdict, Ledger

SPLIT, COLOCATED = FORMULA, SIMULATED


def plot_verdicts(verdicts: Sequence[ClassVerdict], ax: Axes | None = None) -> Axes:
    """Draw the cost of each class by itself: split, and colocated from its least to its surest fleet.

    What cannot be built has no bar; a colocated fleet that no number of instances makes sure has an arrow.
    """
    ax = new_axes(ax, size=(6.4, 1.2 + 0.7 * len(verdicts)))
    ends = [_ends(v) for v in verdicts]
    top = max((x for three in ends for x in three if x is not None), default=1.0)
    for row, (split, low, high) in enumerate(ends):
        if split is not None:
            ax.barh(row - 0.18, split, height=0.32, color=SPLIT, label="split")
        if low is not None:
            ax.barh(row + 0.18, low, height=0.32, color=COLOCATED, label="colocated, least to surest fleet")
            if high is None:
                ax.annotate(
                    "",
                    (1.12 * top, row + 0.18),
                    (low, row + 0.18),
                    arrowprops={"arrowstyle": "->", "color": COLOCATED},
                )
            elif high > low:
                ax.barh(row + 0.18, high - low, left=low, height=0.32, color=COLOCATED, alpha=0.35)
    words = {"split": "split", "undetermined": "undetermined", "infeasible": "no fleet"}
    names = [f"{v.name}: {words.get(v.reason, 'keep colocated')}" for v in verdicts]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0.0, 1.15 * top)
    ax.set_xlabel("cost of the class by itself [USD/h]")
    ax.grid(visible=False, axis="y")
    _legend_once(ax)
    return ax


def _legend_once(ax: Axes) -> None:
    """Name each colour once, whichever classes have it."""
    seen: set[str] = set()
    for container in ax.containers:
        if container.get_label() in seen:
            container.set_label("_again")
        seen.add(str(container.get_label()))
    if seen:
        legend_above(ax)


def _ends(v: ClassVerdict) -> tuple[float | None, float | None, float | None]:
    """Cost of the split fleet, of the least and of the surest colocated one [USD/h]."""
    low, high = v.colocated.cost_low, v.colocated.cost
    return (
        None if v.fleet is None else v.fleet.cost.usd_per_hour,
        None if low is None else low.usd_per_hour,
        None if high is None else high.usd_per_hour,
    )


def plot_ledger(ledger: Ledger, ax: Axes | None = None) -> Axes:
    """Draw both ledgers of a class: a gap between tokens with and without a chunk; TTFT's two terms."""
    rows = [
        ("decode step, clean", ledger.clean_step_s, 0.0),
        ("decode step with a chunk", ledger.clean_step_s, ledger.chunk_s),
        ("prefill", ledger.prefill_s, 0.0),
        ("prefill and transfer", ledger.prefill_s, ledger.visible_transfer_s),
    ]
    ax = new_axes(ax, size=(6.4, 2.6))
    unit, unit_name = time_unit(max(base + extra for _, base, extra in rows))
    at = np.array([0.0, 1.0, 2.5, 3.5])
    ax.barh(at, [base / unit for _, base, _ in rows], height=0.62, color=SPLIT)
    ax.barh(
        at,
        [extra / unit for *_, extra in rows],
        left=[base / unit for _, base, _ in rows],
        height=0.62,
        color=COLOCATED,
    )
    for row, text in (
        (1, f"{ledger.verdict.itl_gain:.2f} times, on every token"),
        (3, f"+{ledger.verdict.ttft_penalty:.1%} of prefill, on each request"),
    ):
        note_at(ax, (rows[row][1] + rows[row][2]) / unit, float(at[row]), text)
    ax.set_yticks(at, [name for name, *_ in rows])
    ax.set_ylim(4.1, -0.6)
    ax.set_xlim(0.0, 1.7 * max(base + extra for _, base, extra in rows) / unit)
    ax.set_xlabel(f"time [{unit_name}]")
    ax.grid(visible=False, axis="y")
    return ax
