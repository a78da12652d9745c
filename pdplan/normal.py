"""The normal law by the standard library: its cdf and quantile for arrays of moderate size."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

_erfc = np.frompyfunc(math.erfc, 1, 1)
_inv_cdf = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


def ndtr(x: Any) -> Any:
    """P(Z <= x) for a standard normal Z, accurate in both tails.

    Examples
    --------
    >>> round(float(ndtr(1.0)), 12), float(ndtr(-40.0)) > 0
    (0.841344746069, False)
    """
    return 0.5 * np.asarray(_erfc(-np.asarray(x, dtype=float) / math.sqrt(2.0)), dtype=float)


def ndtri(p: Any) -> Any:
    """Quantile of the standard normal law; -inf at 0 and inf at 1.

    Source: Wichura 1988 (algorithm AS 241), as in Python's ``statistics``.

    Examples
    --------
    >>> round(float(ndtri(0.975)), 9), float(ndtri(1.0))
    (1.959963985, inf)
    """
    p = np.asarray(p, dtype=float)
    inner = np.clip(p, 5e-324, 1.0 - 2.0**-53)
    value = np.asarray(_inv_cdf(inner), dtype=float)
    return np.where(p <= 0.0, -np.inf, np.where(p >= 1.0, np.inf, value))
