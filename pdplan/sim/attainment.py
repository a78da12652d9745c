"""SLO attainment against rate and against SLO scale, as DistServe evaluates serving systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.sim.raw import RawRun
from pdplan.sim.result import SimResult
from pdplan.sim.result_parts import Attainment, Statistic, Target
from pdplan.sim.stream import Stream

Array = NDArray[np.float64]

#: A fleet, as what it makes of a stream of requests.
Runner = Callable[[Stream], RawRun]


@dataclass(frozen=True, eq=False, slots=True)
class AttainmentCurve:
    """Attainment over an axis.

    Attributes
    ----------
    axis : str
        ``rate`` [1/s] or ``scale`` [-].
    x : array
    ttft, tpot, joint : array
        Shares of requests that meet the limits [-].
    joint_low, joint_high : array
        Interval of the joint share [-]; NaN-free: a point without interval repeats its value.
    regimes : tuple of str
        Steady, saturated or backlogged, by point.
    requests : int
        Simulated for each point.
    """

    axis: str
    x: Array
    ttft: Array
    tpot: Array
    joint: Array
    joint_low: Array
    joint_high: Array
    regimes: tuple[str, ...]
    requests: int

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        arrays = {k: getattr(self, k).tolist() for k in ("ttft", "tpot", "joint", "joint_low", "joint_high")}
        return {
            self.axis: self.x.tolist(),
            **arrays,
            "regimes": list(self.regimes),
            "requests": self.requests,
        }


def at_rate(unit: Stream, rate: float) -> Stream:
    """Return a stream of rate 1/s played at another rate: the same requests, gaps divided by ``rate``.

    Examples
    --------
    >>> at_rate(Stream.of([1.0, 2.0], [5, 5], [1, 1]), 4.0).arrival_s.tolist()
    [0.25, 0.5]
    """
    require_positive("rate", rate, "1/s")
    if unit.users:
        raise InputError("a closed loop has no rate to set: give an open stream")
    return replace(unit, arrival_s=unit.arrival_s / rate)


def attainment_at(
    run: Runner, unit: Stream, rate: float, target: Target | Sequence[Target]
) -> tuple[Attainment, SimResult]:
    """Return the attainment of a fleet at one rate, over all classes together."""
    result = SimResult(run(at_rate(unit, rate)))
    return result.attainment(target), result


def attainment_against_rate(
    run: Runner, unit: Stream, rates: Sequence[float], target: Target | Sequence[Target]
) -> AttainmentCurve:
    """Return the attainment at several rates, with the same requests at each.

    Parameters
    ----------
    run : callable
        The fleet: takes a `Stream`, returns a `RawRun`, as ``partial(run_pd, config)`` does.
    unit : Stream
        Requests that arrive at rate 1/s.
    rates : sequence of float
        [1/s].
    target : Target or sequence of Target
        One for all requests, or one for each class number.

    Examples
    --------
    >>> from functools import partial
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> from pdplan.sim.config import DecodePool, PdConfig, PrefillPool
    >>> from pdplan.sim.run import run_pd
    >>> model = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.001),), (1, 1e5), (1, 256), "example")
    >>> fleet = PdConfig(PrefillPool(1, model), DecodePool(1, model))
    >>> unit = Stream.of(np.arange(500.0), np.full(500, 1000), np.full(500, 5))
    >>> curve = attainment_against_rate(partial(run_pd, fleet), unit, [2.0, 20.0], Target(ttft_s=0.2))
    >>> curve.joint.round(2).tolist()
    [1.0, 0.0]
    """
    points = [attainment_at(run, unit, rate, target) for rate in rates]
    regimes = tuple(result.stability.regime for _, result in points)
    return _curve("rate", list(rates), [a for a, _ in points], regimes, len(unit))


def attainment_against_scale(
    result: SimResult, target: Target | Sequence[Target], scales: Sequence[float]
) -> AttainmentCurve:
    """Return the attainment of one run when both limits are multiplied by each scale."""
    for scale in scales:
        require_positive("scale", scale)
    one = isinstance(target, Target)
    each = [target] if isinstance(target, Target) else list(target)
    scaled = [[t.scaled(scale) for t in each] for scale in scales]
    points = [result.attainment(t[0] if one else t) for t in scaled]
    regimes = (result.stability.regime,) * len(points)
    return _curve("scale", list(scales), points, regimes, len(result.raw.arrival_s))


def _curve(
    axis: str, x: list[float], points: list[Attainment], regimes: tuple[str, ...], requests: int
) -> AttainmentCurve:
    if not x:
        raise InputError(f"there is no {axis} to evaluate: give at least one")
    joint = [p.joint for p in points]
    return AttainmentCurve(
        axis,
        np.asarray(x, dtype=float),
        np.array([_value(p.ttft) for p in points]),
        np.array([_value(p.tpot) for p in points]),
        np.array([_value(s) for s in joint]),
        np.array([_value(s) if s.low is None else s.low for s in joint]),
        np.array([_value(s) if s.high is None else s.high for s in joint]),
        regimes,
        requests,
    )


def _value(share: Statistic) -> float:
    """A share of no request at all is met: nothing failed."""
    return 1.0 if share.value is None else share.value
