"""Small root finders, so that start-up does not pay for ``scipy.optimize``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError

Array = NDArray[np.float64]


def bracket_up(f: Callable[[float], float], low: float, high: float, *, limit: float = 1e300) -> float:
    """Double ``high`` until ``f(high)`` differs in sign from ``f(low)``; return that ``high``.

    Raises
    ------
    InfeasibleError
        No change of sign up to ``limit``.

    Examples
    --------
    >>> bracket_up(lambda x: x - 5.0, 0.0, 1.0)
    8.0
    """
    below = f(low) > 0
    while (f(high) > 0) == below:
        if high > limit:
            raise InfeasibleError(f"no change of sign between {low:g} and {limit:g}: there is no root")
        high *= 2
    return high


def find_root(
    f: Callable[[float], float], low: float, high: float, *, rtol: float = 1e-14, max_steps: int = 200
) -> float:
    """Root of a continuous ``f`` between ``low`` and ``high``, where its signs differ.

    Inverse quadratic interpolation where it is safe, bisection elsewhere; never leaves the bracket.

    Raises
    ------
    InfeasibleError
        ``f(low)`` and ``f(high)`` have the same sign.

    Source: T. R. Chandrupatla, Advances in Engineering Software 28 (1997) 145-149.

    Examples
    --------
    >>> round(find_root(lambda x: x * x - 2.0, 0.0, 2.0), 12)
    1.414213562373
    """
    a, b = float(high), float(low)
    fa, fb = f(a), f(b)
    if fa == 0:
        return a
    if fb == 0:
        return b
    if (fa > 0) == (fb > 0):
        raise InfeasibleError(f"no change of sign between {low:g} and {high:g}: there is no root")
    share = 0.5
    for _ in range(max_steps):
        x = a + share * (b - a)
        fx = f(x)
        if (fx > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, fc = b, fb
            b, fb = a, fa
        a, fa = x, fx
        best = a if abs(fa) < abs(fb) else b
        room = rtol * abs(best) + 5e-324
        if fa == 0 or abs(b - a) <= 2 * room:
            return best
        share = _next_share(a, b, c, fa, fb, fc)
        edge = room / abs(b - a)
        share = min(max(share, edge), 1 - edge)
    return best


def _next_share(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> float:
    """Where in [a, b] to look next: inverse quadratic if Chandrupatla's test allows, else the middle."""
    if fc in (fa, fb) or not (math.isfinite(fa) and math.isfinite(fb) and math.isfinite(fc)):
        return 0.5
    xi = (a - b) / (c - b)
    phi = (fa - fb) / (fc - fb)
    if 1 - math.sqrt(1 - xi) < phi < math.sqrt(xi):
        return fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return 0.5


def smallest_int(holds: Callable[[int], bool], low: int, *, limit: int = 1 << 62) -> int:
    """Smallest integer >= ``low`` for which a monotone test holds (false ... false true ... true).

    Doubling steps from ``low``, then bisection: about 2 log2(answer - low) tests.

    Raises
    ------
    InfeasibleError
        The test fails up to ``limit``.

    Examples
    --------
    >>> smallest_int(lambda n: n * n >= 50, 1)
    8
    """
    if holds(low):
        return low
    stride = 1
    while not holds(min(low + stride, limit)):
        if low + stride >= limit:
            raise InfeasibleError(f"no integer up to {limit} is large enough")
        low, stride = low + stride, 2 * stride
    high = min(low + stride, limit)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def invert_decreasing(
    f: Callable[[Any], Any], level: Array, high: Array, *, rtol: float = 1e-13, max_steps: int = 1200
) -> Array:
    """Smallest ``t >= 0`` with ``f(t) <= level``, elementwise, for a decreasing ``f`` of arrays.

    ``high`` is a first guess > 0 of an upper end; it is doubled where it is too small. Bisection only, so
    that jumps of ``f`` do no harm: the answer always satisfies ``f(t) <= level``.

    Raises
    ------
    InfeasibleError
        ``f`` never falls to the level.

    Examples
    --------
    >>> import numpy as np
    >>> invert_decreasing(lambda t: np.exp(-t), np.array([0.5, 2.0]), np.ones(2)).round(12).tolist()
    [0.69314718056, 0.0]
    """
    high = np.array(high, dtype=float)
    low = np.zeros_like(high)
    done = np.asarray(f(low)) <= level
    for _ in range(1100):
        short = ~done & (np.asarray(f(high)) > level)
        if not short.any():
            break
        low = np.where(short, high, low)
        high = np.where(short, np.minimum(high, 1e307) * 2, high)
        if (high > 1e307).any():
            raise InfeasibleError("the function never falls to the level asked for")
    high = np.where(done, 0.0, high)
    low = np.where(done, 0.0, low)
    for _ in range(max_steps):
        if (high - low <= rtol * high).all():
            break
        middle = 0.5 * (low + high)
        under = np.asarray(f(middle)) <= level
        high = np.where(under, middle, high)
        low = np.where(under, low, middle)
    return high
