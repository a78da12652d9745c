"""How many observations are enough: double them until the interval is narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.sim.statistics.batch_means import MeanEstimate

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SequentialEstimate:
    """An estimate and whether it is as narrow as was asked.

    Attributes
    ----------
    witness : MeanEstimate
    enough : bool
        Half-width within the tolerance and batches that pass for independent.
    observations : int
        Used in the last round [-].
    rounds : int
    """

    witness: MeanEstimate
    enough: bool
    observations: int
    rounds: int


def double_until(
    estimate: Callable[[int], MeanEstimate],
    *,
    tolerance: float,
    start: int = 20_000,
    most: int = 10_000_000,
    confidence: float = 0.99,
) -> SequentialEstimate:
    """Double the observations until the half-width is at most ``tolerance`` of the estimate.

    Parameters
    ----------
    estimate : callable
        Takes a number of observations, returns their estimate. Called anew each round; with the same seed the
        longer run begins as the shorter one did.
    tolerance : float
        Relative half-width asked for [-].
    start, most : int
        Observations of the first round, and beyond which none is started.
    confidence : float
        Of the interval [-].

    Returns
    -------
    SequentialEstimate

    Examples
    --------
    >>> from pdplan.sim.statistics.batch_means import mean_estimate
    >>> draw = lambda n: mean_estimate(np.random.default_rng(3).exponential(1.0, n))
    >>> found = double_until(draw, tolerance=0.01, start=1000)
    >>> found.enough, found.witness.half_width() < 0.011, found.observations > 10_000
    (True, True, True)
    """
    require_positive("tolerance", tolerance)
    if not 1 <= start <= most:
        raise InputError(f"start is {start} and most {most} observations: start must lie in [1, most]")
    observations, rounds = start, 0
    while True:
        rounds += 1
        witness = estimate(observations)
        narrow = witness.half_width(confidence) <= tolerance * abs(witness.estimate)
        if narrow and witness.sound:
            return SequentialEstimate(witness, True, observations, rounds)
        if 2 * observations > most:
            return SequentialEstimate(witness, False, observations, rounds)
        observations *= 2
