"""A law on finitely many values: mean, tail, quantile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class DiscreteLaw:
    """P(X = value_i) = weight_i, values increasing.

    Examples
    --------
    >>> law = DiscreteLaw.of(np.array([3.0, 1.0]), np.array([0.25, 0.75]))
    >>> law.mean, float(law.sf(1.0)), float(law.quantile(0.75)), float(law.quantile(0.76))
    (1.5, 0.25, 1.0, 3.0)
    """

    value: Array
    weight: Array
    cumulative: Array

    @classmethod
    def of(cls, value: Array, weight: Array) -> DiscreteLaw:
        """Make the law of values in any order with weights that sum to 1."""
        if (np.diff(value) < 0).any():
            order = np.argsort(value, kind="stable")
            value, weight = value[order], weight[order]
        return cls(value, weight, np.cumsum(weight))

    @property
    def mean(self) -> float:
        """E X."""
        return float(self.weight @ self.value)

    @property
    def variance(self) -> float:
        """Var X."""
        return float(self.weight @ (self.value - self.mean) ** 2)

    def sf(self, x: Any) -> Any:
        """P(X > x)."""
        below = np.searchsorted(self.value, np.asarray(x, dtype=float), side="right")
        at_most = np.where(below > 0, self.cumulative[np.maximum(below, 1) - 1], 0.0)
        return np.maximum(0.0, 1.0 - at_most)

    def quantile(self, p: Any) -> Any:
        """Smallest value with P(X <= value) >= p."""
        require_fraction("p", p, open_high=True)
        # rounding of the cumulative sum must not push p = 0.75 past a step that ends exactly there
        index = np.searchsorted(self.cumulative, np.asarray(p, dtype=float) * (1 - 1e-12))
        return self.value[np.minimum(index, self.value.size - 1)]
