"""Which part of a run is measured: from the end of its warm-up to its last arrival."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.sim.measured import defined, quantity_values
from pdplan.sim.raw import RawRun
from pdplan.sim.statistics import Warmup, mser5

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Observations from which on an interval is given: two for each of 32 batches.
FEWEST = 64
#: Requests of the pilot that the warm-up is read from, at least.
PILOT = 5000


@dataclass(frozen=True, eq=False)
class Window:
    """The measured part of a run.

    Parameters
    ----------
    raw : RawRun
    whole : bool
        Measure from the first moment on: a transient.
    """

    raw: RawRun
    whole: bool = False

    @cached_property
    def warmup(self) -> Warmup:
        """The cut after MSER-5 over TTFT and TPOT of a pilot: the first fifth of the run, or all of it."""
        if self.whole:
            return Warmup(0, False)
        found = [self._cut("ttft"), self._cut("tpot")]
        return Warmup(max(w.observations for w in found), all(w.settled for w in found))

    @cached_property
    def from_s(self) -> float:
        """From when on requests count, by their arrival [s]; a warm-up that the engine was given stands."""
        if self.whole:
            return 0.0
        if self.raw.from_s > 0:
            return self.raw.from_s
        cut = self.warmup.observations
        return float(self._sorted_arrivals[cut]) if cut else 0.0

    @cached_property
    def until_s(self) -> float:
        """The last arrival [s]."""
        return float(self._sorted_arrivals[-1])

    def in_order(self, which: Mask) -> Index:
        """Numbers of the chosen requests in order of arrival."""
        if self._order is None:
            return np.flatnonzero(which)
        return np.asarray(self._order[which[self._order]])

    @cached_property
    def _order(self) -> Index | None:
        arrival = self.raw.arrival_s
        straight = bool((arrival[1:] >= arrival[:-1]).all())
        return None if straight else np.argsort(arrival, kind="stable")

    @property
    def _sorted_arrivals(self) -> Array:
        return self.raw.arrival_s if self._order is None else self.raw.arrival_s[self._order]

    def _cut(self, quantity: str) -> Warmup:
        """Arrivals before the cut that one quantity asks for."""
        has = self.in_order(defined(self.raw, quantity))
        if has.size < FEWEST:
            return Warmup(0, False)
        values = quantity_values(self.raw, quantity, has)
        found = mser5(values[: max(PILOT, values.size // 5)])
        if not found.settled:
            found = mser5(values)
        if found.observations == 0:
            return found
        first = float(self.raw.arrival_s[has[found.observations]])
        return Warmup(int(np.searchsorted(self._sorted_arrivals, first, side="left")), found.settled)
