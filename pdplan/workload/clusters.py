"""Clusters of weighted points in the plane that stand clearly apart, however many there are."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdplan.workload.law import Array

_MOST: Final = 6
_STARTS: Final = 3  # restarts of the fit, each from other points
_ROUNDS: Final = 60
_LEAST_SHARE: Final = 0.03
_LEAST_DISTANCE: Final = 2.0  # Ashman's D, above which two normal laws have two separate peaks

_VALLEY: Final = 0.5  # share of the lower peak to which the density falls between two clusters


class Mixture(NamedTuple):
    """Normal laws with independent coordinates: shares, means and variances, shape (k,), (k, 2), (k, 2)."""

    share: Array
    mean: Array
    variance: Array


def clusters(points: Array, weight: Array, *, spread: float) -> NDArray[np.intp]:
    """Return the cluster of each point, from 0; all 0 where nothing stands apart.

    Mixtures of 2 to 6 normal laws are fitted by expectation and maximisation; the largest one is taken in
    which every law has 3% of the weight and every pair stands apart: Ashman's D = |m1 - m2| /
    sqrt((s1^2 + s2^2) / 2) along the line between the means exceeds 2 (Ashman, Bird and Zepf 1994), and
    between the means the density of the points falls to half of the lower peak. A likelihood criterion alone
    would split any skewed law of a long trace.

    Parameters
    ----------
    points : array, shape (n, 2)
    weight : array, shape (n,)
    spread : float
        Width of a cell of the grid that the points are on.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [0.1, 0.1], [5.0, 5.0], [5.1, 5.0]])
    >>> clusters(points, np.ones(4), spread=0.1).tolist()
    [0, 0, 1, 1]
    """
    best = np.zeros(weight.size, dtype=np.intp)
    share = weight / weight.sum()
    random = np.random.Generator(np.random.Philox(1))
    for count in range(2, min(_MOST, weight.size) + 1):
        fits = [_fitted(points, share, count, spread, random) for _ in range(_STARTS)]
        apart = [(likelihood, m) for likelihood, m in fits if _stand_apart(m, points, share, spread)]
        if apart:
            mixture = max(apart, key=lambda fit: fit[0])[1]
            best = np.argmax(_log_densities(points, mixture), axis=1)
    return np.unique(best, return_inverse=True)[1]


def _fitted(
    points: Array, share: Array, count: int, spread: float, random: np.random.Generator
) -> tuple[float, Mixture]:
    """Return the log-likelihood for each unit of weight, and the mixture."""
    floor = spread**2 / 12.0  # a law is no narrower than one cell
    centre = share @ points
    variance = np.maximum(share @ (points - centre) ** 2, floor)
    mixture = Mixture(
        np.full(count, 1.0 / count),
        _seeds(points / np.sqrt(variance), share, count, random) * np.sqrt(variance),
        np.tile(variance / count, (count, 1)),
    )
    likelihood = -np.inf
    for _ in range(_ROUNDS):
        log_density = _log_densities(points, mixture)
        top = log_density.max(axis=1)
        part = np.exp(log_density - top[:, None])
        whole = part.sum(axis=1)
        before, likelihood = likelihood, float(share @ (top + np.log(whole)))
        if likelihood - before < 1e-6:
            break
        part *= (share / whole)[:, None]
        held = np.maximum(part.sum(axis=0), 1e-12)
        mean = part.T @ points / held[:, None]
        square = part.T @ points**2 / held[:, None]
        mixture = Mixture(held, mean, np.maximum(square - mean**2, floor))
    return likelihood, mixture


def _seeds(points: Array, share: Array, count: int, random: np.random.Generator) -> Array:
    """Return points far from one another (k-means++, Arthur and Vassilvitskii 2007)."""
    chosen = [points[random.choice(share.size, p=share)]]
    for _ in range(count - 1):
        far = np.min([((points - c) ** 2).sum(axis=1) for c in chosen], axis=0) * share
        total = float(far.sum())
        chosen.append(points[random.choice(share.size, p=far / total if total > 0 else share)])
    return np.array(chosen)


def _log_densities(points: Array, mixture: Mixture) -> Array:
    """Return the logarithm of each law's density times share at each point, shape (n, k)."""
    gap = points[:, None, :] - mixture.mean[None, :, :]
    inside: Array = (
        np.log(mixture.share)
        - 0.5 * np.log(mixture.variance).sum(axis=1)
        - 0.5 * (gap**2 / mixture.variance).sum(axis=2)
    )
    return inside


def _stand_apart(mixture: Mixture, points: Array, share: Array, spread: float) -> bool:
    if mixture.share.min() < _LEAST_SHARE:
        return False
    assigned = np.argmax(_log_densities(points, mixture), axis=1)
    for i in range(mixture.share.size):
        for j in range(i):
            line = mixture.mean[i] - mixture.mean[j]
            length = float(np.linalg.norm(line))
            if length == 0.0:
                return False
            along = (line / length) ** 2 @ (mixture.variance[i] + mixture.variance[j]) / 2.0
            if length <= _LEAST_DISTANCE * float(np.sqrt(along)):
                return False
            pair = (assigned == i) | (assigned == j)
            position = (points[pair] - mixture.mean[j]) @ (line / length)
            if not _has_valley(position, share[pair], length, spread):
                return False
    return True


def _has_valley(position: Array, share: Array, length: float, width: float) -> bool:
    """Return whether the density of points along a line falls between its ends 0 and ``length``.

    The density is smoothed with a normal kernel of half a cell: the grid itself then makes ripples of 1.4%
    (2 exp(-2 (pi / 2)^2), the first harmonic of a comb) and no valleys.
    """
    kernel = width / 2.0
    at = np.linspace(-width, length + width, 60)
    density = np.exp(-0.5 * ((at[:, None] - position[None, :]) / kernel) ** 2) @ share
    middle = (at > 0.0) & (at < length)
    lowest = int(np.argmin(np.where(middle, density, np.inf)))
    peaks = min(float(density[: lowest + 1].max()), float(density[lowest:].max()))
    return bool(density[lowest] <= _VALLEY * peaks)
