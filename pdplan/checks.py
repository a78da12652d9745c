"""Guards at the door of a formula: one clear line for a value outside its range.

Formulas are also traced with sympy symbols (``pdplan.symbolic``); a symbol has no value to check, so
guards let anything through that carries ``free_symbols``.
"""

from __future__ import annotations

import math
from typing import Any

from pdplan.errors import InputError, UnstableError


def is_symbolic(value: Any) -> bool:
    """Return whether ``value`` is a sympy expression (without importing sympy)."""
    return hasattr(value, "free_symbols")


def _extremes(value: Any) -> tuple[float, float] | None:
    """Return (min, max) of a number or array, NaN if any entry is NaN; None for a symbol."""
    if isinstance(value, (int, float)):  # nearly every call
        v = float(value)
        return v, v
    if is_symbolic(value):
        return None
    import numpy as np

    array = np.asarray(value, dtype=float)
    if array.size == 0:
        return math.nan, math.nan
    return float(array.min()), float(array.max())


def require_positive(name: str, value: Any, unit: str = "", *, zero_ok: bool = False) -> None:
    """Raise `InputError` unless every entry of ``value`` is finite and > 0 (>= 0 with ``zero_ok``).

    Examples
    --------
    >>> require_positive("service_s", 0.2, "s")
    >>> require_positive("service_s", -1.0, "s")
    Traceback (most recent call last):
    pdplan.errors.InputError: service_s is -1 s: it must be a finite number greater than 0
    """
    ends = _extremes(value)
    if ends is None:
        return
    low, high = ends
    good = math.isfinite(low) and math.isfinite(high) and (low >= 0 if zero_ok else low > 0)
    if not good:
        shown = low if not (low >= 0 if zero_ok else low > 0) else high
        bound = "at least 0" if zero_ok else "greater than 0"
        suffix = f" {unit}" if unit else ""
        raise InputError(f"{name} is {shown:g}{suffix}: it must be a finite number {bound}")


def require_fraction(name: str, value: Any, *, open_low: bool = False, open_high: bool = False) -> None:
    """Raise `InputError` unless every entry lies in [0, 1] (ends excluded on request).

    Examples
    --------
    >>> require_fraction("p", 0.99, open_high=True)
    >>> require_fraction("p", 1.0, open_high=True)
    Traceback (most recent call last):
    pdplan.errors.InputError: p is 1: it must lie in [0, 1)
    """
    ends = _extremes(value)
    if ends is None:
        return
    low, high = ends
    good = (low > 0 if open_low else low >= 0) and (high < 1 if open_high else high <= 1)
    if not good:
        shown = low if not (low > 0 if open_low else low >= 0) else high
        raise InputError(
            f"{name} is {shown:g}: it must lie in {'(' if open_low else '['}0, 1{')' if open_high else ']'}"
        )


def require_stable(utilization: Any, *, what: str = "the station") -> None:
    """Raise `UnstableError` unless every utilisation is below 1.

    Examples
    --------
    >>> require_stable(0.9)
    >>> require_stable(1.07, what="the decode pool")
    Traceback (most recent call last):
    pdplan.errors.UnstableError: the decode pool is offered 1.07 of its capacity: it must stay below 1; ...
    """
    ends = _extremes(utilization)
    if ends is None:
        return
    if not ends[1] < 1:
        raise UnstableError(
            f"{what} is offered {ends[1]:.4g} of its capacity: it must stay below 1; "
            "lower the rate, shorten the service or add servers"
        )
