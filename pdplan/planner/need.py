"""Fractional need: how many instances the demand takes, before anybody rounds."""

from __future__ import annotations

import math
from collections.abc import Callable

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import Need
from pdplan.planner.search import Candidate, Search
from pdplan.planner.vary import scaled

#: Relative precision of the fractional counts.
PRECISION = 2e-3

#: An excess this close to 0 is the root: 1% of a tail probability is about 0.1% of the load.
CLOSE = 1e-2


def fractional_need(search: Search, best: Candidate, fleet: Disaggregated) -> Need:
    """Instances bought, times the demand over the largest demand they carry within the objectives.

    One pool is loaded at a time; its partner stays as it is in the fleet. For one instance this is the rate
    asked over the largest rate of an instance, as in arXiv 2603.04716; with more, the router pools them, so
    the need is read at the size that is bought.
    """

    def prefill(scale: float) -> float:
        side = Search(scaled(search.problem, scale)).evaluator.prefill(best.prefill, best.prefill_count)
        return excess(Disaggregated(search.problem, side, fleet.decode))

    def decode(scale: float) -> float:
        other = Search(scaled(search.problem, scale))
        side = other.evaluator.decode(best.decode, best.decode_count)
        return excess(Disaggregated(search.problem, fleet.prefill, side))

    limit = search.problem.scenario.max_utilization
    return Need(
        best.prefill_count / _largest_scale(prefill, limit / fleet.prefill.utilization),
        best.decode_count / _largest_scale(decode, limit / fleet.decode.utilization),
        "instances bought, times the demand over the largest demand they carry within the objectives",
    )


def excess(fleet: Disaggregated) -> float:
    """How far a fleet is past its objectives: at most 0 when it meets them all, and smooth in the load."""
    worst = -math.inf
    for traffic in fleet.problem.traffic:
        for target in traffic.slo.targets:
            worst = max(worst, fleet.log_excess(traffic.demand, target))
        joint = traffic.slo.joint
        if joint is not None:
            missed = 1.0 - fleet.joint_attainment(traffic.demand, joint)[1]
            worst = max(worst, math.log(max(missed, 1e-300) / (1.0 - joint.attainment)))
    share = fleet.decode.kv_p99_share
    return max(worst, math.log(share)) if share else worst


def _largest_scale(excess_at: Callable[[float], float], full: float) -> float:
    """Largest scale up to ``full`` (load at its limit) with no excess; at 1 there is none."""
    if full <= 1.0:
        return 1.0
    low, high = 1.0, full * (1 - 1e-9)
    f_low, f_high = _guarded(excess_at, low), _guarded(excess_at, high)
    if f_high <= 0:
        return full
    # Illinois: regula falsi that halves the weight of an end that stays.
    for _ in range(30):
        if high - low <= PRECISION * low:
            break
        finite = math.isfinite(f_low) and math.isfinite(f_high)
        share = f_low / (f_low - f_high) if finite else 0.5
        middle = low + (high - low) * min(max(share, 0.02), 0.98)
        f = _guarded(excess_at, middle)
        if f <= 0:
            low, f_low, f_high = middle, f, f_high / 2
        else:
            high, f_high, f_low = middle, f, f_low / 2
        if abs(f) < CLOSE:
            return middle
    return low


def _guarded(excess_at: Callable[[float], float], scale: float) -> float:
    try:
        return excess_at(scale)
    except (UnstableError, InfeasibleError):
        return math.inf
