"""A law on two lattices: a fine one for common percentiles, a long one for the deep tail."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.queueing.lattice import LatticeLaw

Array = NDArray[np.float64]

#: Tails down to which each lattice reaches; no percentile is answered beyond the last.
TAILS = (1e-4, 1e-7)


class Layers:
    """Percentiles of one delay, from lattices built when they are first needed.

    The layers are joined so that ``sf`` and ``quantile`` stay inverse to each other: where the fine lattice
    ends, the long one takes over from that point and that probability on.
    """

    def __init__(self, build: Callable[[float], LatticeLaw]) -> None:
        self._build = build
        self._laws: list[LatticeLaw] = []

    def law(self, layer: int) -> LatticeLaw:
        """The lattice law that reaches to ``TAILS[layer]``."""
        while len(self._laws) <= layer:
            self._laws.append(self._build(TAILS[len(self._laws)]))
        return self._laws[layer]

    def quantile(self, p: Array) -> Array:
        """Quantiles of the point law [s]."""
        return self._joined(p, lambda law, x: np.asarray(law.quantile_s(x)))

    def bounds(self, p: Array) -> tuple[Array, Array]:
        """Lower and upper bounds of the quantiles [s]."""
        low = self._joined(p, lambda law, x: np.asarray(law.quantile_bounds_s(x)[0]))
        high = self._joined(p, lambda law, x: np.asarray(law.quantile_bounds_s(x)[1]))
        return low, high

    def sf(self, t: Array) -> Array:
        """P(X > t) of the point law; not resolved below the last of `TAILS`."""
        out = np.asarray(self.law(0).sf(t))
        deep = t > self._end_s
        if deep.any():
            out[deep] = np.minimum(np.asarray(self.law(1).sf(t[deep])), TAILS[0])
        return out

    @cached_property
    def _end_s(self) -> float:
        """Where the fine lattice hands over [s]."""
        return float(self.law(0).quantile_s(1 - TAILS[0]))

    def _joined(self, p: Array, quantile: Callable[[LatticeLaw, Array], Array]) -> Array:
        """Quantiles by the layer that reaches far enough; the long layer never below the end of the fine."""
        if p.size and float(p.max()) > 1 - TAILS[1]:
            raise InputError(
                f"p is {float(p.max()):.10g}: percentiles of this law are computed up to {1 - TAILS[1]:.7f}"
            )
        deep = p > 1 - TAILS[0]
        out = np.empty(p.shape)
        out[~deep] = quantile(self.law(0), p[~deep])
        if deep.any():
            join = float(quantile(self.law(0), np.array([1 - TAILS[0]]))[0])
            out[deep] = np.maximum(quantile(self.law(1), p[deep]), join)
        return out
