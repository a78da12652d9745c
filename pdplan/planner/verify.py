"""Check a fleet by simulation: every objective beside its simulated value and interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pdplan import units
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import Array
from pdplan.planner.simulated import colocated_config, draw, pd_config
from pdplan.sim.raw import RawRun
from pdplan.sim.statistics import mean_estimate, mser5, quantile_estimate
from pdplan.spec.slo import JointTarget, Target

Mask = NDArray[np.bool_]
Holds = Literal["holds", "fails", "open"]

#: Requests of the default check: enough for a p99 within about 10%, few enough for a fraction of a second.
DEFAULT_REQUESTS = 20_000
CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Checked:
    """One objective of one class, simulated.

    ``holds``: the whole interval is within the limit. ``fails``: all of it is beyond. ``open``: the limit
    lies inside the interval.
    """

    name: str
    target: Target | JointTarget
    simulated: float
    low: float
    high: float
    holds: Holds

    def __str__(self) -> str:
        """Return one line."""
        dimension = "fraction" if isinstance(self.target, JointTarget) else "time"
        value, low, high = (_show(x, dimension) for x in (self.simulated, self.low, self.high))
        return f"{self.name}: {self.target}: simulated {value} [{low}, {high}]: {self.holds}"

    def document(self) -> dict[str, Any]:
        """Return the JSON form; an endless interval is null."""
        return {
            "class": self.name,
            "target": str(self.target),
            "simulated": _number(self.simulated),
            "interval": [_number(self.low), _number(self.high)],
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What a simulation says of a fleet's objectives."""

    requests: int
    seed: int
    left_out: int
    checked: tuple[Checked, ...]
    lost: int
    stepped_up: tuple[str, ...] = ()

    @property
    def holds(self) -> Holds:
        """The worst of the objectives."""
        order: tuple[Holds, ...] = ("holds", "open", "fails")
        return max((c.holds for c in self.checked), key=order.index, default="holds")

    def __str__(self) -> str:
        """Return the line that a plan shows."""
        about = f"{self.requests:,} simulated requests, seed {self.seed}"
        met = sum(c.holds == "holds" for c in self.checked)
        if self.holds == "holds":
            text = f"Verified by {about}: all {met} objectives hold at {CONFIDENCE:.0%}"
        elif self.holds == "open":
            first = next(c for c in self.checked if c.holds == "open")
            text = f"Checked by {about}: {met} of {len(self.checked)} objectives hold, not settled: {first}"
        else:
            first = next(c for c in self.checked if c.holds == "fails")
            text = f"CONTRADICTED by {about}: {first}"
        return "; ".join([text, *self.stepped_up])

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "requests": self.requests,
            "seed": self.seed,
            "left_out_warm_up": self.left_out,
            "confidence": CONFIDENCE,
            "holds": self.holds,
            "objectives": [c.document() for c in self.checked],
            "lost_requests": self.lost,
            "stepped_up": list(self.stepped_up),
        }


def simulate_fleet(fleet: Disaggregated | ColocatedFleet, requests: int, seed: int) -> RawRun:
    """Run a fleet on requests drawn from its problem's traffic."""
    from pdplan.sim import run as engine

    stream = draw(fleet.problem, requests, seed)
    if isinstance(fleet, Disaggregated):
        return engine.run_pd(pd_config(fleet), stream, seed=seed)
    return engine.run_colocated(colocated_config(fleet), stream, seed=seed)


def verify(
    fleet: Disaggregated | ColocatedFleet, *, requests: int = DEFAULT_REQUESTS, seed: int = 0
) -> Verification:
    """Simulate a fleet and hold every objective of every class against what comes out.

    The warm-up is cut by MSER-5 on TTFT; intervals are batch means at 99%, each by itself.
    """
    run = simulate_fleet(fleet, requests, seed)
    cut = warm_up(run)
    checked = []
    for index, traffic in enumerate(fleet.problem.traffic):
        mine = steady(run, cut, index)
        for target in traffic.slo.targets:
            checked.append(_check(traffic.name, target, values_of(run, mine, target.metric)))
        if traffic.slo.joint is not None:
            checked.append(_check_joint(traffic.name, traffic.slo.joint, run, mine))
    lost = int((~run.completed).sum())
    return Verification(int(run.ttft_s.size), seed, cut, tuple(checked), lost)


def warm_up(run: RawRun) -> int:
    """Requests at the start that are left out, by MSER-5 on TTFT in order of arrival."""
    return mser5(run.ttft_s[run.completed]).observations


def steady(run: RawRun, cut: int, class_index: int) -> Mask:
    """Which requests of a class count: completed, and after the warm-up (mask over all requests)."""
    mask = run.completed & (run.class_id == class_index)
    mask[:cut] = False
    return np.asarray(mask)


def values_of(run: RawRun, mine: Mask, metric: str) -> Array:
    """Return one latency of the chosen requests, in order of arrival [s]."""
    if metric == "ttft":
        chosen = run.ttft_s[mine]
    elif metric == "e2e":
        chosen = (run.end_s - run.arrival_s)[mine]
    elif metric == "tpot":
        chosen = run.tpot_s[mine & (run.output_tokens > 1)]
    else:  # itl: the longest gap of each request; percentiles over all gaps lie below these
        chosen = run.itl_worst_s[mine & (run.output_tokens > 1)]
    return np.asarray(chosen, dtype=float)


def _check(name: str, target: Target, values: Array) -> Checked:
    seen = (
        mean_estimate(values) if target.probability is None else quantile_estimate(values, target.probability)
    )
    low, high = seen.interval(CONFIDENCE)
    if target.metric == "itl":
        low = 0.0
    limit = target.limit_s
    return Checked(name, target, float(seen.estimate), low, high, _holds(low <= limit, high <= limit))


def _check_joint(name: str, target: JointTarget, run: RawRun, mine: Mask) -> Checked:
    good = (run.ttft_s <= target.ttft_s) & ((run.tpot_s <= target.tpot_s) | (run.output_tokens <= 1))
    seen = mean_estimate(good[mine].astype(float))
    low, high = seen.interval(CONFIDENCE)
    low, high = max(0.0, low), min(1.0, high)
    return Checked(
        name,
        target,
        float(seen.estimate),
        low,
        high,
        _holds(high >= target.attainment, low >= target.attainment),
    )


def _holds(possible: bool, sure: bool) -> Holds:
    return "holds" if sure else "open" if possible else "fails"


def _show(x: float, dimension: str) -> str:
    return units.show(x, dimension) if np.isfinite(x) else "?"


def _number(x: float) -> float | None:
    return float(f"{x:.10g}") if np.isfinite(x) else None
