"""What every ``.plot`` shares: one place that imports matplotlib, calm axes, times in a readable unit.

Nothing here changes matplotlib's settings: what is styled is the axes that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

INK: Final = "#22262b"
MUTED: Final = "#6b7280"
FAINT: Final = "#d9dce1"
FORMULA: Final = "#1f5a91"
SIMULATED: Final = "#b7791f"
LIMIT: Final = "#b3261e"
GOOD: Final = "#2f7d4f"
#: Colours of things beside each other; told apart in print and by most colour-blind readers.
SERIES: Final = ("#1f5a91", "#c9822b", "#4c9a7a", "#8a5a9e", "#b3564a", "#7d8792", "#5fa2d0", "#d3b13f")
#: Laws are drawn down to this share of requests.
RAREST: Final = 1e-3
_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def new_axes(ax: Axes | None, *, size: tuple[float, float] = (6.4, 3.6)) -> Axes:
    """Return ``ax``, or the axes of a new figure of matplotlib's pyplot; either way styled.

    Raises
    ------
    InputError
        matplotlib is not installed.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise InputError("plots need matplotlib: pip install 'pdplan[plot]'") from None
        ax = pyplot.subplots(figsize=size, layout="constrained")[1]
    calm(ax)
    return ax


def require_matplotlib() -> None:
    """Fail early where plots will be needed.

    Raises
    ------
    InputError
        matplotlib is not installed.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise InputError("plots need matplotlib: pip install 'pdplan[plot]'")


def calm(ax: Axes) -> None:
    """Take away what is not data: two spines, ticks, a loud grid."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(MUTED)
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(colors=MUTED, labelcolor=INK, length=3, width=0.8)
    ax.grid(visible=True, which="major", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def time_unit(longest_s: float) -> tuple[float, str]:
    """Return (seconds, name) of the unit in which times up to ``longest_s`` read well.

    Examples
    --------
    >>> time_unit(0.4), time_unit(3.0), time_unit(2e-5)
    ((0.001, 'ms'), (1.0, 's'), (1e-06, 'us'))
    """
    return next(((s, text) for s, text in _UNITS if longest_s >= 2.0 * s), _UNITS[-1])


def draw_exceedance(
    ax: Axes,
    sf: Callable[[Array], Array],
    quantile_s: Callable[[float], float],
    *,
    name: str,
    label: str,
    color: str = FORMULA,
    points: int = 400,
) -> float:
    """Draw P(time > t) of a law on a logarithmic scale, down to `RAREST`.

    Returns the unit of the time axis [s]: that of the first law drawn there.
    """
    longest = max(float(quantile_s(1.0 - RAREST)), 1e-12)
    unit = exceedance_axes(ax, name, longest)
    t = np.linspace(0.0, 1.02 * longest, points)
    share = np.asarray(sf(t), dtype=float)
    shown = share >= 0.5 * RAREST
    ax.plot(t[shown] / unit, share[shown], color=color, linewidth=1.6, label=label)
    return unit


def draw_next_law(
    ax: Axes | None,
    sf: Callable[[Array], Array],
    quantile_s: Callable[[float], float],
    *,
    name: str,
    label: str,
) -> Axes:
    """Draw P(time > t) of a law on new axes, or on ``ax`` beside the laws that are there."""
    ax = new_axes(ax)
    color = SERIES[len(ax.lines) % len(SERIES)]
    draw_exceedance(ax, sf, quantile_s, name=name, label=label, color=color)
    return ax


def exceedance_axes(ax: Axes, name: str, longest_s: float) -> float:
    """Label axes of P(time > t) and make room up to ``longest_s``; return the unit of time [s].

    Axes with a law on them keep their unit and only grow.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    unit, unit_name = time_unit(longest_s)
    if ax.lines:
        unit = next((s for s, text in _UNITS if ax.get_xlabel().endswith(f"[{text}]")), unit)
        ax.set_xlim(0.0, max(ax.get_xlim()[1], 1.02 * longest_s / unit))
        return unit
    ax.set_yscale("log")
    ax.set_ylim(RAREST, 1.0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlim(0.0, 1.02 * longest_s / unit)
    ax.set_xlabel(f"{name} [{unit_name}]")
    ax.set_ylabel("share that takes longer [%]")
    return unit


def legend_above(ax: Axes, columns: int = 4) -> None:
    """Name what is drawn in a row above the axes, where it hides nothing."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize="small",
        borderaxespad=0.2,
        handlelength=1.2,
        columnspacing=1.4,
    )


def note_at(ax: Axes, x: float, y: float, text: str) -> None:
    """Write beside the end of a bar."""
    ax.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", color=MUTED, fontsize="small")


def readable(text: str) -> str:
    """Write comparisons as people do.

    Examples
    --------
    >>> readable("ttft p99 <= 2 s")
    'TTFT p99 ≤ 2 s'
    """
    first, _, rest = text.partition(" ")
    return f"{first.upper()} {rest}".replace("<=", "≤").replace(">=", "≥").rstrip()


def draw_limit(ax: Axes, limit: float, share: float | None, text: str) -> None:
    """Mark a target in axes of P(time > t), in the axes' unit: a law must stay out of the shaded corner.

    ``share`` is 1 - p of a percentile; without it the limit is a line, as of a mean.
    """
    right = max(ax.get_xlim()[1], 1.08 * limit)
    ax.set_xlim(0.0, right)
    ax.axvline(limit, color=LIMIT, linewidth=1.0, linestyle=(0, (4, 2)), label=text)
    if share is not None:
        ax.fill_between([limit, 1e3 * right], share, 1.0, color=LIMIT, alpha=0.08, linewidth=0)
        ax.set_xlim(0.0, right)
