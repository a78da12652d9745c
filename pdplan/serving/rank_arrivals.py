"""How many prompts reach one attention rank in a step: dealt at random, or to all ranks of a pool in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.serving.step_arrivals import split

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Mean number of prompts from which Poisson counts are as good as certain beside what dealing in turn leaves.
_CERTAIN = 4000.0


def transforms(phi: Complex, prompts: Array, lanes: int) -> Complex:
    """Row by row, the transform of the units that arrive when a rank gets ``prompts`` on average.

    Parameters
    ----------
    phi : array
        Transform of the law of one prompt.
    prompts : array
        Mean prompts at the rank [-].
    lanes : int
        1: at random, the count is Poisson. Else prompts are dealt in turn to so many ranks: the count is a
        Poisson number over ``lanes``, rounded up or down by the place of the turn.

    Examples
    --------
    >>> one = np.exp(-2j * np.pi * np.arange(5) / 8)
    >>> random, turn = (transforms(one, np.array([0.5]), lanes)[0] for lanes in (1, 1000))
    >>> np.fft.irfft(random, 8)[:3].round(3), np.fft.irfft(turn, 8)[:2].round(3)
    (array([0.607, 0.303, 0.076]), array([0.5, 0.5]))
    """
    if lanes == 1:
        return np.asarray(np.exp(prompts[:, None] * (phi - 1.0)))
    rows = np.empty((prompts.size, phi.size), dtype=complex)
    for row, mean in zip(rows, prompts.tolist(), strict=True):
        counts = _dealt(mean, lanes)
        row[:] = counts[-1]
        for chance in counts[-2::-1]:
            row *= phi
            row += chance
    return rows


def _dealt(mean: float, lanes: int) -> Array:
    """Law of the count at one of ``lanes`` ranks."""
    total = mean * lanes
    if total > _CERTAIN or total <= 0:
        return split(np.array([mean]), np.ones(1), int(mean) + 2)
    most = int(total + 8.0 * total**0.5 + 12.0)
    n = np.arange(most + 1)
    pmf = np.exp(n * np.log(total) - total - special.gammaln(n + 1.0))
    return split(n / lanes, pmf / pmf.sum(), most // lanes + 2)
