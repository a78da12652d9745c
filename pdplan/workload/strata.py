"""Weighted atoms of a length law: few of them, with the law's mean, SCV and key percentiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.law import MIN_TOKENS, Array, LengthLaw

#: Key percentiles and the half-width of the stratum around each, which becomes one atom at its mean.
WINDOWS: Final = ((0.5, 0.004), (0.9, 0.002), (0.95, 0.001), (0.99, 0.0005), (0.999, 0.00005))
#: One atom for each window and two for each of the gaps below, between and above the windows.
MIN_ATOMS: Final = len(WINDOWS) + 2 * (len(WINDOWS) + 1)


@dataclass(frozen=True, eq=False)
class Atoms:
    """A discrete law: values [tok] in increasing order and their weights [-], summing to 1.

    Examples
    --------
    >>> a = Atoms(np.array([100.0, 300.0]), np.array([0.75, 0.25]))
    >>> a.mean, round(a.scv, 4), a.quantile(0.75), a.quantile(0.76)
    (150.0, 0.3333, 100.0, 300.0)
    """

    values: Array
    weights: Array

    @property
    def mean(self) -> float:
        """E X [tok]."""
        return float(self.weights @ self.values)

    @property
    def scv(self) -> float:
        """Var X / (E X)^2 [-]."""
        return float(self.weights @ (self.values - self.mean) ** 2) / self.mean**2

    def quantile(self, p: float) -> float:
        """Smallest value whose cumulative weight reaches p [tok]."""
        at = int(np.searchsorted(np.cumsum(self.weights), p - 1e-12))
        return float(self.values[min(at, self.values.size - 1)])


@lru_cache(maxsize=16)
def strata_edges(atoms: int) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    """Return the edges of the strata and, for each, whether it becomes one atom (a window) or two.

    Windows stand around the key percentiles; what ``atoms`` leaves over splits the two widest gaps.

    Raises
    ------
    InputError
        Fewer atoms than the windows and gaps need.

    Examples
    --------
    >>> edges, single = strata_edges(17)
    >>> len(single), sum(single), edges[:3]
    (11, 5, (0.0, 0.496, 0.504))
    """
    if atoms < MIN_ATOMS:
        raise InputError(f"{atoms} atoms are too few for a length law: give {MIN_ATOMS} or more")
    spare = (atoms - MIN_ATOMS) // 2
    parts = [1 + (spare + 1) // 2, 1 + spare // 2] + [1] * (len(WINDOWS) - 1)
    edges, single, low = [0.0], [], 0.0
    for part, (centre, half) in zip(parts, (*WINDOWS, (1.0, 0.0)), strict=True):
        high = centre - half
        edges += [low + (high - low) * (i + 1) / part for i in range(part)]
        single += [False] * part
        if half > 0.0:
            edges.append(centre + half)
            single.append(True)
        low = centre + half
    return tuple(edges), tuple(single)


def law_atoms(law: LengthLaw, atoms: int = 32) -> Atoms:
    """Return at most ``atoms`` weighted values with the law's mean and SCV exactly, and its key percentiles.

    The ranks are cut into strata. A narrow stratum around p50, p90, p95, p99 and p99.9 becomes one atom at
    its conditional mean; every other stratum becomes the two atoms that have its first three moments (the
    two-point Gauss rule), so neither mean nor variance nor third moment of it is lost.

    Parameters
    ----------
    law : LengthLaw
        Any law of token counts.
    atoms : int
        Most atoms, 17 or more; a constant needs one.

    Raises
    ------
    InputError
        Too few atoms, or a law with much of its mass below one token.

    Examples
    --------
    >>> from pdplan.workload.parametric import lognormal_from_mean_scv
    >>> a = law_atoms(lognormal_from_mean_scv(1000.0, 1.5), 32)
    >>> len(a.values), round(a.mean, 6), round(a.scv, 3)
    (31, 1000.0, 1.5)
    """
    edges, single = (np.array(x) for x in strata_edges(atoms))
    if law.scv <= 1e-15:
        return Atoms(np.array([law.mean]), np.array([1.0]))
    width = np.diff(edges)
    mean, square, cube = np.diff(law.partial_moments(edges), axis=1) / width
    variance = np.where(single, 0.0, square - mean**2)
    # a spread within rounding of the moments is none: the stratum is one value
    spread = np.sqrt(np.where(variance > 1e-11 * square, variance, 0.0))
    skew = np.divide(
        cube - 3 * mean * square + 2 * mean**3, spread**3, out=np.zeros_like(mean), where=spread > 0
    )
    root = np.hypot(2.0, skew)
    below, above = mean + spread * (skew - root) / 2, mean + spread * (skew + root) / 2
    upper_share = (root - skew) / (2 * root)
    values = np.stack([below, above], axis=1).ravel()
    weights = (width[:, None] * np.stack([1.0 - upper_share, upper_share], axis=1)).ravel()
    ordered = np.maximum.accumulate(values)
    # rounding in a stratum of nearly equal values may have moved the mean
    ordered *= law.mean / float(weights @ ordered)
    return _merged(_at_least_one_token(ordered, weights), weights)


def _at_least_one_token(values: Array, weights: Array) -> Array:
    """Lift values below one token to one, and draw the others towards one so that the mean stays.

    Only a lognormal reaches below one token. Where more than a tenth of its mean above one token would have
    to give way it is no law of token counts, and is refused.
    """
    if values[0] >= MIN_TOKENS:
        return values
    lifted = np.maximum(values, MIN_TOKENS)
    keep = 1.0 - float(weights @ (lifted - values)) / max(float(weights @ (lifted - MIN_TOKENS)), 1e-300)
    if keep < 0.9:
        raise InputError(
            f"a length law with mean {weights @ values:.4g} tok spreads far below one token: "
            "lower its SCV, or give a quantile table"
        )
    return MIN_TOKENS + (lifted - MIN_TOKENS) * keep


def _merged(values: Array, weights: Array) -> Atoms:
    """Join neighbours that hold the same value."""
    new = np.concatenate([[True], np.diff(values) > 1e-9 * values[1:]])
    starts = np.flatnonzero(new)
    total = np.add.reduceat(weights, starts)
    mean = np.add.reduceat(weights * values, starts) / total
    ends = np.append(starts[1:], values.size) - 1
    # the clip keeps a value that stands alone, or a constant, to the last digit
    return Atoms(np.clip(mean, values[starts], values[ends]), total / total.sum())
