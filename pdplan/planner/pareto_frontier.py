"""The exact Pareto frontier of points in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other dominates, both coordinates being better when larger.

    A point is dominated if another is at least as good in both coordinates and better in one; of equal points
    the first stays. Sorted once and swept once: O(n log n). Turn a coordinate's sign where less is better.

    Parameters
    ----------
    points : sequence of (float, float)
        Finite.

    Returns
    -------
    list of int
        In falling order of the first coordinate, so in rising order of the second.

    References
    ----------
    Kung, Luccio, Preparata, On finding the maxima of a set of vectors, J. ACM 22 (1975) 469-476.

    Examples
    --------
    >>> frontier([(1, 1), (3, 1), (2, 2), (2, 1), (3, 1)])
    [1, 2]
    """
    order = sorted(range(len(points)), key=lambda i: (-points[i][0], -points[i][1], i))
    kept: list[int] = []
    for i in order:
        if not kept or points[i][1] > points[kept[-1]][1]:
            kept.append(i)
    return kept
