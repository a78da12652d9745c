"""From a histogram to a law: the flattest one with these bucket counts and this mean.

Counts fix the distribution function at the bucket edges, sum and count fix the mean, and nothing fixes the
shape inside a bucket. Of all laws that agree with both, the one that adds least information has a density
proportional to exp(-theta x) inside every bucket, with one theta for all (the minimum discrimination
information principle: Jaynes 1957; Kullback 1959, chapter 3). Percentiles that people act on are given with
the edges of their bucket: between those edges the histogram does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.interop.prometheus.buckets import Histogram

Array = NDArray[np.float64]

#: Shares inside a bucket at which the law is written down; close to its ends for entries that crowd there.
_ENDS = np.array([0.0, 1e-4, 1e-3, 0.01, 0.04])
_INNER = np.concatenate([_ENDS, np.arange(0.1, 0.95, 0.1), 1.0 - _ENDS[::-1]])
_STEEPEST = 1e7
_TINY = 1e-300
_CLAMP = 1e-3  # a mean this far outside what the buckets allow is rounding or a scrape in between


@dataclass(frozen=True, eq=False)
class BucketLaw:
    """The law of one histogram.

    Parameters
    ----------
    histogram : Histogram
    low, high : array, shape (k,)
        Smallest and largest value of each bucket that has entries.
    share : array, shape (k,)
        Of entries in each.
    ranks, values : array, shape (n,)
        Knots of the quantile function, linear in between.
    open_share : float
        Share of entries in the bucket without an upper end [-].
    """

    histogram: Histogram
    low: Array
    high: Array
    share: Array
    ranks: Array = field(repr=False)
    values: Array = field(repr=False)
    open_share: float

    @property
    def mean(self) -> float:
        """The exact mean (sum over count)."""
        return self.histogram.mean

    @property
    def count(self) -> float:
        """Entries."""
        return self.histogram.count

    def quantile(self, p: float) -> float:
        """p-quantile of the law: an estimate inside `bracket`."""
        low, high = self.bracket(p)
        # where two buckets meet at this very rank, the lower one has it
        return min(max(float(np.interp(p, self.ranks, self.values)), low), np.inf if high is None else high)

    def bracket(self, p: float) -> tuple[float, float | None]:
        """The edges between which the p-quantile of the entries surely lies; None: no upper end is known."""
        ends = np.cumsum(self.share)
        at = int(np.searchsorted(ends, p - 1e-12))
        at = min(at, self.share.size - 1)
        if self.open_share > 0 and at == self.share.size - 1:
            return float(self.histogram.edges[-1]) if self.histogram.edges.size else 0.0, None
        return float(self.low[at]), float(self.high[at])

    @property
    def scv(self) -> float:
        """Squared coefficient of variation of the law [-]."""
        u, q = self.ranks, self.values
        square = float(np.sum(np.diff(u) * (q[:-1] ** 2 + q[:-1] * q[1:] + q[1:] ** 2)) / 3.0)
        return max(square / self.mean**2 - 1.0, 0.0)

    def scv_bracket(self) -> tuple[float, float]:
        """Smallest and largest SCV of any law with these counts and this mean [-].

        The smallest has every bucket at one value, all as close as their edges allow; the largest has entries
        on the edges alone, the mean used up in the widest buckets first.
        """
        low, high, share = self.low, self.high, self.share
        left, right = float(low[0]), float(high[-1])
        for _ in range(100):
            level = (left + right) / 2.0
            below = float(share @ np.clip(level, low, high)) < self.mean
            left, right = (level, right) if below else (left, level)
        least = float(share @ np.clip((left + right) / 2.0, low, high) ** 2)
        room = max(self.mean - float(share @ low), 0.0)
        most = float(share @ low**2)
        for i in range(share.size - 1, -1, -1):
            used = min(room, float(share[i] * (high[i] - low[i])))
            most += used * float(low[i] + high[i])
            room -= used
        square = self.mean**2
        return max(least / square - 1.0, 0.0), max(most / square - 1.0, 0.0)


def bucket_law(
    found: Histogram, *, least: float, whole_numbers: bool, most: float | None = None
) -> BucketLaw:
    """Return the law of a histogram.

    Parameters
    ----------
    found : Histogram
        With at least one entry.
    least : float
        Smallest value that an entry can have: 1 for tokens, 0 for times.
    whole_numbers : bool
        Entries are whole: a bucket (2, 5] begins at 3.
    most : float, optional
        Largest value of the bucket without an upper end, where it is known. Without it the law takes twice
        the last edge, or what the mean asks for if that is more.

    Raises
    ------
    InputError
        No entries, or a sum that no entries in these buckets have.

    Examples
    --------
    10 entries up to 100, 10 in (100, 200], mean 110: without the mean it would be (50.5 + 150.5) / 2 = 100.5.

    >>> h = Histogram("tokens", np.array([100.0, 200.0]), np.array([10.0, 10.0, 0.0]), 2200.0)
    >>> law = bucket_law(h, least=1.0, whole_numbers=True)
    >>> law.mean, round(law.quantile(0.25)), law.bracket(0.25), law.bracket(0.9)
    (110.0, 64, (1.0, 100.0), (101.0, 200.0))
    """
    if not found.count > 0:
        raise InputError(f"{found.name} has no entries in the window")
    low = np.concatenate([[least], found.edges])
    if whole_numbers:
        low[1:] = np.floor(low[1:]) + 1.0
    open_share = float(found.counts[-1] / found.count)
    share = found.counts / found.count
    high = np.append(found.edges, _open_end(found, low, share, most))
    low, high = np.minimum(low, high), np.maximum(high, low)
    keep = share > 0
    low, high, share = low[keep], high[keep], share[keep]
    mean = _possible_mean(found, low, high, share)
    theta = _tilt(low, high, share, mean)
    ranks, values = _knots(low, high, share, theta)
    return BucketLaw(found, low, high, share, ranks, values, open_share)


def _open_end(found: Histogram, low: Array, share: Array, most: float | None) -> float:
    """Largest value of the last bucket: as known, else twice its lower end, or what the mean asks for."""
    start = float(low[-1])
    if most is not None and most >= start:
        return most
    if share[-1] <= 0:
        return start
    rest = float(share[:-1] @ (low[:-1] + found.edges) / 2.0)
    asked = (found.mean - rest) / float(share[-1])  # mean of the open bucket if the others are flat
    return max(2.0 * start, 2.0 * asked - start, 1.0)


def _possible_mean(found: Histogram, low: Array, high: Array, share: Array) -> float:
    """Return the mean, moved inside what the buckets allow if rounding put it outside."""
    least, most = float(share @ low), float(share @ high)
    slack = _CLAMP * most + (float(share[0] * low[0]) if found.counts[0] > 0 else 0.0)
    if not least - slack <= found.mean <= most + slack:
        raise InputError(
            f"{found.name}: sum over count is {found.mean:.6g}, but entries in these buckets have a mean "
            f"between {least:.6g} and {most:.6g}: the histogram was reset or scraped in part; ask for "
            "another --window"
        )
    return min(max(found.mean, least), most)


def _inside(slope: Array, f: Array) -> Array:
    """Quantile at f of the density proportional to exp(slope y) on 0 <= y <= 1; shapes (k, 1) and (m,)."""
    steep = np.maximum(np.abs(slope), 1e-6)
    end = np.exp(-steep)
    falling = -np.log(np.maximum(1.0 - f + f * end, _TINY)) / steep
    rising = 1.0 + np.log(np.maximum(f + (1.0 - f) * end, _TINY)) / steep
    return np.clip(np.where(slope < 0, falling, rising), 0.0, 1.0)


def _table(low: Array, high: Array, theta: float) -> Array:
    """Values of the law at the inner shares of each bucket, shape (k, m)."""
    width = (high - low)[:, None]
    slope = np.clip(-theta * width, -_STEEPEST, _STEEPEST)
    return low[:, None] + width * _inside(slope, _INNER)


def _table_mean(low: Array, high: Array, share: Array, theta: float) -> float:
    """Mean of the law as it is written down: linear between knots."""
    values = _table(low, high, theta)
    steps = np.diff(_INNER)
    return float(share @ ((values[:, 1:] + values[:, :-1]) / 2.0 @ steps))


def _tilt(low: Array, high: Array, share: Array, mean: float) -> float:
    """Return the theta whose law has the mean, by bisection (the mean falls in theta)."""
    widest = float((high - low).max())
    if widest <= 0:
        return 0.0
    narrow = float((high - low)[high > low].min())
    left, right = -_STEEPEST / narrow, _STEEPEST / narrow
    for _ in range(200):
        middle = (left + right) / 2.0
        if _table_mean(low, high, share, middle) > mean:
            left = middle
        else:
            right = middle
    return (left + right) / 2.0


def _knots(low: Array, high: Array, share: Array, theta: float) -> tuple[Array, Array]:
    """Return the knots of the quantile function; neighbours may share a rank (a gap without entries)."""
    ends = np.concatenate([[0.0], np.cumsum(share)])
    ends[-1] = 1.0
    ranks = ends[:-1, None] + np.diff(ends)[:, None] * _INNER
    values = _table(low, high, theta)
    return ranks.ravel(), np.maximum.accumulate(values.ravel())
