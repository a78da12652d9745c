"""Quantiles of correlated observations, by testing P(W > q) = 1 - p."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction
from pdplan.sim.statistics.batch_means import BATCHES, LAG1_LIMIT, batch_means, lag1_correlation
from pdplan.sim.statistics.student import t_multiplier, two_sided_p

Array = NDArray[np.float64]

#: Standard errors of the share around p over which order statistics are kept.
_WINDOW = 12.0
_KEPT = 4097
#: Times that differ by less, relatively, are the same time.
_SAME = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class QuantileEstimate:
    """An estimated quantile.

    Attributes
    ----------
    estimate : float
        In the unit of the observations.
    p : float
        Which quantile [-].
    share_error : float
        Standard error of the share below the estimate [-].
    degrees, lag1, observations
        As in `MeanEstimate`; the batch means are those of the share.
    shares, values : array
        The empirical distribution around p: where an interval ends.
    """

    estimate: float
    p: float
    share_error: float
    degrees: float
    lag1: float
    observations: int
    shares: Array
    values: Array

    @property
    def sound(self) -> bool:
        """Whether the batches pass for independent and the interval ends within the observations."""
        return self.lag1 < LAG1_LIMIT and math.isfinite(self.half_width())

    def half_width(self, confidence: float = 0.99) -> float:
        """Half the width of the interval; infinite where the sample is too short for an upper end."""
        low, high = self.interval(confidence)
        return 0.5 * (high - low)

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """Every q whose share P(W <= q) the sample does not contradict.

        The upper end is infinite where the sample ends before it.
        """
        half = t_multiplier(confidence, self.degrees) * self.share_error
        first = int(np.searchsorted(self.shares, self.p - half, side="left"))
        last = int(np.searchsorted(self.shares, self.p + half, side="right"))
        high = math.inf if last == self.values.size else float(self.values[last])
        return float(self.values[first]), high

    def p_value(self, low: float, high: float) -> float:
        """Probability of a sample this far out if the truth lies in [low, high] [-].

        q is the p-quantile when P(W < q) <= p <= P(W <= q): an atom at q is no contradiction.
        """
        not_beyond = self._share(high + _SAME * abs(high), "right")
        below = self._share(low - _SAME * abs(low), "left")
        away = max(self.p - not_beyond, below - self.p, 0.0)
        return two_sided_p(away, self.share_error, self.degrees)

    def _share(self, edge: float, side: Literal["left", "right"]) -> float:
        """Share of observations below ``edge`` (left) or not beyond it (right) [-]."""
        at = int(np.searchsorted(self.values, edge, side=side))
        if at == 0:
            return max(0.0, float(self.shares[0]) - 1.0 / self.observations)
        return float(self.shares[at - 1])


def quantile_estimate(values: Array, p: float, batches: int = BATCHES) -> QuantileEstimate:
    """Return the p-quantile of a stationary, correlated sequence.

    The share below the sample quantile has a mean and a variance by batch means; the interval of the quantile
    is where the empirical distribution passes p minus and plus the half-width of that share.

    Source: A. F. Seila, A batching approach to quantile estimation in regenerative simulations, Management
    Science 28 (1982) 573-581; the inversion as for independent observations (David and Nagaraja 2003, 7.1).

    Examples
    --------
    >>> found = quantile_estimate(np.random.default_rng(1).exponential(1.0, 32_000), 0.99)
    >>> low, high = found.interval()
    >>> low < 4.605 < high
    True
    """
    return quantile_estimates(values, (p,), batches)[0]


def quantile_estimates(
    values: Array, ps: Sequence[float], batches: int = BATCHES
) -> tuple[QuantileEstimate, ...]:
    """Return several quantiles of one sequence, sorting it once.

    Examples
    --------
    >>> [q.estimate for q in quantile_estimates(np.arange(1.0, 101.0), (0.5, 0.9))]
    [50.0, 90.0]
    """
    ordered = np.sort(values)
    return tuple(_quantile(values, ordered, p, batches) for p in ps)


def _quantile(values: Array, ordered: Array, p: float, batches: int) -> QuantileEstimate:
    """Estimate one quantile from the values in order of arrival and in order of size."""
    require_fraction("p", p, open_low=True, open_high=True)
    n = ordered.size
    place = max(0, math.ceil(p * n) - 1)
    at = float(ordered[place])
    # an atom at the quantile: its share is dealt out so that the mean is p
    under, tied = values < at, values == at
    tie_share = float(tied.mean())
    weight = (p - float(under.mean())) / tie_share if tie_share > 0 else 0.0
    means = batch_means(under + min(max(weight, 0.0), 1.0) * tied, batches)
    error = float(means.std(ddof=1)) / math.sqrt(batches)
    reach = max(_WINDOW * error, 64.0 / n)
    first = max(0, math.floor((p - reach) * n))
    last = min(n - 1, math.ceil((p + reach) * n))
    kept = np.unique(np.linspace(first, last, min(_KEPT, last - first + 1)).astype(np.int64))
    return QuantileEstimate(
        at, p, error, batches - 1, lag1_correlation(means), n, (kept + 1.0) / n, ordered[kept]
    )


def exceedance_test(values: Array, q: float, p: float, batches: int = BATCHES) -> float:
    """Return the probability of a share beyond ``q`` this far from 1 - p, if q is the p-quantile [-].

    Examples
    --------
    >>> sample = np.random.default_rng(1).exponential(1.0, 32_000)
    >>> exceedance_test(sample, 4.605, 0.99) > 0.01 > exceedance_test(sample, 5.0, 0.99)
    True
    """
    return quantile_estimate(values, p, batches).p_value(q, q)
