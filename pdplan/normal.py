"""The normal law without scipy, which costs start-up time: its cdf and quantile for arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_inv_cdf = np.frompyfunc(NormalDist().inv_cdf, 1, 1)

# Cody 1969: numerators and denominators, highest power first, of erf to ``_SMALL`` and of erfc above.
_SMALL: Final = 0.46875
_ERF: Final = (
    (
        0.185777706184603153,
        3.16112374387056560,
        113.864154151050156,
        377.485237685302021,
        3209.37758913846947,
    ),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
_MIDDLE: Final = (
    (2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295,
     298.635138197400131, 881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725),
    (1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019,
     3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
)  # fmt: skip
_LARGE: Final = (
    (1.63153871373020978e-2, 0.305326634961232344, 0.360344899949804439, 0.125781726111229246,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 0.527905102951428412, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def ndtr(x: Any) -> Any:
    """P(Z <= x) for a standard normal Z, accurate in both tails.

    Examples
    --------
    >>> round(float(ndtr(1.0)), 12), float(ndtr(-40.0)) > 0
    (0.841344746069, False)
    """
    x = np.asarray(x, dtype=float)
    if x.size == 1:  # a number by itself is quicker without arrays
        return np.reshape(0.5 * math.erfc(-x.item() / math.sqrt(2.0)), x.shape)
    return 0.5 * _erfc(x * -math.sqrt(0.5)).reshape(x.shape)


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


def _erfc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Complementary error function within 1e-13 of itself (Cody 1969, Math. Comp. 23, 631)."""
    x = x.ravel()
    size = np.minimum(np.abs(x), 40.0)  # beyond 27 the tail is below the smallest number
    tail = np.empty_like(size)
    middle, large = np.flatnonzero(size <= 4.0), np.flatnonzero(~(size <= 4.0))
    tail[middle] = _ratio(_MIDDLE, size.take(middle))
    inverse = size.take(large) ** -2.0
    tail[large] = (1.0 / math.sqrt(math.pi) - inverse * _ratio(_LARGE, inverse)) / size.take(large)
    tail *= np.exp(-size * size)
    value = np.where(x < 0.0, 2.0 - tail, tail)
    small = np.flatnonzero(size <= _SMALL)
    near = x.take(small)
    value[small] = 1.0 - near * _ratio(_ERF, near * near)
    return value


def _ratio(polynomials: Sequence[Sequence[float]], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient of two polynomials, highest power first."""
    above, below = (np.full_like(x, p[0]) for p in polynomials)
    for a, b in zip(polynomials[0][1:], polynomials[1][1:], strict=True):
        above *= x
        above += a
        below *= x
        below += b
    return above / below
