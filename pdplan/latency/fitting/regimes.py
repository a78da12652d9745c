"""One set of coefficients, or two from some batch on: decided by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdplan.latency.fitting.points import Steps
from pdplan.latency.fitting.robust import robust_nonnegative
from pdplan.latency.fitting.terms import design, told_apart
from pdplan.latency.fitting.validate import left_out_errors
from pdplan.latency.interpolate import Array

#: A regime needs this many operating points: two more than it has terms.
LEAST = 5
#: Batches at which a second regime is tried, at most.
TRIED = 8
#: Two regimes must bring the mean error of points left out below this share of what one has ...
BETTER = 0.75
#: ... by this much [-] ...
WORTH = 0.005
#: ... and by this many standard errors.
SURE = 3.0


@dataclass(frozen=True, eq=False, slots=True)
class Regimes:
    """Coefficients of each regime [s], [s/...]; 0 for terms not told apart. ``from_batch`` ascends from 0."""

    coefficients: tuple[Array, ...]
    from_batch: tuple[float, ...] = (0.0,)

    def predict(self, steps: Steps) -> Array:
        """Time of each point [s]."""
        terms = design(steps)
        chosen = np.searchsorted(self.from_batch, steps.at[:, 0], side="right") - 1
        return np.asarray((terms * np.array(self.coefficients)[chosen]).sum(axis=1))


def fit_one(steps: Steps) -> Regimes:
    """Fit the terms that the points tell apart; the others are 0."""
    terms = list(told_apart(steps))
    coefficients = np.zeros(3)
    coefficients[terms] = robust_nonnegative(design(steps)[:, terms], steps.measured_s)
    return Regimes((coefficients,))


def fit_two(steps: Steps, starts: tuple[float, ...]) -> Regimes:
    """Fit two regimes that meet at the batch where the mean relative error is least, or one."""
    best, least = fit_one(steps), np.inf
    for start in starts:
        above = steps.at[:, 0] >= start
        if min(above.sum(), (~above).sum()) < LEAST - 1:
            continue
        low, high = fit_one(steps.only(~above)), fit_one(steps.only(above))
        both = Regimes((*low.coefficients, *high.coefficients), (0.0, start))
        error = float(np.abs(both.predict(steps) / steps.measured_s - 1.0).mean())
        if error < least:
            best, least = both, error
    return best


def starts_to_try(steps: Steps) -> tuple[float, ...]:
    """Return batches at which a second regime could begin: enough points and all terms on either side."""
    if steps.kind != "decode":
        return ()
    batch = steps.at[:, 0]
    found = []
    for start in np.unique(batch)[1:]:
        above = batch >= start
        sides = steps.only(above), steps.only(~above)
        if all(len(s) >= LEAST and len(told_apart(s)) == 3 for s in sides):
            found.append(float(start))
    return (
        tuple(found[i] for i in np.unique(np.linspace(0, len(found) - 1, TRIED).astype(int))) if found else ()
    )


def choose_regimes(steps: Steps) -> tuple[Regimes, Array | None]:
    """Return the fit, and the relative error of each point left out (None: too few points to leave any out).

    Two regimes are taken if they bring the mean absolute error of points left out down by a quarter, by half
    a percentage point and by three standard errors of the difference; the batch where they meet is chosen
    anew without each point.
    """
    one = fit_one(steps)
    if len(steps) <= max(len(told_apart(steps)), 1):
        return one, None
    errors = left_out_errors(steps, lambda seen, asked: fit_one(seen).predict(asked))
    starts = starts_to_try(steps)
    if not starts or np.abs(errors).mean() <= WORTH:
        return one, errors
    split = left_out_errors(steps, lambda seen, asked: fit_two(seen, starts).predict(asked))
    gain = np.abs(errors) - np.abs(split)
    sure = gain.mean() > max(SURE * gain.std(ddof=1) / np.sqrt(gain.size), WORTH)
    if sure and np.abs(split).mean() < BETTER * np.abs(errors).mean():
        return fit_two(steps, starts), split
    return one, errors
