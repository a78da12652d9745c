"""Cross-validation: the error of a fit at operating points that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.latency.fitting.points import Steps
from pdplan.latency.interpolate import Array

#: Up to here each point is left out alone; beyond, one part of this many at a time.
FOLDS = 40

#: Fit points, return times predicted at other points [s].
Predictor = Callable[[Steps, Steps], Array]


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Absolute relative errors over operating points [-]."""

    points: int
    median: float
    p90: float
    largest: float

    @classmethod
    def of(cls, errors: Array) -> ErrorSummary:
        """Summarise.

        Examples
        --------
        >>> ErrorSummary.of(np.array([0.01, -0.02, 0.05])).median
        0.02
        """
        size = np.abs(errors)
        return cls(size.size, float(np.median(size)), float(np.quantile(size, 0.9)), float(size.max()))

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "points": self.points,
            "median": round(self.median, 6),
            "p90": round(self.p90, 6),
            "largest": round(self.largest, 6),
        }

    def __str__(self) -> str:
        """Return one phrase."""
        return (
            f"median {100 * self.median:.1f}%, p90 {100 * self.p90:.1f}%, largest {100 * self.largest:.1f}%"
        )


def left_out_errors(steps: Steps, predict: Predictor) -> Array:
    """Return predicted over measured - 1 of each point by a fit to the others [-].

    A point is an operating point: its repeats are left out together. Whatever the fit chooses (terms,
    regimes) it chooses again without the point. With more than `FOLDS` points, interleaved parts of them are
    left out.

    Examples
    --------
    >>> steps = Steps("prefill", np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0]), np.ones(2))
    >>> left_out_errors(steps, lambda seen, asked: np.full(len(asked), seen.measured_s.mean())).tolist()
    [1.0, -0.5]
    """
    fold = np.arange(len(steps)) % min(len(steps), FOLDS)
    errors = np.empty(len(steps))
    for f in np.unique(fold):
        out = fold == f
        errors[out] = predict(steps.only(~out), steps.only(out)) / steps.measured_s[out] - 1.0
    return errors
