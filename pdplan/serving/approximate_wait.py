"""Waiting laws where they only roughly hold: what the link adds to a transfer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from pdplan.queueing.lattice import LatticeLaw
from pdplan.serving.delays import Array, wait_high_s
from pdplan.serving.lattice_sum import LatticeSum
from pdplan.trust import Trust

#: Lattice of the sum of two waits, and the probability cut off each.
_POINTS: Final = 4096
_TAIL: Final = 1e-6


@dataclass(frozen=True, slots=True)
class ApproximateWait:
    """A waiting law used where its arrivals are only roughly Poisson, after a fixed wait.

    Parameters
    ----------
    law : MG1 or any law of a wait
    before_s : float
        Fixed wait before it [s].

    Examples
    --------
    >>> from pdplan.queueing import MM1
    >>> wait = ApproximateWait(MM1(arrival_rate=0.5, service_s=1.0), 0.25)
    >>> wait.mean_s, wait.sf(np.array([0.1, 0.25])).tolist()
    (1.25, [1.0, 0.5])
    """

    law: Any
    before_s: float

    @property
    def mean_s(self) -> float:
        """Mean wait [s]."""
        return self.before_s + float(self.law.mean_wait_s)

    @property
    def trust(self) -> Trust:
        """Approximate: prefill instances send at intervals of their own."""
        return Trust.APPROXIMATE

    def sf(self, t: Any) -> Any:
        """P(wait > t)."""
        later = np.asarray(t, dtype=float) - self.before_s
        return np.where(later < 0, 1.0, self.law.wait_sf(np.maximum(later, 0.0)))

    def high_s(self, tail: float) -> float:
        """Return a time exceeded with probability at most ``tail`` [s]."""
        return self.before_s + wait_high_s(self.law, tail)

    def lattice(self, step_s: float, points: int) -> LatticeLaw | None:
        """Return the law on this lattice if it can be computed there directly."""
        if not hasattr(self.law, "wait_lattice"):
            return None
        law: LatticeLaw = self.law.wait_lattice(step_s, points)
        if self.before_s == 0:
            return law
        cells = self.before_s / step_s
        return replace(
            law,
            pmf=_later(law.pmf, round(cells)),
            lower_pmf=None if law.lower_pmf is None else _later(law.lower_pmf, math.floor(cells)),
            upper_pmf=None if law.upper_pmf is None else _later(law.upper_pmf, math.ceil(cells)),
            zero_mass=0.0,
        )


@dataclass(frozen=True, eq=False)
class TwoWaits:
    """One wait after another, taken as independent: for either end of a link.

    Examples
    --------
    >>> from pdplan.queueing import MM1
    >>> one = ApproximateWait(MM1(arrival_rate=0.5, service_s=1.0), 0.0)
    >>> both = TwoWaits(one, one)                    # each waits with probability 1/2, then 2 s on average
    >>> both.mean_s, both.sf(np.array([0.0])).round(3).tolist()
    (2.0, [0.75])
    """

    first: ApproximateWait
    second: ApproximateWait

    @property
    def mean_s(self) -> float:
        """Mean wait [s]."""
        return self.first.mean_s + self.second.mean_s

    @property
    def trust(self) -> Trust:
        """Approximate, as each of the two."""
        return Trust.APPROXIMATE

    @cached_property
    def _sum(self) -> LatticeSum:
        return LatticeSum.of([self.first, self.second], _POINTS, _TAIL)

    def sf(self, t: Any) -> Any:
        """P(wait > t)."""
        return self._sum.sf(np.asarray(t, dtype=float))

    def high_s(self, tail: float) -> float:
        """Return a time exceeded with probability at most about ``tail`` [s]."""
        return self.first.high_s(tail) + self.second.high_s(tail)

    def lattice(self, step_s: float, points: int) -> LatticeLaw | None:
        """Return the law on this lattice if both waits can be computed there directly."""
        one, two = self.first.lattice(step_s, points), self.second.lattice(step_s, points)
        if one is None or two is None:
            return None
        spectrum = np.fft.rfft(one.pmf, 2 * points) * np.fft.rfft(two.pmf, 2 * points)
        pmf = np.maximum(np.fft.irfft(spectrum, 2 * points)[:points], 0.0)
        return LatticeLaw(step_s, pmf, zero_mass=one.zero_mass * two.zero_mass, trust=Trust.APPROXIMATE)


def _later(pmf: Array, cells: int) -> Array:
    """Move masses to later points; what passes the end is lost."""
    kept = max(pmf.size - cells, 0)
    return np.concatenate([np.zeros(pmf.size - kept), pmf[:kept]])
