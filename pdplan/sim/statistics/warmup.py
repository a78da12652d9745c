"""Where the start of a run ends: MSER-5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction
from pdplan.errors import InputError

Array = NDArray[np.float64]

#: Observations that MSER-5 averages before it looks.
GROUP = 5


@dataclass(frozen=True, slots=True)
class Warmup:
    """How many observations at the start of a run are left out.

    Attributes
    ----------
    observations : int
        Left out [-].
    settled : bool
        Whether the best cut lies inside the part of the pilot that was searched. A cut at its end says that
        the pilot is too short, or that there is no steady state.
    """

    observations: int
    settled: bool


def mser5(pilot: Array, *, search: float = 0.5) -> Warmup:
    r"""Return the cut that minimises the marginal standard error of what remains of a pilot run.

    .. math:: d^* = \arg\min_d \frac{1}{(n-d)^2} \sum_{i>d} (Y_i - \bar Y_{n,d})^2

    over means Y of five observations.

    Parameters
    ----------
    pilot : array
        Observations in order of arrival.
    search : float
        Share of the pilot in which the cut is looked for [-]; beyond a half the criterion rests on too few
        observations.

    Returns
    -------
    Warmup

    Raises
    ------
    InputError
        Fewer than 50 observations.

    Notes
    -----
    Source: K. P. White, M. J. Cobb, S. C. Spratt, A comparison of five steady-state truncation heuristics for
    simulation, Proc. Winter Simulation Conference 2000, 755-760.

    Examples
    --------
    >>> climb = np.concatenate([np.linspace(0.0, 9.0, 200), 10.0 + np.sin(np.arange(1800))])
    >>> mser5(climb)
    Warmup(observations=200, settled=True)
    """
    require_fraction("search", search, open_low=True, open_high=True)
    if pilot.size < 10 * GROUP:
        raise InputError(f"the pilot has {pilot.size} observations: MSER-5 needs at least {10 * GROUP}")
    groups = pilot.size // GROUP
    mean = pilot[: groups * GROUP].reshape(groups, GROUP).mean(axis=1)
    mean -= mean.mean()  # differences of squares lose digits where the level is large
    left = np.arange(groups, 0, -1, dtype=float)
    total = np.cumsum(mean[::-1])[::-1]
    squares = np.cumsum(mean[::-1] ** 2)[::-1]
    last = max(1, int(search * groups))
    error = np.maximum(squares - total**2 / left, 0.0)[:last] / left[:last] ** 2
    best = int(np.argmin(error))
    return Warmup(best * GROUP, best < last - 1)
