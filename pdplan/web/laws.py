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
SMALLEST: Final = 1e-3
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReadLaw:
    """A law of TTFT or E2E whose percentiles are read off a curve: to 1e-3, in a fraction of the time."""

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
        return self.law.sf(t)

    @cached_property
    def _coarse(self) -> tuple[Array, Array]:
        high = float(self.law.offset_s.max()) + self.law.wait.range_s
        t = np.linspace(float(self.law.offset_s.min()), high, 4 * POINTS)
        return t, np.minimum.accumulate(np.asarray(self.law.sf(t), dtype=float))

    def quantile_s(self, p: Any) -> Any:
        """Smallest t with P(latency <= t) >= p [s]: the bracket on the curve, cut once more."""
        t, slower = self._coarse
        levels = 1.0 - np.ravel(np.asarray(p, dtype=float)) + 1e-12
        at = np.clip(np.searchsorted(-slower, -levels), 1, t.size - 1)
        fine = t[at - 1, None] + (t[at] - t[at - 1])[:, None] * np.linspace(0.0, 1.0, 33)[None, :]
        above = np.asarray(self.law.sf(fine.ravel())).reshape(fine.shape)
        found = np.array([_crossing(*row) for row in zip(fine, above, levels, strict=True)])
        return float(found[0]) if np.ndim(p) == 0 else found.reshape(np.shape(p))


def _crossing(t: Array, slower: Array, level: float) -> float:
    """Where a falling curve reaches a level, between its points by a straight line."""
    k = int(np.argmax(slower <= level)) if slower[-1] <= level else t.size - 1
    if k == 0 or slower[k - 1] <= slower[k]:
        return float(t[k])
    share = min(1.0, (slower[k - 1] - level) / (slower[k - 1] - slower[k]))
    return float(t[k - 1] + share * (t[k] - t[k - 1]))


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
