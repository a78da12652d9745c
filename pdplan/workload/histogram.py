"""Token counts as a histogram: statistics of millions of requests in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.workload.law import Array

Places = NDArray[np.intp]

_CHUNK: Final = 1 << 19  # requests looked at together
_DENSE: Final = 1 << 22  # lengths up to this many tokens are counted in a table


def chunks(total: int) -> Iterator[slice]:
    """Give the slices of chunks of ``total`` requests.

    Examples
    --------
    >>> list(chunks(3))
    [slice(0, 3, None)]
    """
    for start in range(0, total, _CHUNK):
        yield slice(start, min(start + _CHUNK, total))


@dataclass(frozen=True, eq=False, slots=True)
class TokenHistogram:
    """The distinct lengths of a sample [tok], ascending, and how often each occurs.

    Examples
    --------
    >>> h = TokenHistogram.of(np.array([30.0, 10.0, 30.0]))
    >>> h.values.tolist(), h.counts.tolist(), round(h.mean, 3), h.quantiles(np.array([0.5])).tolist()
    ([10.0, 30.0], [1, 2], 23.333, [30.0])
    """

    values: Array
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, tokens: Array) -> TokenHistogram:
        """Count a sample of lengths.

        Raises
        ------
        InputError
            An empty sample.
        """
        if tokens.size == 0:
            raise InputError("no lengths: a trace needs at least one request")
        most = float(tokens.max())
        if most > _DENSE or not (tokens[:_CHUNK] % 1 == 0).all():
            values, counts = np.unique(tokens, return_counts=True)
            return cls(values, counts.astype(np.int64))
        table = np.zeros(int(most) + 1, np.int64)
        for part in chunks(tokens.size):
            found = np.bincount(tokens[part].astype(np.int64))
            table[: found.size] += found
        present = np.flatnonzero(table)
        return cls(present.astype(float), table[present])

    @property
    def total(self) -> int:
        """Number of requests."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean [tok]."""
        return float(self.values @ self.counts) / self.total

    @property
    def scv(self) -> float:
        """Squared coefficient of variation [-]; 0 where the mean is 0."""
        mean = self.mean
        return float((self.values - mean) ** 2 @ self.counts) / self.total / mean**2 if mean else 0.0

    def quantiles(self, ranks: Array) -> Array:
        """Smallest lengths that a share ``ranks`` of the sample does not exceed [tok]."""
        wanted = np.ceil(ranks * self.total - 1e-9)
        at = np.searchsorted(np.cumsum(self.counts), np.maximum(wanted, 1.0))
        return self.values[np.minimum(at, self.values.size - 1)]

    def mid_ranks(self) -> Array:
        """Return the rank of each distinct length, equal lengths sharing their middle."""
        last = np.cumsum(self.counts)
        ranks: Array = last - (self.counts - 1) / 2.0
        return ranks

    def places(self, tokens: Array) -> Places:
        """Return the place of each length in ``values``."""
        return np.searchsorted(self.values, tokens)


def pearson_of(x: Array, y: Array, mean_x: float, mean_y: float) -> float:
    """Return the Pearson correlation of two samples with known means [-]; 0 where one does not vary.

    Examples
    --------
    >>> round(pearson_of(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]), 2.0, 4.0), 6)
    1.0
    """
    xx = yy = xy = 0.0
    for part in chunks(x.size):
        a, b = x[part] - mean_x, y[part] - mean_y
        xx, yy, xy = xx + float(a @ a), yy + float(b @ b), xy + float(a @ b)
    scale = float(np.sqrt(xx * yy))
    return xy / scale if scale > 0 else 0.0


def rank_correlation(x: Array, y: Array, of_x: TokenHistogram, of_y: TokenHistogram) -> float:
    """Return the Spearman correlation of two samples whose histograms are known [-]."""
    table_x, table_y = _rank_table(of_x), _rank_table(of_y)
    middle = (of_x.total + 1) / 2.0
    xx = yy = xy = 0.0
    for part in chunks(x.size):
        a = _looked_up(x[part], of_x, table_x) - middle
        b = _looked_up(y[part], of_y, table_y) - middle
        xx, yy, xy = xx + float(a @ a), yy + float(b @ b), xy + float(a @ b)
    scale = float(np.sqrt(xx * yy))
    return xy / scale if scale > 0 else 0.0


def _rank_table(histogram: TokenHistogram) -> Array:
    """Return the ranks by length, or by place where lengths are too long for a table."""
    ranks = histogram.mid_ranks()
    if not is_dense(histogram):
        return ranks
    table = np.zeros(int(histogram.values[-1]) + 1)
    table[histogram.values.astype(np.int64)] = ranks
    return table


def is_dense(histogram: TokenHistogram) -> bool:
    """Return whether the lengths are whole and short enough to index a table with."""
    return bool(histogram.values[-1] <= _DENSE and (histogram.values % 1 == 0).all())


def _looked_up(tokens: Array, histogram: TokenHistogram, table: Array) -> Array:
    at = tokens.astype(np.int64) if is_dense(histogram) else histogram.places(tokens)
    return table[at]
