"""Sums of independent delays on one lattice: rounded to nearest (mean kept), down or up (bounds)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdplan.queueing.lattice import LatticeLaw
from pdplan.serving.delays import Array, Delay


@dataclass(frozen=True, slots=True)
class Masses:
    """Point masses at ``0, step, 2 step, ...``; ``atom`` is the part of the first that sits at 0 itself."""

    pmf: Array
    atom: float
    lost: float  #: probability beyond the lattice


def nearest(delay: Delay, step_s: float, points: int) -> Masses:
    """Round to the nearest lattice point, then move mass by one point so that the mean is exact.

    The mass at k is F((k + 1/2) step) - F((k - 1/2) step); what lies beyond the range sits at its end. The
    small error of the mean is then removed by shifting a share of every mass (other than the atom at 0) by
    one point. A law that can be computed on the lattice itself is taken from there.
    """
    law = _own_lattice(delay, step_s, points)
    if law is not None:
        pmf, atom = law.pmf.copy(), min(law.zero_mass, float(law.pmf[0]))
        pmf[-1] += law.missing_mass
        lost = law.missing_mass
    else:
        above = delay.sf(np.concatenate([[0.0], (np.arange(points - 1) + 0.5) * step_s]))
        pmf = np.empty(points)
        pmf[0] = 1.0 - above[1]
        pmf[1:-1] = above[1:-1] - above[2:]
        pmf[-1] = lost = above[-1]
        atom = 1.0 - float(above[0])
    _keep_mean(pmf, atom, delay.mean_s / step_s)
    return Masses(pmf, atom, float(lost))


def _own_lattice(delay: Delay, step_s: float, points: int) -> LatticeLaw | None:
    """Return the law of a delay that is computed on the lattice itself, None for others."""
    lattice = getattr(delay, "lattice", None)
    return None if lattice is None else lattice(step_s, points)


def rounded(delay: Delay, step_s: float, points: int) -> tuple[Masses, Masses]:
    """Masses below and above the delay, stochastically; those of the law itself where it has them."""
    law = _own_lattice(delay, step_s, points)
    if law is not None and law.lower_pmf is not None and law.upper_pmf is not None:
        lower, upper = np.maximum(law.lower_pmf, 0.0), np.maximum(law.upper_pmf, 0.0)
        lower[-1] += max(1.0 - float(lower.sum()), 0.0)
        lost = max(1.0 - float(upper.sum()), 0.0)
        return Masses(lower, float(lower[0]), 0.0), Masses(upper, float(upper[0]), lost)
    above = delay.sf(np.arange(points) * step_s)
    return rounded_down(above), rounded_up(above)


def _keep_mean(pmf: Array, atom: float, mean: float) -> None:
    """Shift a share of the masses by one lattice point, in place, so that their mean is ``mean`` [steps]."""
    missing = mean - float(np.arange(pmf.size) @ pmf)
    if missing > 0:
        movable = pmf[:-1].copy()
        movable[0] -= atom
        share = missing / float(movable.sum()) if movable.sum() > 0 else 0.0
        moved = min(share, 1.0) * movable
        pmf[:-1] -= moved
        pmf[1:] += moved
    else:
        movable = pmf[1:].copy()
        share = -missing / float(movable.sum()) if movable.sum() > 0 else 0.0
        moved = min(share, 1.0) * movable
        pmf[1:] -= moved
        pmf[:-1] += moved


def rounded_down(above: Array) -> Masses:
    """Round down, given P(delay > k step): stochastically smaller (what lies beyond the range ends there).

    Examples
    --------
    >>> above = np.array([0.5, 0.25, 0.0])
    >>> rounded_down(above).pmf.tolist(), rounded_up(above).pmf.tolist()
    ([0.75, 0.25, 0.0], [0.5, 0.25, 0.25])
    """
    pmf = np.append(above[:-1] - above[1:], above[-1])
    pmf[0] += 1.0 - above[0]
    return Masses(pmf, float(pmf[0]), 0.0)


def rounded_up(above: Array) -> Masses:
    """Round up, given P(delay > k step): stochastically larger (what lies beyond the range is lost)."""
    return Masses(np.append(1.0 - above[0], above[:-1] - above[1:]), 1.0 - float(above[0]), float(above[-1]))


def _step_s(delays: Sequence[Delay], points: int, tail: float) -> float:
    """Lattice step for the sum; a few cells to spare, since each rounding up adds one to the sum [s].

    A delay that is 0 but for less than ``tail`` still gets room for its mean.
    """
    return sum(max(d.high_s(tail), d.mean_s) for d in delays) / (points - 1 - 2 * len(delays))


@dataclass(frozen=True, slots=True)
class LatticeSum:
    """The sum of delays: point masses on a lattice, read as a law.

    ``at_points`` says that the masses sit at the lattice points themselves (bounds); otherwise each mass but
    the atom at 0 is spread evenly over the cell around its point. ``above[k]`` is the mass at k and beyond.
    """

    step_s: float
    pmf: Array
    atom: float
    lost: float
    at_points: bool
    above: Array

    @classmethod
    def of(cls, delays: Sequence[Delay], points: int, tail: float) -> LatticeSum:
        """Convolve the delays on a lattice whose range holds all but ``tail`` of each; the mean is kept."""
        if not delays:
            return cls(1.0, np.array([1.0]), 1.0, 0.0, True, np.array([1.0, 0.0]))
        step = _step_s(delays, points, tail)
        return cls.convolved([nearest(d, step, points) for d in delays], step, at_points=False)

    @classmethod
    def bounds(cls, delays: Sequence[Delay], points: int, tail: float) -> tuple[LatticeSum, LatticeSum]:
        """Return two sums, stochastically below and above the sum of the delays."""
        step = _step_s(delays, points, tail)
        pairs = [rounded(d, step, points) for d in delays]
        down = cls.convolved([low for low, _ in pairs], step, at_points=True)
        return down, cls.convolved([high for _, high in pairs], step, at_points=True)

    @classmethod
    def convolved(cls, masses: Sequence[Masses], step_s: float, *, at_points: bool) -> LatticeSum:
        """Convolve masses on one lattice; what lies beyond its end is counted there."""
        points = masses[0].pmf.size
        pmf = masses[0].pmf
        if len(masses) > 1:
            spectra = np.fft.rfft(np.stack([m.pmf for m in masses]), 2 * points, axis=1)
            pmf = np.maximum(np.fft.irfft(spectra.prod(axis=0), 2 * points)[:points], 0.0)
        atom = math.prod(m.atom for m in masses)
        beyond = max(1.0 - float(pmf.sum()), 0.0)
        above = np.append(np.cumsum(pmf[::-1])[::-1] + beyond, beyond)
        return cls(step_s, pmf, atom, max(beyond, *(m.lost for m in masses)), at_points, above)

    @property
    def range_s(self) -> float:
        """Last point of the lattice, and a cell [s]."""
        return self.step_s * self.pmf.size

    @property
    def mean_s(self) -> float:
        """Mean of the masses [s]."""
        return float(self.step_s * (np.arange(self.pmf.size) @ self.pmf))

    def first_point_s(self, p: float) -> float:
        """First lattice point t with P(sum <= t) >= p [s], masses at the points; ``inf`` beyond the end."""
        below = np.flatnonzero(self.above[1:] <= 1.0 - p + 1e-12)
        return float(below[0] * self.step_s) if below.size else np.inf

    def sf(self, t: Array) -> Array:
        """P(sum > t); 1 for t < 0."""
        x = np.asarray(t, dtype=float) / self.step_s
        last = self.pmf.size
        if self.at_points:
            # masses at k > x; the tiny slack keeps a point that equals t on its own side
            k = np.clip(np.floor(x + 1e-12).astype(int) + 1, 0, last)
            masses: Array = self.above[k]
            return masses
        x = np.minimum(x, last - 0.5)
        k = np.clip(np.floor(x + 0.5).astype(int), 0, last - 1)
        # P(sum > (k - 1/2) step) falls linearly to P(sum > (k + 1/2) step); the first cell is half as wide.
        high = np.where(k == 0, 1.0 - self.atom, self.above[k])
        low = self.above[k + 1]
        share = np.where(k == 0, 2.0 * x, x + 0.5 - k)
        values: Array = np.where(x < 0, 1.0, high + (low - high) * np.clip(share, 0.0, 1.0))
        return values
