"""Scrambled Sobol points of a few dimensions, without the second that importing them elsewhere takes."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError

#: Bits of a coordinate.
BITS: Final = 30

#: Degree, middle coefficients and first direction numbers of each dimension after the first:
#: Joe and Kuo 2008, "Constructing Sobol sequences with better two-dimensional projections".
_JOE_KUO: Final[tuple[tuple[int, int, tuple[int, ...]], ...]] = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
)

MOST_DIMENSIONS: Final = len(_JOE_KUO) + 1


@cache
def _directions(dimensions: int) -> tuple[tuple[int, ...], ...]:
    """Direction numbers of each dimension, as integers of `BITS` bits."""
    rows = [tuple(1 << (BITS - 1 - j) for j in range(BITS))]
    for degree, middle, first in _JOE_KUO[: dimensions - 1]:
        m = list(first)
        for j in range(degree, BITS):
            new = m[j - degree] ^ (m[j - degree] << degree)
            for k in range(1, degree):
                if (middle >> (degree - 1 - k)) & 1:
                    new ^= m[j - k] << k
            m.append(new)
        rows.append(tuple(m[j] << (BITS - 1 - j) for j in range(BITS)))
    return tuple(rows)


def scrambled_sobol(power: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """Return the first 2^power points of a Sobol sequence in [0, 1)^d, scrambled.

    Scrambling: a random lower triangular matrix over the bits and a random digital shift, which keep every
    balance of the sequence. The same points as ``scipy.stats.qmc.Sobol(d, seed=seed).random_base2(power)``.

    Parameters
    ----------
    power : int
        Binary logarithm of the number of points, up to 30 [-].
    dimensions : int
        1 to 7 [-].
    seed : int
        Of the scrambling.

    Raises
    ------
    InputError
        Dimensions out of range.

    References
    ----------
    Matousek 1998, "On the L2-discrepancy for anchored boxes", Journal of Complexity 14.

    Examples
    --------
    >>> points = scrambled_sobol(4, 2, seed=0)
    >>> np.bincount((16 * points[:, 1]).astype(int)).tolist()          # one in each sixteenth
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise InputError(f"{dimensions} dimensions: Sobol points are of 1 to {MOST_DIMENSIONS}")
    rng = np.random.default_rng(seed)
    shift = rng.integers(2, size=(dimensions, BITS), dtype=np.uint32) @ (
        2 ** np.arange(BITS, dtype=np.uint32)
    )
    lower = np.tril(rng.integers(2, size=(dimensions, BITS, BITS), dtype=np.uint32))
    lower[:, np.arange(BITS), np.arange(BITS)] = 1
    plain = np.array(_directions(dimensions), dtype=np.int64)
    heights = BITS - 1 - np.arange(BITS)
    bits = (plain[:, None, :] >> heights[None, :, None]) & 1  # the most significant first
    mixed = (lower.astype(np.int64) @ bits) & 1
    directions = (mixed << heights[None, :, None]).sum(axis=1)
    count = np.arange(1 << power, dtype=np.int64)
    gray = count ^ (count >> 1)
    points = np.broadcast_to(shift.astype(np.int64), (count.size, dimensions)).copy()
    for j in range(power):
        points ^= ((gray >> j) & 1)[:, None] * directions[:, j]
    return points / float(1 << BITS)
