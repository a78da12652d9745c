"""Laws on a lattice: a delay rounded to multiples of a step, with a rigorous law on either side.

Station by station, a time to first token is a sum of independent delays. On one lattice each is an array
of masses, a sum is a convolution, a mix of classes an average. Rounding every delay down and every delay
up gives two laws that enclose the true one, whatever is then added or mixed, so bounds survive composition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing.base import each_p, each_t
from pdplan.trust import Trust

Array = NDArray[np.float64]

#: Rounding of the transforms: cumulative masses are believed to this [-].
ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class LatticeLaw:
    """A non-negative delay X on the lattice 0, step, 2 step, ...

    Mass that an array lacks to 1 lies beyond its end.

    Parameters
    ----------
    step_s : float
        Lattice step [s].
    pmf : array, shape (n,)
        Point law: mass k at k step [-], the mean of X preserved (up to what lies beyond the end).
    lower_pmf, upper_pmf : array, shape (n,), optional
        Laws that are stochastically smaller and larger than X. Without them there are no bounds.
    zero_mass : float
        P(X = 0) [-].
    trust : Trust
        What stands behind the point law.

    Examples
    --------
    >>> from pdplan.queueing.lattice_sums import point_law
    >>> law = point_law(1.0, step_s=0.25, n=16)
    >>> law.mean_s, law.quantile_bounds_s(0.5)
    (1.0, (1.0, 1.0))
    """

    step_s: float
    pmf: Array
    lower_pmf: Array | None = None
    upper_pmf: Array | None = None
    zero_mass: float = 0.0
    trust: Trust = field(default=Trust.BOUNDED)

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        require_positive("step_s", self.step_s, "s")
        for other in (self.lower_pmf, self.upper_pmf):
            if other is not None and other.shape != self.pmf.shape:
                raise InputError(
                    f"lattice laws differ in length: {other.size} against {self.pmf.size} masses"
                )

    @property
    def size(self) -> int:
        """Number of lattice points [-]."""
        return int(self.pmf.size)

    @property
    def end_s(self) -> float:
        """The last lattice point [s]."""
        return self.step_s * (self.size - 1)

    @property
    def has_bounds(self) -> bool:
        """Whether two enclosing laws are at hand."""
        return self.lower_pmf is not None and self.upper_pmf is not None

    @property
    def missing_mass(self) -> float:
        """Mass of the point law beyond the end [-]."""
        return max(0.0, 1.0 - float(self._cdf[-1]))

    @property
    def mean_s(self) -> float:
        """Mean of the point law, up to what lies beyond the end [s]."""
        return float(self.pmf @ np.arange(self.size)) * self.step_s

    @cached_property
    def _cdf(self) -> Array:
        return _cumulative(self.pmf)

    @cached_property
    def _bound_cdfs(self) -> tuple[Array, Array]:
        if self.lower_pmf is None or self.upper_pmf is None:
            raise InputError("this lattice law has no bounds: it was built from an approximation")
        return _cumulative(self.lower_pmf), _cumulative(self.upper_pmf)

    @cached_property
    def _curve(self) -> tuple[Array, Array]:
        """Knots (t, P(X <= t)): midway between lattice points, where the sums are most accurate."""
        t = np.r_[0.0, (np.arange(self.size) + 0.5) * self.step_s]
        start = min(self.zero_mass, float(self._cdf[0]))
        return t, np.r_[start, self._cdf]

    def sf(self, t: Any) -> Any:
        """P(X > t) of the point law, linear between lattice points, kept within the bounds; t in [s]."""
        knots, cdf = self._curve

        def value(x: Array) -> Array:
            middle = 1 - np.interp(x, knots, cdf)
            return np.asarray(np.clip(middle, *self.sf_bounds(x)) if self.has_bounds else middle)

        return each_t(t, value)

    def quantile_s(self, p: Any) -> Any:
        """Smallest t with P(X <= t) >= p of the point law [s], kept within the bounds.

        Raises
        ------
        InputError
            p outside [0, 1), or beyond the end of the lattice.
        """
        return each_p(p, self._quantile)

    def _quantile(self, p: Array) -> Array:
        knots, cdf = self._curve
        if p.size and float(p.max()) > cdf[-1]:
            raise InputError(
                f"p is {float(p.max()):.9g}: this lattice ends at {self.end_s:.4g} s, "
                f"where the law has reached {cdf[-1]:.9g}; use more points"
            )
        k = np.clip(np.searchsorted(cdf, p, side="left"), 1, cdf.size - 1)
        rise = cdf[k] - cdf[k - 1]
        share = np.where(rise > 0, (p - cdf[k - 1]) / np.where(rise > 0, rise, 1.0), 1.0)
        inner = knots[k - 1] + np.clip(share, 0.0, 1.0) * (knots[k] - knots[k - 1])
        inner = np.where(p <= cdf[0], 0.0, inner)
        return np.asarray(np.clip(inner, *self.quantile_bounds_s(p)) if self.has_bounds else inner)

    def quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Proven lower and upper bounds of the p-quantile [s]; upper inf where the lattice ends first."""
        below, above = self._bound_cdfs
        low = each_p(p, lambda x: self._first(below, x - ROUNDING))

        def upper(x: Array) -> Array:
            first = self._first(above, np.where(x <= self.zero_mass, 0.0, x + ROUNDING))
            return np.where(first > self.end_s * (1 + 1e-12), np.inf, first)

        high = each_p(p, upper)
        return low, high

    def sf_bounds(self, t: Any) -> tuple[Any, Any]:
        """Proven lower and upper bounds of P(X > t); t in [s]."""
        below, above = self._bound_cdfs
        last = self.size - 1

        def low(x: Array) -> Array:
            k = np.minimum(np.floor(x / self.step_s + 1e-9), self.size).astype(int)
            inside = np.maximum(1 - below[np.minimum(k, last)] - ROUNDING, 0.0)
            return np.where(k > last, 0.0, inside)

        def high(x: Array) -> Array:
            k = np.clip(np.floor(x / self.step_s - 1e-9), 0, last).astype(int)
            return np.where(x == 0, 1 - self.zero_mass, np.minimum(1 - above[k] + ROUNDING, 1.0))

        return each_t(t, low), each_t(t, high)

    def _first(self, cdf: Array, p: Array) -> Array:
        """First lattice point at which ``cdf`` reaches ``p`` [s]; one past the end where it does not."""
        return np.asarray(np.where(p <= 0, 0.0, np.searchsorted(cdf, p, side="left") * self.step_s))


def _cumulative(pmf: Array) -> Array:
    """Cumulative sums that never fall nor pass 1 (transforms leave errors of order 1e-16)."""
    return np.asarray(np.minimum(np.cumsum(np.maximum(pmf, 0.0)), 1.0))


def masses_down(cdf: Array) -> Array:
    """Masses of X rounded down, from P(X <= k step), k = 0..n.

    Examples
    --------
    >>> import numpy as np
    >>> masses_down(np.array([0.0, 0.5, 1.0])).tolist(), masses_up(np.array([0.0, 0.5, 1.0])).tolist()
    ([0.5, 0.5], [0.0, 0.5])
    """
    masses = np.diff(cdf)
    masses[0] += cdf[0]
    return masses


def masses_up(cdf: Array) -> Array:
    """Masses of X rounded up, from P(X <= k step), k = 0..n (n masses)."""
    return np.diff(cdf[:-1], prepend=0.0)


def masses_mean(limited_mean_s: Array, step_s: float) -> Array:
    """Masses of X split between its two neighbours so that its mean is kept, from E min(X, k step), k = 0..n.

    Examples
    --------
    >>> import numpy as np
    >>> masses_mean(np.minimum(0.25, np.arange(4.0)), 1.0).tolist()  # X = 0.25
    [0.75, 0.25, 0.0]
    """
    average_sf = np.diff(limited_mean_s) / step_s
    return np.asarray(np.diff(1 - average_sf, prepend=0.0))
