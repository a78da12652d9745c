"""Fractional need: how many instances the demand takes, before anybody rounds."""

from __future__ import annotations

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.problem import Problem
from pdplan.planner.result import Need
from pdplan.planner.search import Candidate, Search
from pdplan.planner.traffic import ClassTraffic
from pdplan.serving.demand import ClassDemand

#: Relative precision of the fractional counts.
PRECISION = 1e-4


def fractional_need(search: Search, best: Candidate) -> Need:
    """Smallest share of the traffic's fleet that still meets the objectives, pool by pool.

    A pool of n instances carries at most rate R within the objectives, beside a partner pool that does not
    bind; the need is n x (rate asked / R). For a pool of one instance this is rate / (largest rate of one
    instance), as in arXiv 2603.04716; with more instances the router pools them, so the need is read at the
    size that is bought.
    """
    scale_p = _largest_scale(lambda s: _meets(search, best, s, "prefill"))
    scale_d = _largest_scale(lambda s: _meets(search, best, s, "decode"))
    return Need(
        best.prefill_count / scale_p,
        best.decode_count / scale_d,
        "instances bought, times the demand over the largest demand that each pool carries within the objectives",
    )


def _meets(search: Search, best: Candidate, scale: float, role: str) -> bool:
    problem = scaled(search.problem, scale)
    other = Search(problem)
    try:
        if role == "decode":
            return other.decode_meets(best.decode, best.decode_count)
        if not other.prefill_stable(best.prefill, best.prefill_count):
            return False
        fleet = other.evaluator.fleet(
            best.prefill, best.prefill_count, best.decode, _beside(best.decode_count, scale)
        )
        return other.fleet_meets(fleet)
    except (UnstableError, InfeasibleError):
        return False


def _beside(count: int, scale: float) -> int:
    """Decode instances beside a scaled prefill pool: enough that decode is no busier than in the fleet."""
    return max(1, -int(-(count * scale) // 1))


def scaled(problem: Problem, scale: float) -> Problem:
    """Return the same problem at ``scale`` times every rate."""
    traffic = tuple(
        ClassTraffic(
            ClassDemand(
                t.demand.name,
                t.demand.arrival_rate * scale,
                t.demand.prompt_tokens,
                t.demand.output_tokens,
                t.demand.weight,
                t.demand.cached_tokens,
            ),
            t.slo,
            t.lengths_source,
        )
        for t in problem.traffic
    )
    return Problem(problem.scenario, problem.model, problem.link, traffic)


def _largest_scale(meets) -> float:  # type: ignore[no-untyped-def]
    """Largest scale (>= 1, since the fleet meets its objectives) that still meets them."""
    low, high = 1.0, 2.0
    while meets(high) and high < 1e6:
        low, high = high, 2 * high
    while high - low > PRECISION * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low
