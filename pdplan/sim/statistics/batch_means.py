"""Means of correlated observations with their uncertainty: non-overlapping batch means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.sim.statistics.student import t_multiplier, two_sided_p

Array = NDArray[np.float64]

#: Batches of a run.
BATCHES = 32

#: Lag-1 correlation of batch means from which on they do not pass for independent.
LAG1_LIMIT = 0.3


@dataclass(frozen=True, slots=True)
class MeanEstimate:
    """An estimated mean.

    Attributes
    ----------
    estimate, std_error : float
        In the unit of the observations.
    degrees : float
        Degrees of freedom of Student's t [-].
    lag1 : float
        Lag-1 correlation of the batch means [-].
    observations : int
    """

    estimate: float
    std_error: float
    degrees: float
    lag1: float
    observations: int

    @property
    def sound(self) -> bool:
        """Whether the batches are long enough to pass for independent."""
        return self.lag1 < LAG1_LIMIT

    def half_width(self, confidence: float = 0.99) -> float:
        """Half the width of the interval."""
        return t_multiplier(confidence, self.degrees) * self.std_error

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """Two-sided interval.

        Examples
        --------
        >>> low, high = MeanEstimate(10.0, 1.0, 31, 0.0, 1000).interval()
        >>> round(low, 2), round(high, 2)
        (7.26, 12.74)
        """
        half = self.half_width(confidence)
        return self.estimate - half, self.estimate + half

    def p_value(self, low: float, high: float) -> float:
        """Probability of a sample this far out if the truth lies in [low, high] [-].

        Examples
        --------
        >>> one = MeanEstimate(10.0, 1.0, 31, 0.0, 1000)
        >>> one.p_value(9.0, 11.0), round(one.p_value(12.744, 12.744), 3)
        (1.0, 0.01)
        """
        away = max(low - self.estimate, self.estimate - high, 0.0)
        return two_sided_p(away, self.std_error, self.degrees)


def batch_means(values: Array, batches: int = BATCHES) -> Array:
    """Return the means of ``batches`` equal stretches; a remainder at the start is left out.

    Raises
    ------
    InputError
        Fewer than two observations a batch.

    Examples
    --------
    >>> batch_means(np.arange(9.0), 4).tolist()
    [1.5, 3.5, 5.5, 7.5]
    """
    size = values.size // batches
    if size < 2:
        raise InputError(f"{values.size} observations for {batches} batches: give at least {2 * batches}")
    means: Array = values[values.size - size * batches :].reshape(batches, size).mean(axis=1, dtype=float)
    return means


def lag1_correlation(means: Array) -> float:
    """Return the lag-1 correlation [-]; 0 where nothing varies.

    Examples
    --------
    >>> round(lag1_correlation(np.array([1.0, -1.0, 1.0, -1.0])), 2)
    -0.75
    """
    centred = means - means.mean()
    spread = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0 else 0.0


def mean_estimate(values: Array, batches: int = BATCHES) -> MeanEstimate:
    """Return the mean of a stationary, correlated sequence.

    Source: A. M. Law, Simulation Modeling and Analysis, 5th ed. 2015, section 9.5.3.

    Examples
    --------
    >>> found = mean_estimate(np.random.default_rng(0).normal(5.0, 1.0, 3200))
    >>> low, high = found.interval()
    >>> low < 5.0 < high, found.sound
    (True, True)
    """
    means = batch_means(values, batches)
    error = float(means.std(ddof=1)) / math.sqrt(batches)
    return MeanEstimate(float(means.mean()), error, batches - 1, lag1_correlation(means), values.size)


def ratio_estimate(numerator: Array, denominator: Array, batches: int = BATCHES) -> MeanEstimate:
    """Return sum(numerator) / sum(denominator), as of time per token, from batches of requests.

    Source: Law 2015, section 9.5.3 (regenerative and ratio estimators); error by the delta method.

    Examples
    --------
    >>> out = np.tile([1.0, 3.0], 100)
    >>> ratio_estimate(0.02 * out, out).estimate
    0.02
    """
    top, bottom = batch_means(numerator, batches), batch_means(denominator, batches)
    if not bottom.mean() > 0:
        raise InputError("the denominator of a ratio sums to 0: there is nothing to divide by")
    ratio = float(top.mean() / bottom.mean())
    rest = (top - ratio * bottom) / bottom.mean()
    error = float(np.sqrt((rest**2).sum() / (batches - 1) / batches))
    return MeanEstimate(ratio, error, batches - 1, lag1_correlation(rest), numerator.size)


def replication_estimate(values: Array) -> MeanEstimate:
    """Return the mean of one value from each of several independent runs.

    Examples
    --------
    >>> replication_estimate(np.array([1.0, 2.0, 3.0])).estimate
    2.0
    """
    if values.size < 2:
        raise InputError(f"{values.size} runs: independent replications need at least 2")
    error = float(values.std(ddof=1)) / math.sqrt(values.size)
    return MeanEstimate(float(values.mean()), error, values.size - 1, 0.0, values.size)
