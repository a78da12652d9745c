"""The larger of two quantities, for numbers, arrays and sympy symbols alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.checks import is_symbolic


def larger(x: Any, y: Any) -> Any:
    """Return max(x, y): elementwise for arrays, ``sympy.Max`` when either is a symbol.

    Examples
    --------
    >>> larger(0.0, -0.3)
    0.0
    >>> larger(np.array([1.0, 3.0]), 2.0)
    array([2., 3.])
    """
    if is_symbolic(x) or is_symbolic(y):
        import sympy  # a symbol was given, so sympy is loaded already

        return sympy.Max(x, y)
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return np.maximum(x, y)
    return max(x, y)
