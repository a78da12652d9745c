"""One bracketed root finder for the package (importing scipy.optimize would cost start-up time)."""

from __future__ import annotations

from collections.abc import Callable


def bracketed_root(
    function: Callable[[float], float], low: float, high: float, *, tolerance: float, iterations: int = 80
) -> float:
    """Return x in [low, high] with |function(x)| <= tolerance, for a continuous function that changes sign.

    False position with the Illinois step (Dowell and Jarratt 1971): the end that stays has its value halved,
    so the bracket shrinks from both sides. An end that already meets the tolerance is returned as it is.

    Examples
    --------
    >>> round(bracketed_root(lambda x: x * x - 2.0, 0.0, 2.0, tolerance=1e-12), 9)
    1.414213562
    """
    f_low, f_high = function(low), function(high)
    if abs(f_low) <= tolerance:
        return low
    if abs(f_high) <= tolerance:
        return high
    if f_low * f_high > 0:
        raise ValueError("the bracket holds no sign change")
    x = low
    for _ in range(iterations):
        x = (low * f_high - high * f_low) / (f_high - f_low)
        f_x = function(x)
        if abs(f_x) <= tolerance:
            break
        if f_x * f_high < 0:
            low, f_low = high, f_high
        else:
            f_low *= 0.5
        high, f_high = x, f_x
    return x
