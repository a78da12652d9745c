"""Fractional need: how many instances the demand takes, before anybody rounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import Problem
from pdplan.planner.result import Need
from pdplan.planner.search import Candidate, Search

#: Relative precision of the fractional counts.
PRECISION = 2e-3


def fractional_need(search: Search, best: Candidate, fleet: Disaggregated) -> Need:
    """Instances bought, times the demand over the largest demand they carry within the objectives.

    One pool is loaded at a time; its partner stays as it is in the fleet. For one instance this is the rate
    asked over the largest rate of an instance, as in arXiv 2603.04716; with more, the router pools them, so
    the need is read at the size that is bought.
    """

    def prefill(scale: float) -> bool:
        other = Search(scaled(search.problem, scale))
        if not other.prefill_stable(best.prefill, best.prefill_count):
            return False
        side = other.evaluator.prefill(best.prefill, best.prefill_count)
        return other.fleet_meets(Disaggregated(search.problem, side, fleet.decode))

    def decode(scale: float) -> bool:
        other = Search(scaled(search.problem, scale))
        if not other.decode_meets(best.decode, best.decode_count):
            return False
        side = other.evaluator.decode(best.decode, best.decode_count)
        return other.fleet_meets(Disaggregated(search.problem, fleet.prefill, side))

    limit = search.problem.scenario.max_utilization
    full = (limit / fleet.prefill.utilization, limit / fleet.decode.utilization)
    return Need(
        best.prefill_count / _largest_scale(_guarded(prefill), full[0]),
        best.decode_count / _largest_scale(_guarded(decode), full[1]),
        "instances bought, times the demand over the largest demand they carry within the objectives",
    )


def scaled(problem: Problem, scale: float) -> Problem:
    """Return the same problem at ``scale`` times every rate."""
    traffic = tuple(
        replace(t, demand=replace(t.demand, arrival_rate=t.demand.arrival_rate * scale))
        for t in problem.traffic
    )
    other = replace(problem, traffic=traffic)
    # Lengths do not change with the rate: what was computed of them is kept.
    other.__dict__["decode_work"] = problem.decode_work
    other.__dict__["_options"] = problem._options
    return other


def _guarded(meets: Callable[[float], bool]) -> Callable[[float], bool]:
    def call(scale: float) -> bool:
        try:
            return meets(scale)
        except (UnstableError, InfeasibleError):
            return False

    return call


def _largest_scale(meets: Callable[[float], bool], full: float) -> float:
    """Largest scale up to ``full`` (load at its limit) that meets the objectives; 1 does."""
    if full <= 1.0:
        return 1.0
    at_limit = full * (1 - 1e-9)
    if meets(at_limit):
        return full
    low, high = 1.0, full
    while high - low > PRECISION * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low
