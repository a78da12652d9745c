"""A validation drawn: how far simulation lies from each formula, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from pdplan.plotting import GOOD, INK, LIMIT, MUTED, SIMULATED, legend_above, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.sim.statistics import AgreementRow

_COLOURS: Final = {
    "agrees": GOOD,
    "disagrees": LIMIT,
    "differs, as approximations may": SIMULATED,
    "not enough data": MUTED,
}


def plot_agreement(
    rows: Sequence[AgreementRow], excused: Callable[[AgreementRow], bool], ax: Axes | None = None
) -> Axes:
    """Draw a point per quantity: simulated less formula, as a share of the formula, with its interval.

    ``excused`` says of a row that differs whether an approximate formula may err so far. The bar behind is
    the formula: a hair where it is a number, wide where it is a bracket. Rows whose formula is 0 have no
    share and are left out.
    """
    shown = [r for r in rows if r.formula_high > 0 and math.isfinite(r.low)]
    ax = new_axes(ax, size=(6.4, 0.9 + 0.26 * len(shown)))
    seen: set[str] = set()
    for i, r in enumerate(shown):
        formula = 0.5 * (r.formula_low + r.formula_high)
        low, at, value = (100 * (x / formula - 1.0) for x in (r.low, r.formula_low, r.simulated))
        high = 100 * (r.high / formula - 1.0) if math.isfinite(r.high) else value
        ax.plot([at, -at], [i, i], color=INK, alpha=0.15, linewidth=9, solid_capstyle="butt")
        verdict = "differs, as approximations may" if r.verdict == "disagrees" and excused(r) else r.verdict
        label = None if verdict in seen else verdict
        seen.add(verdict)
        ax.errorbar(
            value,
            i,
            xerr=[[max(value - low, 0.0)], [max(high - value, 0.0)]],
            fmt="o",
            markersize=4,
            linewidth=1.2,
            color=_COLOURS[verdict],
            label=label,
        )
    ax.axvline(0.0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(shown)), [r.quantity for r in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlabel("simulated less formula [% of the formula]")
    legend_above(ax, 2)
    return ax
