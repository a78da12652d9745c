"""A vector of means at many rates from few: interpolated where that is checked to be good enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import PdplanError

Array = NDArray[np.float64]
#: What a rate gives: its means, or why there are none.
Answer = Array | PdplanError

#: Largest relative difference between interpolated and computed values at the places compared [-].
TOLERANCE: Final = 5e-4
_DEGREE: Final = 8
#: Chebyshev points of the second kind on [-1, 1], and the weights of the barycentric formula
#: (Berrut and Trefethen 2004, equation 5.4).
_NODES: Final = np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)
_WEIGHTS: Final = (-1.0) ** np.arange(_DEGREE + 1) * np.where(np.arange(_DEGREE + 1) % _DEGREE == 0, 0.5, 1.0)
#: Where the interpolant is compared with computed values: between nodes, on both sides and in the middle.
_CHECKS: Final = np.array([-0.93, -0.55, 0.2, 0.75])
#: Fewer rates than this are computed one by one.
FEW: Final = 16


def at_rates(means: Callable[[float], Array], rates: Array) -> list[Answer]:
    """Return ``means(rate)`` at every rate, within `TOLERANCE`.

    The reciprocal of each mean, which stays smooth where a wait grows without bound, is taken as a polynomial
    of degree 8 in the logarithm of the rate, and compared with computed values at four places; a range where
    it differs by more than `TOLERANCE` is halved, down to few rates, which are computed.

    Parameters
    ----------
    means : callable
        Positive means at a rate; raises a `PdplanError` where there are none, and then at every larger rate.
    rates : array
        Rates, above 0, increasing [1/s].

    Examples
    --------
    >>> calls = []
    >>> def wait(rate):
    ...     calls.append(rate)
    ...     return np.array([0.5 * rate / (1.0 - rate)])  # M/D/1 with a service of 1 s
    >>> rates = np.linspace(0.1, 0.8, 1001)
    >>> found = np.array(at_rates(wait, rates))[:, 0]
    >>> bool(np.max(np.abs(found * (1 - rates) / (0.5 * rates) - 1)) < 1e-3), len(calls) < 60
    (True, True)
    """
    found: list[Answer] = []
    pieces = [rates]
    while pieces:
        piece = pieces.pop(0)
        if piece.size <= FEW:
            found += [_guarded(means, float(r)) for r in piece]
            continue
        lowest = _guarded(means, float(piece[0]))
        if isinstance(lowest, PdplanError):  # the load only grows from here
            found += [lowest] * piece.size
            continue
        smooth = _interpolated(means, piece)
        if smooth is None:
            half = piece.size // 2
            pieces[:0] = [piece[:half], piece[half:]]
        else:
            found += list(smooth)
    return found


def _interpolated(means: Callable[[float], Array], rates: Array) -> Array | None:
    """Values at all rates of a piece, or None where a polynomial does not do."""
    low, high = np.log(rates[0]), np.log(rates[-1])

    def rate_at(x: float) -> float:
        return float(np.exp(0.5 * (low + high) + 0.5 * (high - low) * x))

    values = []
    for x in _NODES:  # from the highest rate down: the first to have no means
        answer = _guarded(means, rate_at(x))
        if isinstance(answer, PdplanError):
            return None
        values.append(1.0 / answer)
    nodes = np.array(values)
    for x in _CHECKS:
        answer = _guarded(means, rate_at(x))
        if isinstance(answer, PdplanError):
            return None
        guess = _barycentric(nodes, np.array([x]))[0]
        if not np.all(np.abs(guess * answer - 1.0) <= TOLERANCE):
            return None
    return 1.0 / _barycentric(nodes, (2.0 * np.log(rates) - low - high) / (high - low))


def _barycentric(nodes: Array, x: Array) -> Array:
    """Return the polynomial through the nodes at x."""
    distance = x[:, None] - _NODES
    on_node = np.abs(distance) < 1e-14
    share = _WEIGHTS / np.where(on_node, 1.0, distance)
    share = np.where(on_node.any(axis=1, keepdims=True), on_node.astype(float), share)
    return np.asarray((share @ nodes) / share.sum(axis=1, keepdims=True))


def _guarded(means: Callable[[float], Array], rate: float) -> Answer:
    try:
        return means(rate)
    except PdplanError as error:
        return error
