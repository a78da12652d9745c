"""Student's t: quantiles and two-sided probabilities."""

from __future__ import annotations

import math

from pdplan import special
from pdplan.checks import require_fraction
from pdplan.normal import ndtri


def t_multiplier(confidence: float, degrees: float) -> float:
    """Return t with P(|T| <= t) = ``confidence`` [-].

    From 20 degrees on and up to 99.9%, by the expansion around the normal quantile (Abramowitz and Stegun
    1964, 26.7.5; within 1e-5), which spares a check of a plan the import of scipy.

    Examples
    --------
    >>> round(t_multiplier(0.99, 31), 4)
    2.744
    """
    require_fraction("confidence", confidence, open_low=True, open_high=True)
    if degrees < 20 or confidence > 0.999:
        return float(special.stdtrit(degrees, 0.5 + 0.5 * confidence))
    z = float(ndtri(0.5 + 0.5 * confidence))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / degrees ** (k + 1) for k, term in enumerate(terms))


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
    return float(2.0 * special.stdtr(degrees, -abs(difference) / std_error))
