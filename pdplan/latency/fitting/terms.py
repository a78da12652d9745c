"""The terms of a step's time, and which of them a set of measurements can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdplan.latency.fitting.points import Steps
from pdplan.latency.fitting.robust import relative_scale
from pdplan.latency.interpolate import Array

#: A term that others reproduce to within this share of its size is not told apart from them.
APART = 0.02
#: Beyond this condition number of the scaled terms, they are hard to tell apart (Belsley, Kuh, Welsch 1980).
HARD = 30.0

NAMES = {
    "prefill": ("fixed", "per_token", "per_token_sq"),
    "decode": ("fixed", "per_sequence", "per_context_token"),
}
#: Which terms stay when not all can be told apart: a prompt's time grows with it, a step's has a fixed part.
ORDER = {"prefill": (1, 0, 2), "decode": (0, 1, 2)}


def design(steps: Steps) -> Array:
    """Return the terms of each point: (1, n, (n + c)^2 - c^2) or (1, B, B x context).

    A context that is not known counts as 0: its part of the time then belongs to the other terms.
    """
    first, second = steps.at[:, 0], steps.at[:, 1]
    if steps.kind == "prefill":
        return np.stack([np.ones_like(first), first, (first + second) ** 2 - second**2], axis=1)
    return np.stack([np.ones_like(first), first, first * np.nan_to_num(second)], axis=1)


def relative_design(steps: Steps) -> Array:
    """Terms over measured time, each scaled to length 1 (a term that is nowhere stays 0)."""
    rows = design(steps) / steps.measured_s[:, None]
    size = np.linalg.norm(rows, axis=0)
    return np.asarray(rows / np.where(size > 0, size, 1.0))


def told_apart(steps: Steps) -> tuple[int, ...]:
    """Return the terms that these points can tell apart, in ascending order.

    Examples
    --------
    >>> from pdplan.latency.measured import DecodePoint
    >>> from pdplan.latency.fitting.points import decode_steps
    >>> same = [DecodePoint(b, 350, 0.01 + 1e-4 * b) for b in (1, 8, 32, 64)]
    >>> told_apart(decode_steps(same))                                     # B x 350 is B again
    (0, 1)
    """
    columns = relative_design(steps)
    kept: list[int] = []
    for term in ORDER[steps.kind]:
        column = columns[:, term]
        if kept:
            basis, _ = np.linalg.qr(columns[:, kept])
            column = column - basis @ (basis.T @ column)
        if len(kept) < len(steps) and np.linalg.norm(column) > APART:
            kept.append(term)
    return tuple(sorted(kept))


def condition_number(steps: Steps, terms: tuple[int, ...]) -> float:
    """Return how hard the terms are to tell apart: largest over smallest singular value [-]."""
    values = np.linalg.svd(relative_design(steps)[:, list(terms)], compute_uv=False)
    return float(values[0] / values[-1])


@dataclass(frozen=True, slots=True)
class Share:
    """The largest share of the step time that a term has over the points, and its standard error [-]."""

    term: str
    share: float
    error: float | None

    @property
    def weak(self) -> bool:
        """Whether the term may as well be nothing."""
        return self.error is not None and self.share < 2.0 * self.error


def shares(steps: Steps, terms: tuple[int, ...], coefficients: Array) -> tuple[Share, ...]:
    """Return the share of each fitted term, with standard errors where points are to spare.

    Classical covariance of the relative fit; the residual spread is judged by its median.
    """
    matrix = design(steps)
    rows = matrix / steps.measured_s[:, None]
    spare = len(steps) - len(terms)
    errors = np.full(3, np.nan)
    if spare > 0:
        sigma = relative_scale(rows @ coefficients - 1.0, len(terms))
        scaled = relative_design(steps)[:, list(terms)]
        deviation = sigma * np.sqrt(np.diag(np.linalg.pinv(scaled.T @ scaled)))
        largest = np.abs(scaled).max(axis=0)
        errors[list(terms)] = deviation * largest
    found = (rows * coefficients).max(axis=0)
    return tuple(
        Share(NAMES[steps.kind][t], float(found[t]), None if np.isnan(errors[t]) else float(errors[t]))
        for t in terms
    )
