"""Quantiles of smooth laws: inversion of a continuous decreasing tail, all probabilities at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError

Array = NDArray[np.float64]


def invert_smooth(tail: Callable[[Any], Any], level: Array, guess: Array, *, rtol: float = 1e-14) -> Array:
    """Solve ``tail(t) = level`` elementwise for t > 0; 0 where ``tail(0) <= level``.

    ``tail`` maps an array of times to probabilities and is continuous on t > 0, usually nearly exponential:
    the search interpolates its logarithm and needs about ten evaluations.

    Raises
    ------
    InfeasibleError
        The tail never falls to the level.

    Source: T. R. Chandrupatla, Advances in Engineering Software 28 (1997) 145-149.

    Examples
    --------
    >>> import numpy as np
    >>> invert_smooth(lambda t: 0.5 * np.exp(-t), np.array([0.25, 0.6]), np.ones(2)).round(12).tolist()
    [0.69314718056, 0.0]
    """
    out = np.zeros(level.shape)
    waits = np.flatnonzero(np.asarray(tail(np.zeros(level.shape))) > level)
    if waits.size:
        out[waits] = _solve(tail, np.log(level[waits]), guess[waits], rtol)
    return out


def _solve(tail: Callable[[Any], Any], target: Array, guess: Array, rtol: float) -> Array:
    def height(t: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(np.log(tail(t)), -1e4)) - target

    b, fb = np.zeros_like(target), height(np.zeros_like(target))
    a = np.array(guess)
    fa = height(a)
    while (fa > 0).any():
        if (a > 1e300).any():
            raise InfeasibleError("the tail never falls to the level asked for")
        b, fb = np.where(fa > 0, a, b), np.where(fa > 0, fa, fb)
        a = np.where(fa > 0, 4 * a, a)
        fa = height(a)
    share = np.full(target.shape, 0.5)
    for _ in range(200):
        x = a + share * (b - a)
        fx = height(x)
        same = (fx > 0) == (fa > 0)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        room = rtol * best + 1e-300
        if np.all((np.abs(b - a) <= 2 * room) | (fa == 0)):
            break
        share = _shares(a, b, c, fa, fb, fc)
        edge = np.minimum(room / np.maximum(np.abs(b - a), 2e-300), 0.5)
        share = np.clip(share, edge, 1 - edge)
    return np.where(fa == 0, a, best)


def _shares(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> Array:
    """Where in [a, b] to look next: inverse quadratic where Chandrupatla's test allows, else the middle."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        safe = (1 - np.sqrt(1 - xi) < phi) & (phi < np.sqrt(xi))
        quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return np.where(safe & np.isfinite(quadratic), quadratic, 0.5)
