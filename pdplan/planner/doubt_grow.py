"""The cheapest fleet of the planned instances that holds with a stated confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pdplan.planner.doubt_judge import Jury
from pdplan.planner.search import smallest_up_to

#: Pools are grown to so many times their planned size at most.
GROWTH = 16

#: A partner so many times its planned size has no say any more in what the other pool needs.
PLENTY = 64


@dataclass(frozen=True, slots=True)
class Reach:
    """What growing the pools reached: counts that hold, or None and the share that no growth passes."""

    counts: tuple[int, int] | None
    best_share: float


def grow(jury: Jury, start: tuple[int, int], wanted: int) -> Reach:
    """Find the cheapest counts, at least those of ``start``, that hold at ``wanted`` samples.

    Exact where more instances never hurt: for each decode count from the least that could do, the smallest
    prefill count beside it, as long as the decode pool alone is not dearer than the best so far.
    """
    p0, d0 = start
    if jury.enough(p0, d0, wanted):
        return Reach(start, 1.0)
    most_p, most_d = PLENTY * p0, PLENTY * d0
    if not jury.enough(most_p, most_d, wanted):
        return Reach(None, jury.share(most_p, most_d))
    least_d = smallest_up_to(lambda d: jury.enough(most_p, d, wanted), d0, GROWTH * d0)
    least_p = smallest_up_to(lambda p: jury.enough(p, most_d, wanted), p0, GROWTH * p0)
    if least_d is None or least_p is None:
        return Reach(None, jury.share(GROWTH * p0, GROWTH * d0))
    best: tuple[float, int, int] | None = None
    price_p, price_d = jury.prefill.price_usd_per_hour, jury.decode.price_usd_per_hour
    for d in range(least_d, GROWTH * d0 + 1):
        floor = least_p * price_p + d * price_d
        if best is not None and (floor >= best[0] - 1e-9 or best[1] == least_p):
            break
        limit = GROWTH * p0
        if best is not None and price_p > 0:
            limit = min(limit, math.floor((best[0] - d * price_d) / price_p + 1e-9))
        p = smallest_up_to(lambda n, d=d: jury.enough(n, d, wanted), least_p, limit)  # type: ignore[misc]
        if p is not None and (best is None or p * price_p + d * price_d < best[0] - 1e-9):
            best = (p * price_p + d * price_d, p, d)
    if best is None:
        return Reach(None, jury.share(GROWTH * p0, GROWTH * d0))
    return Reach((best[1], best[2]), 1.0)
