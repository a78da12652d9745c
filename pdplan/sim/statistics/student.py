"""Student's t: quantiles and two-sided probabilities."""

from __future__ import annotations

import math

from scipy.special import stdtr, stdtrit

from pdplan.checks import require_fraction


def t_multiplier(confidence: float, degrees: float) -> float:
    """Return t with P(|T| <= t) = ``confidence`` [-].

    Examples
    --------
    >>> round(t_multiplier(0.99, 31), 4)
    2.744
    """
    require_fraction("confidence", confidence, open_low=True, open_high=True)
    return float(stdtrit(degrees, 0.5 + 0.5 * confidence))


def two_sided_p(difference: float, std_error: float, degrees: float) -> float:
    """Return P(|T| >= |difference| / std_error) [-]; without spread, 1 for no difference and else 0.

    Examples
    --------
    >>> round(two_sided_p(2.744, 1.0, 31), 4)
    0.01
    """
    if difference == 0:
        return 1.0
    if not std_error > 0 or math.isinf(difference):
        return 0.0
    return float(2.0 * stdtr(degrees, -abs(difference) / std_error))
