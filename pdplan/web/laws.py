"""Laws of TTFT and TPOT as points to draw: latency against the share of requests that are slower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdplan.planner.evaluate import Disaggregated, several
from pdplan.serving.composition import TtftLaw
from pdplan.trust import Trust

#: Points of a curve, and the smallest share of slower requests that it shows.
POINTS: Final = 64
#: Cells of the lattice from which a law is read.
_CELLS: Final = 8192
SMALLEST: Final = 1e-3
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReadLaw:
    """A law of TTFT or E2E whose percentiles are read off a lattice: to 3e-3, in a fraction of the time."""

    law: TtftLaw

    @property
    def mean_s(self) -> float:
        """Mean [s]."""
        return self.law.mean_s

    @property
    def trust(self) -> Trust:
        """Trust of the law."""
        return self.law.trust

    @property
    def parts(self) -> dict[str, float]:
        """Mean of each part [s]."""
        return self.law.parts

    def sf(self, t: Any) -> Any:
        """P(latency > t)."""
        times, slower = self._curve
        return np.interp(t, times, slower, left=1.0, right=0.0)

    def quantile_s(self, p: Any) -> Any:
        """Smallest t with P(latency <= t) >= p [s], on the curve."""
        times, slower = self._curve
        return np.interp(1.0 - np.asarray(p, dtype=float), slower[::-1], times[::-1])

    @cached_property
    def _curve(self) -> tuple[Array, Array]:
        """The curve: lengths and waits on one lattice, convolved; both keep their mean there."""
        offset, wait = self.law.offset_s, self.law.wait
        low = float(offset.min())
        step = (float(offset.max()) - low + wait.range_s) / (_CELLS - 1)
        at = (offset - low) / step
        cell = at.astype(int)
        upper: Array = self.law.weight * (at - cell)
        fixed = np.bincount(cell, self.law.weight - upper, _CELLS + 1)[:_CELLS]
        fixed[1:] += np.bincount(cell, upper, _CELLS)[: _CELLS - 1]
        edges: Array = (np.arange(_CELLS, dtype=float) + 0.5) * step
        waits = -np.diff(wait.sf(edges), prepend=1.0)
        spectra = np.fft.rfft(np.stack([fixed, waits]), 2 * _CELLS, axis=1)
        pmf = np.fft.irfft(spectra[0] * spectra[1], 2 * _CELLS)[:_CELLS]
        slower: Array = np.minimum.accumulate(1.0 - np.cumsum(pmf))
        return low + edges, slower


def laws_of(fleet: Disaggregated) -> dict[str, dict[str, list[list[float]]]]:
    """Return, for each class, curves of TTFT and of TPOT: pairs of (latency [s], share slower [-])."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for demand in fleet.problem.demands:
        found[demand.name] = {"ttft": curve(fleet.ttft(demand).sf)}
        if several(demand):
            found[demand.name]["tpot"] = curve(fleet.tpot(demand).sf)
    return found


def curve(sf: Callable[[Array], Any]) -> list[list[float]]:
    """Return points of a law from its survival function, as dense where it falls fast.

    Examples
    --------
    >>> points = curve(lambda t: np.exp(-np.asarray(t)))
    >>> points[0], round(points[-1][0], 1)
    ([0.0, 1.0], 6.9)
    """
    high = 1e-3
    while float(np.asarray(sf(np.array([high])))[0]) > SMALLEST and high < 1e6:
        high *= 2.0
    low = 0.0
    for _ in range(3):  # two rounds place the ends, the last draws
        t = np.linspace(low, high, POINTS)
        slower = np.minimum.accumulate(np.clip(np.asarray(sf(t), dtype=float), 0.0, 1.0))
        last = int(np.argmax(slower <= SMALLEST)) if slower[-1] <= SMALLEST else POINTS - 1
        first = int(np.argmax(slower < 0.999)) if slower[-1] < 0.999 else 0
        low, high = float(t[max(first - 1, 0)]), float(t[last])
    if 0.0 < slower[last] < SMALLEST and last > 0:  # end where the picture ends, on the straight line there
        a, b, c = np.log([slower[last - 1], slower[last], SMALLEST])
        t[last] -= (t[last] - t[last - 1]) * (c - b) / (a - b)
    kept = slice(max(first - 1, 0), last + 1)
    return [[_short(x), _short(max(y, SMALLEST))] for x, y in zip(t[kept], slower[kept], strict=True)]


def simulated_curve(values: Array) -> list[list[float]]:
    """Return points of the law of simulated values, evenly spread over what a curve shows."""
    ordered = np.sort(values)
    shares = np.geomspace(1.0, SMALLEST, POINTS)
    at = np.minimum(((1.0 - shares) * ordered.size).astype(int), ordered.size - 1)
    return [[_short(float(ordered[i])), _short(float(s))] for i, s in zip(at, shares, strict=True)]


def _short(x: float) -> float:
    return float(f"{x:.5g}")
