"""The search for a split fleet, told a price it must not pass: most of the space then falls at once."""

from __future__ import annotations

from dataclasses import dataclass

from pdplan.planner.instances import InstanceOption
from pdplan.planner.search import MAX_INSTANCES, Candidate, Search, smallest_up_to
from pdplan.planner.verdict import TIE_USD


@dataclass(frozen=True, eq=False)
class _Ceiling(Candidate):
    """Stands for a price that a fleet must not pass, in the place of the best fleet so far."""

    usd: float = 0.0

    @property
    def usd_per_hour(self) -> float:
        return self.usd

    @property
    def order(self) -> tuple[float, int, int, int]:
        most = 1 << 62
        return round(self.usd, 9), most, most, most


@dataclass(frozen=True, eq=False)
class BoundedSearch(Search):
    """A search that gives up above a price."""

    def within(self, usd: float | None) -> Candidate | None:
        """Cheapest split fleet at this price or less (None: at any price), or None."""
        if usd is None:
            return self.best()
        pairs = [
            (p, d, n, self.smallest_prefill_stable(p))
            for d in self.problem.options("decode")
            if (n := self._decode_within(d, usd)) is not None
            for p in self.problem.options("prefill")
        ]
        pairs.sort(key=lambda x: x[3] * x[0].price_usd_per_hour + x[2] * x[1].price_usd_per_hour)
        best: Candidate | None = None
        for prefill, decode, count, stable in pairs:
            ceiling = best or _Ceiling(prefill, stable, decode, count, usd)
            found = self._pair(prefill, stable, decode, count, ceiling)
            best = best if isinstance(found, _Ceiling) else found
        return best

    def _decode_within(self, option: InstanceOption, usd: float) -> int | None:
        """Smallest decode pool of a kind, if a fleet around it may stay at this price."""
        price = option.price_usd_per_hour
        most = MAX_INSTANCES if price <= 0 else min(MAX_INSTANCES, int((usd + TIE_USD) / price))
        return smallest_up_to(lambda n: self.decode_meets(option, n), 1, most)
