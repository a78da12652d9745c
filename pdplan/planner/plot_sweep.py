"""A sweep drawn: one column against one axis, a line for each value of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pdplan.errors import InputError, did_you_mean
from pdplan.plotting import SERIES, legend_above, new_axes, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.sweep_grid import SweepResult

#: More lines than this tell nothing.
MOST_LINES = 12


def plot_sweep(result: SweepResult, ax: Axes | None, y: str, x: str | None) -> Axes:
    """Draw column ``y`` against axis ``x`` (the first without it); see `SweepResult.plot`."""
    axes = [a.column for a in result.axes]
    across = axes[0] if x is None else x
    if across not in axes:
        raise InputError(f"x is {across!r}, not an axis of this sweep: {', '.join(axes)}")
    if y not in result.columns:
        hint = did_you_mean(y, result.columns) or f"; there are {', '.join(result.columns)}"
        raise InputError(f"y is {y!r}, not a column of this sweep{hint}")
    others = [a for a in axes if a != across]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in result.rows:
        groups.setdefault(tuple(row[o] for o in others), []).append(row)
    if len(groups) > MOST_LINES:
        raise InputError(
            f"{len(groups)} lines are too many to tell apart (at most {MOST_LINES}): sweep fewer values of "
            f"{', '.join(others)}"
        )
    values = [row[y] for row in result.rows if _is_number(row.get(y))]
    if not values:
        raise InputError(f"column {y} has no number in this sweep: nothing to draw")
    ax = new_axes(ax)
    unit, unit_name = time_unit(max(values)) if y.endswith("_s") else (1.0, _UNITS.get(y, ""))
    places, place_unit = _places([row[across] for row in result.rows])
    for number, (group, rows) in enumerate(groups.items()):
        label = ", ".join(f"{o} {_text(v)}" for o, v in zip(others, group, strict=True)) or _words(y)
        xs = [places[str(row[across])] for row in rows]
        ys = [row[y] / unit if _is_number(row.get(y)) else float("nan") for row in rows]
        ax.plot(xs, ys, marker="o", markersize=4, color=SERIES[number % len(SERIES)], label=label)
    ax.set_xlabel(f"{across} [{place_unit}]" if place_unit else across)
    ax.set_ylabel(f"{_words(y)} [{unit_name}]" if unit_name else _words(y))
    ax.set_ylim(bottom=0.0)
    if len(groups) > 1:
        legend_above(ax, 3)
    return ax


_UNITS = {"usd_per_hour": "USD/h", "gpus": "GPUs", "power_w": "W"}


def _places(values: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """Return where each value of an axis lies, and its unit: numbers of one unit by size, else names."""
    found = [re.fullmatch(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(.*)", str(v)) for v in values]
    units = {m[2].strip() for m in found if m}
    if all(found) and len(units) == 1:
        return {str(v): float(m[1]) for v, m in zip(values, found, strict=True) if m}, units.pop()
    return {str(v): str(v) for v in values}, ""


def _words(column: str) -> str:
    if column == "usd_per_hour":
        return "cost"
    return column.removesuffix("_s").replace("_", " ").replace(".", " ")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
