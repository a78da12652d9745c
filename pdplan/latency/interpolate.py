"""Monotone piecewise-linear interpolation, vectorised, with straight lines beyond the ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pdplan.errors import InputError

Array = npt.NDArray[np.float64]


def require_curve(name: str, at: Any, values: Any) -> tuple[Array, Array]:
    """Return the points of a curve as arrays: abscissae positive and ascending, values never descending.

    Raises
    ------
    InputError
        Lengths differ, fewer than one point, not finite, not ascending, or a value that falls.

    Examples
    --------
    >>> require_curve("decode", [10, 20], [12.8, 12.7])
    Traceback (most recent call last):
    pdplan.errors.InputError: decode falls from 12.8 at 10 to 12.7 at 20: a table must not descend; ...
    """
    x, y = np.asarray(at, dtype=float), np.asarray(values, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise InputError(f"{name} has {x.size} points and {y.size} values: give one value for each point")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise InputError(f"{name} holds a number that is not finite and greater than 0")
    if (np.diff(x) <= 0).any():
        raise InputError(f"{name} is not in ascending order: sort its points and drop repeated ones")
    if (np.diff(y) < 0).any():
        i = int(np.argmax(np.diff(y) < 0))
        raise InputError(
            f"{name} falls from {y[i]:g} at {x[i]:g} to {y[i + 1]:g} at {x[i + 1]:g}: "
            "a table must not descend; repeat the measurement or drop the point"
        )
    return x, y


def with_origin(x: Array, y: Array) -> tuple[Array, Array]:
    """Prepend the point at 0 where the first segment meets the axis, or 0 if it would meet below.

    One point alone is taken as a level, its first segment being unknown.

    Examples
    --------
    >>> [list(map(float, v)) for v in with_origin(np.array([10.0, 20.0]), np.array([12.0, 16.0]))]
    [[0.0, 10.0, 20.0], [8.0, 12.0, 16.0]]
    """
    slope = (y[1] - y[0]) / (x[1] - x[0]) if x.size > 1 else 0.0
    start = max(float(y[0] - slope * x[0]), 0.0)
    return np.concatenate(([0.0], x)), np.concatenate(([start], y))


def interpolate(at: Any, x: Array, y: Array) -> Any:
    """Value at ``at`` of the polygon through (x, y), its end segments continued straight.

    Examples
    --------
    >>> float(interpolate(15, np.array([0.0, 10.0, 20.0]), np.array([8.0, 12.0, 16.0])))
    14.0
    >>> float(interpolate(30, np.array([0.0, 10.0, 20.0]), np.array([8.0, 12.0, 16.0])))
    20.0
    """
    points = np.asarray(at, dtype=float)
    segment = np.clip(np.searchsorted(x, points, side="right") - 1, 0, x.size - 2)
    slope = np.diff(y) / np.diff(x)
    return y[segment] + (points - x[segment]) * slope[segment]
