"""How far each input may move before the planned fleet no longer does: its own break-evens, by formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pdplan.errors import InfeasibleError
from pdplan.planner.binding import broken
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.need import excess
from pdplan.planner.same_stations import same_decode, same_prefill
from pdplan.planner.sensitivity_inputs import LEVERS, Lever
from pdplan.planner.stations import DecodeSide, PrefillSide

#: How far an input is moved at most, as a factor.
FAR: Final = 16.0

#: A break-even is known to this share of itself, or of what is past its limit there.
PRECISION: Final = 1e-3
CLOSE: Final = 2e-3

#: What is not nearer than this share of the way of another is as near.
NEARER: Final = 0.97

#: Ways that are looked at until the fleet fails, as logarithms of factors: 1.2, 1.6, 2.7.
STRIDES: Final = (0.2, 0.5, 1.0)

#: The inputs, those that mostly break first in front, and the way in which each is harder.
INPUTS: Final[Mapping[str, int]] = {
    "prompt_tokens": 1,
    "prefill_step": 1,
    "rate": 1,
    "decode_step": 1,
    "output_tokens": 1,
    "link": -1,
}

#: Inputs that a prefill pool, and a decode pool, do not see.
PAST_PREFILL: Final = frozenset({"decode_step", "output_tokens", "link", "ttft_target", "tpot_target"})
PAST_DECODE: Final = frozenset({"prefill_step", "link", "ttft_target", "tpot_target"})

_LEVERS: Final = {v.name: v for v in LEVERS}


@dataclass(frozen=True, slots=True)
class FleetBreakEven:
    """The factor on an input at which the fleet fails [-], and what fails there.

    ``factor`` is None where nothing fails up to `FAR` times, or one `FAR`-th of, the input.
    """

    name: str
    words: str
    factor: float | None
    breaks: str

    @property
    def distance(self) -> float:
        """How far away it is, as the logarithm of the factor [-]."""
        return math.inf if self.factor is None else abs(math.log(self.factor))

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        factor = None if self.factor is None else float(f"{self.factor:.6g}")
        return {"input": self.name, "factor": factor, "breaks": self.breaks or None}


@dataclass(frozen=True, eq=False)
class Headroom:
    """A fleet whose inputs move one at a time.

    Longer outputs are taken as harder; where that does not hold the first failure may lie nearer.
    """

    fleet: Disaggregated

    def __iter__(self) -> Iterator[FleetBreakEven]:
        """Iterate over the break-even along every input."""
        return (self.along(name) for name in INPUTS)

    def fits(self) -> bool:
        """Whether the fleet meets everything as planned, by formulas."""
        return self._now <= 0.0

    def along(self, name: str) -> FleetBreakEven:
        """Return the break-even along one input."""
        return self._named(name, self._root(_LEVERS[name], math.log(FAR)))

    def nearest(self) -> FleetBreakEven | None:
        """Return the break-even that is nearest as a factor; None where none is within `FAR`.

        The inputs take turns: one that does not fail within `NEARER` of the nearest so far is not solved for.
        """
        best: tuple[str, float] | None = None
        for name in INPUTS:
            limit = math.log(FAR) if best is None else NEARER * best[1]
            root = self._root(_LEVERS[name], limit)
            best = best if root is None else (name, root)
        return None if best is None else self._named(*best)

    def _named(self, name: str, root: float | None) -> FleetBreakEven:
        lever = _LEVERS[name]
        if root is None:
            return FleetBreakEven(name, lever.words, None, "")
        past = self._at(lever, root + 10 * PRECISION)
        try:
            what = broken(past)
        except InfeasibleError as error:
            what = str(error).split(":")[0]
        return FleetBreakEven(name, lever.words, math.exp(INPUTS[name] * root), what)

    def _at(self, lever: Lever, way: float) -> Disaggregated:
        """Return the fleet with an input moved by ``way`` in its harder direction, a logarithm."""
        return moved(self.fleet, lever, math.exp(INPUTS[lever.name] * way))

    @cached_property
    def _now(self) -> float:
        return _excess(self.fleet)

    def _root(self, lever: Lever, limit: float) -> float | None:
        """Solve for the way to failure, up to ``limit``, by regula falsi between a hold and a miss."""
        low, f_low = 0.0, self._now
        for high in sorted({*(way for way in STRIDES if way < limit), limit}):
            f_high = _excess(self._at(lever, high))
            if f_high > 0.0:
                break
            low, f_low = high, f_high
        else:
            return None
        while high - low > PRECISION:
            finite = math.isfinite(f_low) and math.isfinite(f_high)
            share = f_low / (f_low - f_high) if finite else 0.5
            middle = low + (high - low) * min(max(share, 0.05), 0.95)
            f = _excess(self._at(lever, middle))
            if abs(f) < CLOSE:
                return middle
            if f <= 0.0:
                low, f_low, f_high = middle, f, f_high / 2  # Illinois
            else:
                high, f_high, f_low = middle, f, f_low / 2
        return 0.5 * (low + high)


def moved(fleet: Disaggregated, lever: Lever, factor: float) -> Disaggregated:
    """Return the same fleet with an input at a factor; a pool that does not see the input stays solved."""
    problem = lever.at(fleet.problem, factor)
    prefill = PrefillSide(problem, problem.own(fleet.prefill.option), fleet.prefill.count)
    decode = DecodeSide(problem, problem.own(fleet.decode.option), fleet.decode.count)
    if lever.name in PAST_PREFILL:
        prefill = same_prefill(fleet.prefill, prefill)
    if lever.name in PAST_DECODE:
        decode = same_decode(fleet.decode, decode)
    return Disaggregated(problem, prefill, decode)


def _excess(fleet: Disaggregated) -> float:
    """How far a fleet is past its objectives and load limits, a logarithm; at most 0 where it meets all."""
    limit = fleet.problem.scenario.max_utilization
    try:
        loads = (fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization)
        if max(loads) >= 1.0:
            return math.inf
        return max(excess(fleet), math.log(max(loads) / limit))
    except InfeasibleError:
        return math.inf
