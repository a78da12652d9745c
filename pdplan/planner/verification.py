"""Check a fleet by simulation: every objective beside its simulated value and interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from pdplan import units
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.simulated import draw, run_fleet, served
from pdplan.sim import result_parts
from pdplan.sim.result import SimResult
from pdplan.spec.slo import JointTarget, Target

Holds = Literal["holds", "fails", "open"]

#: Requests of the default check: enough for a p99 within about 10%, few enough for a fraction of a second.
DEFAULT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Checked:
    """One objective of one class, simulated.

    ``holds``: the whole interval is within the limit. ``fails``: all of it is beyond. ``open``: the limit
    lies inside the interval, or there is none.
    """

    name: str
    target: Target | JointTarget
    simulated: float | None
    low: float | None
    high: float | None
    holds: Holds

    @property
    def ratio(self) -> float:
        """What is missed over what may be missed, for a share; else the latency over its limit [-]."""
        if self.simulated is None or not math.isfinite(self.simulated):
            return 0.0 if self.holds == "holds" else 1.0
        if isinstance(self.target, JointTarget):
            return (1.0 - self.simulated) / (1.0 - self.target.attainment)
        return self.simulated / self.target.limit_s

    def __str__(self) -> str:
        """Return one line."""
        dimension = "fraction" if isinstance(self.target, JointTarget) else "time"
        value, low, high = (
            "?" if x is None else units.show(x, dimension) for x in (self.simulated, self.low, self.high)
        )
        return f"{self.name}: {self.target}: simulated {value} [{low}, {high}]: {self.holds}"

    def document(self) -> dict[str, Any]:
        """Return the JSON form; what does not exist is null."""
        return {
            "class": self.name,
            "target": str(self.target),
            "simulated": _number(self.simulated),
            "interval": [_number(self.low), _number(self.high)],
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What a simulation says of a fleet's objectives; intervals at 99%, each by itself.

    ``stepped_up`` says what was added because a simulation contradicted the formulas, or taken away because
    it proved less to be enough.
    """

    requests: int
    seed: int
    regime: str
    checked: tuple[Checked, ...]
    stepped_up: tuple[str, ...] = ()
    left_out: int = 0  #: requests longer than an instance holds, which an engine refuses

    @property
    def holds(self) -> Holds:
        """The worst of the objectives; a growing backlog fails them all."""
        order: tuple[Holds, ...] = ("holds", "open", "fails")
        if self.regime == "backlogged":
            return "fails"
        return max((c.holds for c in self.checked), key=order.index, default="holds")

    @property
    def closest(self) -> Checked:
        """The objective that is furthest beyond its limit, or nearest to it."""
        return max(self.checked, key=lambda c: c.ratio)

    @property
    def worst_ratio(self) -> float:
        """Of the objective in `closest`: above 1, the best estimate misses it [-]."""
        return self.closest.ratio

    @property
    def failing(self) -> tuple[Checked, ...]:
        """Objectives that the simulation contradicts."""
        return tuple(c for c in self.checked if c.holds == "fails")

    def __str__(self) -> str:
        """Return the line that a plan shows."""
        about = f"{self.requests:,} simulated requests (seed {self.seed})"
        met = sum(c.holds == "holds" for c in self.checked)
        if self.regime == "backlogged":
            text = f"CONTRADICTED by {about}: the backlog grows"
        elif self.holds == "holds":
            text = f"Verified by {about}: every objective holds at 99% confidence"
        elif self.holds == "open":
            first = next(c for c in self.checked if c.holds == "open")
            text = f"Checked by {about}: {met} of {len(self.checked)} objectives hold; not settled: {first}"
        else:
            text = f"CONTRADICTED by {about}: {self.failing[0]}"
        refused = [f"{self.left_out} longer than an instance holds were left out"] if self.left_out else []
        return "; ".join([text, *refused, *self.stepped_up])

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "requests": self.requests,
            "seed": self.seed,
            "confidence": 0.99,
            "regime": self.regime,
            "holds": self.holds,
            "objectives": [c.document() for c in self.checked],
            "stepped_up": list(self.stepped_up),
            **({"left_out": self.left_out} if self.left_out else {}),
        }


def verify(
    fleet: Disaggregated | ColocatedFleet, *, requests: int = DEFAULT_REQUESTS, seed: int = 0
) -> Verification:
    """Simulate a fleet and hold every objective of every class against what comes out."""
    drawn = draw(fleet.problem, requests, seed)
    stream = served(fleet, drawn)
    result = run_fleet(fleet, stream, seed)
    checked: list[Checked] = []
    for traffic in fleet.problem.traffic:
        checked += [_check(result, traffic.name, target) for target in traffic.slo.objectives]
    left_out = len(drawn) - len(stream)
    return Verification(len(stream), seed, result.stability.regime, tuple(checked), left_out=left_out)


def _check(result: SimResult, name: str, target: Target | JointTarget) -> Checked:
    if isinstance(target, JointTarget):
        limits = result_parts.Target(target.ttft_s, target.tpot_s)
        share = result.attainment(limits, name).joint
        low, high = share.low or 0.0, 1.0 if share.high is None else share.high
        verdict = _holds(high >= target.attainment, low >= target.attainment)
        return Checked(name, target, share.value, low, high, verdict)
    class_name = None if target.metric == "itl" else name
    seen = result.statistic(target.metric, target.probability, class_name)
    low = 0.0 if seen.low is None else seen.low
    high = math.inf if seen.high is None else seen.high
    return Checked(
        name, target, seen.value, seen.low, seen.high, _holds(low <= target.limit_s, high <= target.limit_s)
    )


def _holds(possible: bool, sure: bool) -> Holds:
    return "holds" if sure else "open" if possible else "fails"


def _number(x: float | None) -> float | None:
    return None if x is None or not math.isfinite(x) else float(f"{x:.10g}")
