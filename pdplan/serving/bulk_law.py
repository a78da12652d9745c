r"""Stationary law of a queue served in bulk, at most m units at a time.

From state i a step takes min(i, m) units out, and what arrives meanwhile depends on how many those are:

.. math:: Q' = (Q - m)^+ + A_{\min(Q, m)}

Below m this is a finite chain. Above m it is a random walk with steps A_m - m, whose returns below m follow
from its ladder heights (Wiener-Hopf factors of 1 - z^{-m} A_m(z), from one cepstrum). So the chain watched
below m alone has a stochastic matrix known to rounding, and its law follows from one linear system. Nothing
is lost where m is large, unlike with the m zeros in the unit disc of the usual generating function.

Source: W. Feller, An Introduction to Probability Theory II (1971), chapter XII (ladder heights); N. T. J.
Bailey, J. R. Statist. Soc. B 16 (1954) 80-87 (bulk service).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Probabilities below this are rounding of a transform.
_NOISE = 1e-15
#: ln(1/error) of a series cut on a circle, and largest exponent of the tilt (it scales rounding up).
_DIGITS = 40.0
_TILT = 14.0


def stationary_law(came: Array, size: int) -> Array:
    """Law of Q on 0..size - 1.

    Parameters
    ----------
    came : array, shape (m + 1, n)
        Row i: law of what arrives in a step with i units, n > m [-]. Row m must have a mean below m.
    size : int
        Length of the result: at least m + 1; probability beyond it is left out [-].

    Examples
    --------
    >>> came = np.array([[0.5, 0.5, 0.0], [0.5, 0.25, 0.25]])  # mean 3/4 a step
    >>> stationary_law(came, 60)[:3].round(6)  # p1 = p0, then p2 = p1/2, ...: 1 + 1 + 1/2 + ... = 3
    array([0.333333, 0.333333, 0.166667])
    """
    m = came.shape[0] - 1
    used = np.flatnonzero(came.max(axis=0) > _NOISE)
    end = max(int(used[-1]) + 1, m + 1)
    came = np.where(came[:, :end] > _NOISE, came[:, :end], 0.0)
    came /= came.sum(axis=1, keepdims=True)
    if end == m + 1:
        law = _fixed_point(came)
        return np.concatenate([law, np.zeros(size - m - 1)])
    walk = _factors(came[m], m, size)
    above = came[:m, m:]
    below = _fixed_point(came[:m, :m] + _entries(above, walk, m))
    law = np.concatenate([below, _visits(below @ above, walk, size - m)])
    return np.asarray(law / law.sum())


def _fixed_point(matrix: Array) -> Array:
    """Stationary law of a stochastic matrix."""
    n = matrix.shape[0]
    system = (matrix / matrix.sum(axis=1, keepdims=True)).T - np.eye(n)
    system[-1] = 1.0
    return np.asarray(np.maximum(np.linalg.solve(system, np.eye(1, n, n - 1)[0]), 0.0))


@dataclass(frozen=True, slots=True)
class _Walk:
    """What is needed of the walk above m: descending heights g(0..m), renewal measures down and up."""

    height: Array
    down: Array
    up: Array


def _factors(arrivals: Array, m: int, size: int) -> _Walk:
    """Wiener-Hopf factors, 1 - z^{-m} A(z) = (1 - up) (1 - down), on a circle of 1 to the decay root."""
    n = np.arange(arrivals.size)
    reach = max(size, arrivals.size)
    tilt = _TILT / reach
    while _slope(tilt, arrivals, n) > m:
        tilt *= 0.7
    span = 1 << math.ceil(math.log2(max(_DIGITS / tilt, 2 * reach)))
    step = np.zeros(span)
    step[(n - m) % span] = arrivals * np.exp(tilt * (n - m))
    cepstrum = np.fft.irfft(np.log(1.0 - np.fft.rfft(step)), span)
    rising, falling = np.zeros(span), np.zeros(span)
    rising[: span // 2] = cepstrum[: span // 2]
    falling[span // 2 :] = cepstrum[span // 2 :]
    series = np.fft.rfft(falling)
    back = -np.arange(reach)
    grow = np.exp(-tilt * back)
    height = -np.fft.irfft(np.exp(series), span)[back[: m + 1]] * grow[: m + 1]
    height[0] = 0.0
    down = np.fft.irfft(np.exp(-series), span)[back] * grow
    up = np.fft.irfft(np.exp(-np.fft.rfft(rising)), span)[:reach] / grow
    return _Walk(np.maximum(height, 0.0), np.maximum(down, 0.0), np.maximum(up, 0.0))


def _slope(tilt: float, arrivals: Array, n: NDArray[np.int64]) -> float:
    """Mean of the tilted arrivals."""
    tilted = arrivals * np.exp(tilt * n)
    return float(tilted @ n) / float(tilted.sum())


def _entries(above: Array, walk: _Walk, m: int) -> Array:
    """Where the walk first comes below m: row i from the law above[i] of its excess over m.

    Its lowest levels before that are j in 0..m - 1 with chance sum_k down(k) above(j + k); from j one ladder
    height l + j leads to m - l.
    """
    k = np.arange(above.shape[1])[:, None] - np.arange(m)[None, :]
    lowest = above @ np.where(k >= 0, walk.down[np.maximum(k, 0)], 0.0)
    drop = np.arange(m)[:, None] + np.arange(m, 0, -1)[None, :]
    return np.asarray(lowest @ np.where(drop <= m, walk.height[np.minimum(drop, m)], 0.0))


def _visits(start: Array, walk: _Walk, size: int) -> Array:
    """Expected visits above m, from the expected entries ``start``."""
    span = 1 << math.ceil(math.log2(2 * max(size, start.size)))
    spectrum = np.conj(np.fft.rfft(walk.down[: start.size], span)) * np.fft.rfft(start, span)
    lowest = np.maximum(np.fft.irfft(spectrum, span)[: start.size], 0.0)
    visits = np.fft.irfft(np.fft.rfft(lowest, span) * np.fft.rfft(walk.up[:size], span), span)
    return np.asarray(np.maximum(visits[:size], 0.0))
