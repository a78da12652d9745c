"""Several comparisons at once: Holm's correction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdplan.checks import require_fraction

Array = NDArray[np.float64]


def holm_levels(p_values: ArrayLike, alpha: float = 0.01) -> Array:
    """Return the level at which each of m comparisons is tested, so that all hold together.

    In ascending order of p the k-th is tested at alpha / (m - k + 1) until one is not rejected; that one and
    all after it keep its level. A comparison is rejected exactly when its p-value is at or below its level,
    and an interval at this level then excludes the value compared with.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979)
    65-70.

    Examples
    --------
    >>> holm_levels([0.5, 0.001, 0.02], 0.03).tolist()
    [0.015, 0.01, 0.015]
    """
    require_fraction("alpha", alpha, open_low=True, open_high=True)
    p = np.asarray(p_values, dtype=float)
    level = np.empty(p.size)
    current = alpha
    stopped = False
    for rank, at in enumerate(np.argsort(p, kind="stable")):
        if not stopped:
            current = alpha / (p.size - rank)
            stopped = bool(p[at] > current)
        level[at] = current
    return level


def holm_rejects(p_values: ArrayLike, alpha: float = 0.01) -> NDArray[np.bool_]:
    """Return which comparisons are rejected.

    Examples
    --------
    >>> holm_rejects([0.5, 0.001, 0.02], 0.03).tolist()
    [False, True, False]
    """
    return np.asarray(np.asarray(p_values, dtype=float) <= holm_levels(p_values, alpha))
