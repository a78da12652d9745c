"""Every waiting-time law draws itself: the share of customers that waits longer, against how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bounds closer than this to each other are one line on paper.
VISIBLE_GAP = 0.01


class PlotsWait:
    """``.plot`` for a law with ``wait_sf`` and ``wait_quantile_s``."""

    def plot(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw P(W > t) on a logarithmic scale, down to one in a thousand; needs the extra ``plot``.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; the axes of a new figure without it.
        label : str, optional
            Name in a legend; default the law and its utilisation.

        Returns
        -------
        matplotlib Axes
            Proven bounds of the quantiles, where the law has them and they differ visibly, are a band.

        Raises
        ------
        InputError
            matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from pdplan.queueing import MD1, MM1
        >>> ax = MD1(arrival_rate=0.9, service_s=1.0).plot()
        >>> ax = MM1(arrival_rate=0.9, service_s=1.0).plot(ax)
        >>> ax.get_xlabel(), [line.get_label() for line in ax.lines]
        ('waiting time [s]', ['MD1, load 90%', 'MM1, load 90%'])
        >>> plt.close(ax.figure)
        """
        from pdplan.plotting import SERIES, draw_exceedance, new_axes

        ax = new_axes(ax)
        law: Any = self
        color = SERIES[len(ax.lines) % len(SERIES)]
        name = label or f"{type(self).__name__}, load {law.utilization:.0%}"
        unit = draw_exceedance(
            ax, law.wait_sf, law.wait_quantile_s, name="waiting time", label=name, color=color
        )
        bounds = getattr(law, "wait_quantile_bounds_s", None)
        if bounds is not None:
            _band(ax, bounds, unit, color)
        return ax


def _band(ax: Axes, bounds: Any, unit_s: float, color: str) -> None:
    """Fill what lies between proven bounds of the quantiles, if the eye can tell them apart."""
    from pdplan.plotting import RAREST

    share = np.geomspace(0.5, RAREST, 40)
    low, high = (np.asarray(end, dtype=float) for end in bounds(1.0 - share))
    if np.all(high - low <= VISIBLE_GAP * np.maximum(high, 1e-300)) or not np.isfinite(high).all():
        return
    ax.fill_betweenx(share, low / unit_s, high / unit_s, color=color, alpha=0.15, linewidth=0)
