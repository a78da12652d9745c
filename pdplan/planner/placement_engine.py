"""A placement in the engine: the largest rate that it serves, by bisection with the same requests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pdplan import units
from pdplan.errors import InfeasibleError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption
from pdplan.planner.placement_excess import share_label
from pdplan.planner.placement_goodput import Limited, decode_ceiling, prefill_ceiling
from pdplan.planner.placement_report import Placement, Seen, Unit
from pdplan.planner.problem import Problem
from pdplan.planner.simulated import class_names, draw, pd_config
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.sim.attainment import at_rate
from pdplan.sim.result import SimResult
from pdplan.sim.stream import Stream
from pdplan.spec.slo import Target

#: Relative width of the bracket at the end, and rates tried at most.
TOLERANCE = 0.01
MOST = 20
#: Partners of a phase by itself are loaded to 1 over this.
PLENTY = 4.0


@dataclass(frozen=True, eq=False)
class Judge:
    """The engine for the units of one problem; every unit and rate serves the same requests.

    A rate holds when every objective does (each by itself) and the backlog does not grow.
    """

    problem: Problem
    requests: int
    seed: int

    @cached_property
    def _unit_stream(self) -> Stream:
        drawn = draw(self.problem, self.requests, self.seed)
        return replace(drawn, arrival_s=drawn.arrival_s * self.problem.demand.arrival_rate)

    def missed(self, fleet: Disaggregated, rate: float) -> str:
        """Serve a rate and name the first objective missed; empty if none is."""
        from pdplan.sim.run import run_pd  # numba loads here

        config = pd_config(fleet)
        raw = run_pd(config, at_rate(self._unit_stream, rate), seed=self.seed)
        return first_missed(self.problem, SimResult(raw, config, class_names(self.problem.demands)))

    def goodput(self, unit: Unit, found: Limited, at_least: float) -> Seen:
        """Bracket the goodput of a unit from the formulas'; rate 0 where it does not serve ``at_least``.

        A phase by itself works beside as many partners as the formulas find for its rate, or as have plenty
        of room where none was chosen yet.
        """
        fleet = self._fleet(unit, found.rate)

        def missed(rate: float) -> str:
            return self.missed(fleet, rate)

        if at_least > 0.0:
            why = missed(at_least)
            if why:
                return Seen(0.0, at_least, self.requests, self.seed, why)
        try:
            low, high, why = bracket(missed, found.rate)
        except InfeasibleError as error:
            return Seen(0.0, found.rate, self.requests, self.seed, str(error))
        return Seen(low, high, self.requests, self.seed, why)

    def whole(self, found: Placement) -> Placement:
        """Serve the scenario's rate with all that is bought: with low affinity, a pair its share."""
        pair = found.affinity == "low"
        counts = (1, 1) if pair else (found.prefill_count, found.decode_count)
        rate = self.problem.demand.arrival_rate / (found.prefill_count if pair else 1)
        fleet = self._of(found.prefill_option, counts[0], found.decode_option, counts[1])
        return replace(found, missed=self.missed(fleet, rate))

    def _fleet(self, unit: Unit, rate: float) -> Disaggregated:
        p, d = 1, 1
        if unit.of == "prefill":
            each = unit.partner_rate or decode_ceiling(self.problem, unit.decode) / PLENTY
            d = math.ceil(rate / each)
        elif unit.of == "decode":
            each = unit.partner_rate or prefill_ceiling(self.problem, unit.prefill) / PLENTY
            p = math.ceil(rate / each)
        return self._of(unit.prefill, p, unit.decode, d)

    def _of(self, prefill: InstanceOption, p: int, decode: InstanceOption, d: int) -> Disaggregated:
        problem = self.problem
        return Disaggregated(problem, PrefillSide(problem, prefill, p), DecodeSide(problem, decode, d))


def bracket(missed: Callable[[float], str], start: float) -> tuple[float, float, str]:
    """Return a rate that holds, one just above that does not, and what fails there.

    ``missed`` gives an empty string where a rate holds.

    Examples
    --------
    >>> low, high, why = bracket(lambda rate: "late" if rate > 3.0 else "", 2.5)
    >>> low <= 3.0 < high <= 1.01 * low, why
    (True, 'late')
    """
    step, why = 1.04, missed(start)
    low = high = start
    held = not why
    for _ in range(MOST):
        if held:
            low, high = high, high * step
            why = missed(high)
            if why:
                break
        else:
            low, high = low / step, low
            failed = missed(low)
            if not failed:
                break
            why = failed
        step = min(step * step, 2.0)
    else:
        raise InfeasibleError(f"the engine meets the objectives at no rate near {start:.3g} req/s: {why}")
    while high > low * (1.0 + TOLERANCE):
        middle = math.sqrt(low * high)
        failed = missed(middle)
        low, high, why = (low, middle, failed) if failed else (middle, high, why)
    return low, high, why


def first_missed(problem: Problem, result: SimResult) -> str:
    """Name the first objective that a run misses; empty if it misses none."""
    if result.stability.regime == "backlogged":
        return "the backlog grows"
    for t in problem.traffic:
        for target in t.slo.targets:
            value = _statistic(result, t.name, target)
            if value > target.limit_s:
                return f"{t.name}: {target}: {units.show(value, 'time')}"
        joint = t.slo.joint
        if joint is None:
            continue
        for metric, limit in (("ttft", joint.ttft_s), ("tpot", joint.tpot_s)):
            values = result.values(metric, t.name)
            share = float(np.mean(values <= limit)) if values.size else 1.0
            if share < joint.attainment:
                said = share_label(t.name, metric.upper(), joint.attainment, limit)
                return f"{said}: {units.show(share, 'fraction')}"
    return ""


def _statistic(result: SimResult, name: str, target: Target) -> float:
    """Mean or percentile of a run without its interval [s]; 0 where no request has the quantity."""
    p = target.probability
    if target.metric == "itl":  # known for all classes together
        return result.statistic("itl", p).value or 0.0
    values = result.values(target.metric, name)
    if not values.size:
        return 0.0
    return float(values.mean() if p is None else np.quantile(values, p))
