"""One bracketed root finder for this package, and one integer search: no scipy.optimize at start-up."""

from __future__ import annotations

import math
from collections.abc import Callable

from pdplan.errors import InfeasibleError


def decreasing_root(
    f: Callable[[float], float], low: float, high: float, *, rtol: float = 1e-10, max_steps: int = 200
) -> float:
    """Where a non-increasing f crosses 0 between low (f > 0) and high (f <= 0): the upper end of a bracket.

    The ITP method (Oliveira and Takahashi 2020, ACM Trans. Math. Softw. 47, 5): false position kept so near
    the middle that it takes one step more than bisection at the worst, across jumps and where f is infinite.
    f at the answer is <= 0.

    Examples
    --------
    >>> round(decreasing_root(lambda x: 2.0 - x * x, 0.0, 2.0), 6)
    1.414214
    """
    f_low, f_high = f(low), f(high)
    first, left = high - low, 0.0
    for _ in range(max_steps):
        width, middle = high - low, 0.5 * (low + high)
        if width <= rtol * abs(high):
            break
        if left < width:  # how wide the bracket may be now: twice what bisection leaves, from here on
            left = 2.0 * width
        left *= 0.5
        x = middle
        if 0.0 < f_low < math.inf and -math.inf < f_high < f_low:
            crossing = low + width * f_low / (f_low - f_high)
            lean = min(0.2 * width * width / first + 0.25 * rtol * abs(high), abs(middle - crossing))
            x = crossing + math.copysign(lean, middle - crossing)
            reach = left - 0.5 * width
            x = min(max(x, middle - reach), middle + reach)
        f_x = f(x)
        if f_x > 0:
            low, f_low = x, f_x
        else:
            high, f_high = x, f_x
    return high


def smallest_count(holds: Callable[[int], bool], low: int, *, limit: int = 1 << 40) -> int:
    """Smallest integer >= low for which a monotone test holds (false ... false true ... true).

    Raises
    ------
    InfeasibleError
        The test fails up to ``limit``.

    Examples
    --------
    >>> smallest_count(lambda n: n * n >= 50, 1)
    8
    """
    high = low
    while not holds(high):
        if high >= limit:
            raise InfeasibleError(f"no number up to {limit} is enough")
        low, high = high + 1, min(2 * high + 1, limit)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high
