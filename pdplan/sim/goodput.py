"""Goodput: the largest rate at which a fleet keeps its promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.sim.attainment import Runner, attainment_at
from pdplan.sim.result_parts import Attainment, Target
from pdplan.sim.stream import Stream

#: Rates tried at most.
_MOST = 60


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One rate that was tried."""

    rate: float
    attainment: Attainment
    regime: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Goodput:
    """The largest rate at which the share of requests that meet both limits is at least what was asked.

    Attributes
    ----------
    rate : float
        Largest rate that was seen to hold [1/s].
    fails_at : float
        Smallest rate tried above it, which does not [1/s].
    share : float
        Asked for [-].
    attainment : Attainment
        At ``rate``, with interval.
    limited_by : str
        ``attainment``, or ``stability``: at ``fails_at`` enough requests meet their limits, but the backlog
        grows.
    settled : bool
        Whether the interval of the attainment at ``rate`` lies above the share; else more requests are needed
        to tell this rate from its neighbours.
    requests : int
        Simulated for each rate.
    points : tuple of RatePoint
        All rates tried, ascending.
    """

    rate: float
    fails_at: float
    share: float
    attainment: Attainment
    limited_by: Literal["attainment", "stability"]
    settled: bool
    requests: int
    points: tuple[RatePoint, ...]

    def __str__(self) -> str:
        """One line."""
        joint = self.attainment.joint
        interval = f" [{joint.low:.2%}, {joint.high:.2%}]" if joint.low is not None else ""
        return (
            f"goodput {self.rate:.4g} req/s: {joint.value or 0:.2%}{interval} of {self.requests:,} requests "
            f"meet both limits; {self.fails_at:.4g} req/s fails by {self.limited_by}"
        )

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "rate": self.rate,
            "fails_at": self.fails_at,
            "share": self.share,
            "attainment": self.attainment.document(),
            "limited_by": self.limited_by,
            "settled": self.settled,
            "requests": self.requests,
            "tried": [
                {"rate": p.rate, "joint": p.attainment.joint.document(), "regime": p.regime, "holds": p.holds}
                for p in self.points
            ],
        }


def goodput(
    run: Runner,
    unit: Stream,
    target: Target | Sequence[Target],
    *,
    share: float = 0.9,
    start_rate: float = 1.0,
    tolerance: float = 0.01,
) -> Goodput:
    """Bracket the goodput of a fleet, with the same requests at every rate.

    From ``start_rate`` the rate is doubled or halved until one rate holds and its double does not; the
    bracket is then halved, on a logarithmic scale, to ``tolerance``. A rate holds when the joint share
    reaches ``share`` and the requests in the system do not pile up: a finite run would otherwise flatter
    rates beyond the capacity.

    Parameters
    ----------
    run : callable
        The fleet: takes a `Stream`, returns a `RawRun`.
    unit : Stream
        Requests that arrive at rate 1/s: common random numbers for all rates.
    target : Target or sequence of Target
        One for all requests, or one for each class number.
    share : float
        Of requests that must meet both limits [-].
    start_rate : float
        First rate tried [1/s].
    tolerance : float
        Relative width of the bracket at the end [-].

    Raises
    ------
    InfeasibleError
        No rate holds: the limits are below what an idle fleet gives.

    Examples
    --------
    >>> import numpy as np
    >>> from functools import partial
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> from pdplan.sim.config import DecodePool, PdConfig, PrefillPool
    >>> from pdplan.sim.run import run_pd
    >>> model = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.001),), (1, 1e5), (1, 256), "example")
    >>> fleet = PdConfig(PrefillPool(1, model, discipline="one_at_a_time"), DecodePool(1, model))
    >>> unit = Stream.of(np.arange(2000.0), np.full(2000, 1000), np.full(2000, 2))
    >>> best = goodput(partial(run_pd, fleet), unit, Target(ttft_s=0.2), share=0.99)
    >>> best.rate <= 1 / 0.11 <= 1.02 * best.fails_at
    True
    """
    require_fraction("share", share, open_low=True, open_high=True)
    require_positive("start_rate", start_rate, "1/s")
    require_positive("tolerance", tolerance)
    if unit.users:
        raise InputError("a closed loop has no rate to set: give an open stream")
    tried: dict[float, RatePoint] = {}

    def holds(rate: float) -> bool:
        attainment, result = attainment_at(run, unit, rate, target)
        regime = result.stability.regime
        met = attainment.joint.value
        good = regime != "backlogged" and (met is None or met >= share)
        tried[rate] = RatePoint(rate, attainment, regime, good)
        return good

    low, high = _bracket(holds, start_rate, tried, share)
    while high > low * (1.0 + tolerance) and len(tried) < _MOST:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    best, worse = tried[low], tried[high]
    met = worse.attainment.joint.value
    stable_only = met is not None and met >= share
    bottom = best.attainment.joint.low
    return Goodput(
        low,
        high,
        share,
        best.attainment,
        "stability" if stable_only else "attainment",
        bottom is not None and bottom >= share,
        len(unit),
        tuple(tried[r] for r in sorted(tried)),
    )


def _bracket(holds: Any, start: float, tried: dict[float, RatePoint], share: float) -> tuple[float, float]:
    """Return a rate that holds and its double, which does not."""
    rate = start
    if holds(rate):
        while len(tried) < _MOST and holds(2.0 * rate):
            rate *= 2.0
        if len(tried) >= _MOST:
            raise InputError(f"every rate up to {rate:.3g}/s holds: give limits that can be missed")
        return rate, 2.0 * rate
    while len(tried) < _MOST // 2:
        rate *= 0.5
        if holds(rate):
            return rate, 2.0 * rate
    best = max(p.attainment.joint.value or 0.0 for p in tried.values())
    raise InfeasibleError(
        f"at no rate do {share:.1%} of the requests meet both limits: an idle fleet reaches {best:.1%}; "
        "loosen the limits or take faster instances"
    )
