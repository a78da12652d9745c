"""Numbers as they are put into formulas, with as many digits as the answer needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

#: Significant digits of a value.
DIGITS = 5
#: Most significant digits of a number that is put in.
MOST_DIGITS = 15


def number(x: float, digits: int = DIGITS) -> str:
    """Return a number with so many significant digits, without an exponent where it reads well.

    Examples
    --------
    >>> number(529600.4), number(0.0001386603), number(8.0), number(4.6441e-102), number(0.0)
    ('529600', '0.00013866', '8', '4.6441e-102', '0')
    """
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    exponent = math.floor(math.log10(abs(x)))
    rounded = float(f"{x:.{digits - 1}e}")
    if not -5 <= exponent < 9:
        head, _, tail = f"{rounded:.{digits - 1}e}".partition("e")
        return f"{head.rstrip('0').rstrip('.')}e{int(tail)}"
    text = f"{rounded:.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ulp(x: float, digits: int = DIGITS) -> float:
    """Return what one more in the last printed place is worth.

    Examples
    --------
    >>> ulp(0.52597)
    1e-05
    """
    return 10.0 ** (math.floor(math.log10(abs(x))) - digits + 1) if x else 10.0**-digits


def digits_needed(formula: Callable[..., Any], arguments: Mapping[str, float], value: float) -> int:
    """Return how many digits the arguments need, so that the formula gives the printed value.

    A formula amplifies the rounding of what is put in: near saturation a wait needs its load to many digits.

    Examples
    --------
    >>> from pdplan.queueing.md1 import md1_mean_wait_s
    >>> digits_needed(md1_mean_wait_s, {"arrival_rate": 4.0, "service_s": 0.2}, 0.4)
    5
    >>> law = {"arrival_rate": 0.99912345678, "service_s": 1.0}
    >>> digits_needed(md1_mean_wait_s, law, md1_mean_wait_s(**law))
    9
    """
    room = 0.05 * ulp(value)
    for digits in range(DIGITS, MOST_DIGITS + 1):
        rounded = {a: float(number(v, digits)) for a, v in arguments.items()}
        try:
            if abs(float(formula(**rounded)) - value) <= room:
                return digits
        except (ArithmeticError, ValueError):
            continue
    return MOST_DIGITS
