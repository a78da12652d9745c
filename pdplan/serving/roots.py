"""One bracketed root finder for this package, and one integer search: no scipy.optimize at start-up."""

from __future__ import annotations

from collections.abc import Callable

from pdplan.errors import InfeasibleError


def decreasing_root(
    f: Callable[[float], float], low: float, high: float, *, rtol: float = 1e-10, max_steps: int = 200
) -> float:
    """Where a non-increasing f crosses 0 between low (f > 0) and high (f <= 0): the upper end of a bisection.

    Works across jumps; f at the answer is <= 0.

    Examples
    --------
    >>> round(decreasing_root(lambda x: 2.0 - x * x, 0.0, 2.0), 6)
    1.414214
    """
    for _ in range(max_steps):
        if high - low <= rtol * abs(high):
            break
        middle = 0.5 * (low + high)
        if f(middle) > 0:
            low = middle
        else:
            high = middle
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
