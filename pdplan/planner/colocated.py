"""The colocated fleet at the same objectives: same engine, same latency model, its own smallest size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdplan import units
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.latency.model import request_overhead_s
from pdplan.planner.colocated_least import least_instances
from pdplan.planner.evaluate import several
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import cost_of, pool_plan, single_token_share
from pdplan.planner.problem import Array, Problem
from pdplan.planner.result import REPORTED, ClassPlan, Colocated, Latency, Objective
from pdplan.planner.search import MAX_INSTANCES, smallest_up_to
from pdplan.planner.traffic import ClassTraffic
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.composition import TtftLaw, e2e_law
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Target
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False)
class ColocatedFleet:
    """``count`` colocated instances under the problem's traffic."""

    problem: Problem
    option: InstanceOption
    count: int

    @cached_property
    def station(self) -> ColocatedStation:
        """The queueing station."""
        scenario = self.problem.scenario
        return colocated_station(
            self.problem.demands,
            self.option.latency,
            instances=self.count,
            discipline=scenario.colocated.discipline,
            budget_tokens=scenario.colocated.chunk_tokens,
            max_batch=scenario.colocated.max_batch,
            kv_capacity_tokens=self.option.kv_capacity_tokens,
            step_factor=scenario.decode.step_factor,
        )

    @cached_property
    def _ttft(self) -> dict[str, TtftLaw]:
        return {}

    def ttft(self, demand: ClassDemand) -> TtftLaw:
        """Law of TTFT of a class."""
        if demand.name not in self._ttft:
            overhead = demand.mean(request_overhead_s(self.option.latency, demand.prompt_tokens))
            self._ttft[demand.name] = self.station.ttft(demand.name, float(overhead))
        return self._ttft[demand.name]

    def bounds(self, demand: ClassDemand, target: Target) -> tuple[float, float]:
        """Lower and upper value of the statistic that a target names [s]."""
        return self.bound(demand, target, 0), self.bound(demand, target, 1)

    def bound(self, demand: ClassDemand, target: Target, end: int) -> float:
        """Lower (0) or upper (1) end of the statistic that a target names [s]; only TPOT and E2E have two."""
        p = target.probability
        if target.metric == "ttft":
            law = self.ttft(demand)
            return law.mean_s if p is None else float(law.quantile_s(p))
        if target.metric == "itl":
            return self.station.itl.mean if p is None else float(self.station.itl_quantile_s(p))
        tpot = self.tpot_end(p, end)
        if target.metric == "tpot":
            return tpot
        law = e2e_law(self.ttft(demand), self._outputs(demand), tpot)
        return law.mean_s if p is None else float(law.quantile_s(p))

    def _outputs(self, demand: ClassDemand) -> Array:
        """Output tokens at the atoms of the class's TTFT law (its own atoms are in units of the chain)."""
        return np.full_like(self.ttft(demand).weight, demand.mean_output_tokens)

    def tpot_end(self, p: float | None, end: int) -> float:
        """End of the bracket of TPOT: the mean, or the ITL law at the same p [s]."""
        if p is None or end == 0:
            return self.station.mean_tpot_s
        return self.station.tpot_quantile_bounds_s(p)[1]

    def meets(self, *, end: int) -> bool:
        """Whether every objective is met, judging brackets by their lower (0) or upper (1) end."""
        try:
            return self._loads_fit and all(
                self._meets_class(t, end, late) for late in (False, True) for t in self.problem.traffic
            )
        except (UnstableError, InfeasibleError):
            return False

    @cached_property
    def _loads_fit(self) -> bool:
        """Whether load, mean TPOT and KV memory stay within their limits, cheapest first."""
        return (
            self.station.utilization <= self.problem.scenario.max_utilization
            and (self.station.work is None or self.station.cheap_mean_tpot_s <= self._loosest_tpot)
            and self.kv_p99_share <= 1.0
        )

    def _meets_class(self, traffic: ClassTraffic, end: int, late: bool) -> bool:
        """Whether one class meets its limits on the pace of tokens, or those that take longest to find."""
        slow = ("ttft", "e2e")
        targets = [t for t in traffic.slo.targets if (t.metric in slow) == late]
        if not all(self._within(traffic.demand, target, end) for target in targets):
            return False
        joint = traffic.slo.joint
        return joint is None or not late or self.joint(traffic, end) >= joint.attainment

    def _within(self, demand: ClassDemand, target: Target, end: int) -> bool:
        """Whether one target is met at one end of its bracket."""
        if target.metric == "ttft" and target.probability is not None:
            return float(self.ttft(demand).sf(target.limit_s)) <= 1.0 - target.probability
        if target.metric == "tpot" and self.station.mean_tpot_s > target.limit_s:
            return False  # either end is at least the mean
        return self.bound(demand, target, end) <= target.limit_s

    @property
    def _loosest_tpot(self) -> float:
        """A TPOT that the mean may surely not exceed: no percentile of 50 and up lies far below the mean."""
        limits = [
            t.limit_s
            for c in self.problem.traffic
            for t in c.slo.targets
            if t.metric == "tpot" and t.probability is None
        ]
        return min(limits, default=float("inf"))

    @property
    def kv_p99_share(self) -> float:
        """99th percentile of KV in use over KV capacity; 0 where the capacity is not known."""
        if self.option.kv_capacity_tokens is None or self.station.work is None:
            return 0.0
        return float(self.station.decode.kv.quantile(0.99)) / self.option.kv_capacity_tokens

    def joint(self, traffic: ClassTraffic, end: int) -> float:
        """Lower (pessimistic, 1) or upper (optimistic, 0) end of the joint attainment."""
        joint = traffic.slo.joint
        if joint is None:
            return 1.0
        in_time = 1.0 - float(self.ttft(traffic.demand).sf(joint.ttft_s))
        slow_gaps = float(self.station.itl.sf(joint.tpot_s))
        in_pace = (1.0 - slow_gaps, float(self.station.mean_tpot_s <= joint.tpot_s))
        if end == 1:
            return max(0.0, in_time + min(in_pace) - 1.0)
        return min(in_time, max(in_pace))


def size_colocated(problem: Problem) -> Colocated:
    """Find the cheapest colocated fleet, judged by both ends of every bracket."""
    try:
        options = problem.options("colocated")
    except InfeasibleError as error:
        return Colocated(None, None, None, (), None, None, str(error))
    fleets: dict[tuple[int, int], ColocatedFleet] = {}
    maybe = _cheapest(problem, options, fleets, end=0)
    sure = None if maybe is None else _cheapest(problem, options, fleets, end=1)
    if maybe is None:
        return Colocated(None, None, None, (), None, None, _why_not(problem, options))
    kinds = tuple({id(f.option): f.option for f in (maybe, sure) if f is not None}.values())
    return report(sure or maybe, sure, maybe, kinds)


def report(
    shown: ColocatedFleet,
    sure: ColocatedFleet | None,
    maybe: ColocatedFleet,
    kinds: tuple[InstanceOption, ...],
    settled: str = "",
) -> Colocated:
    """Report the colocated side: the fleet shown, and the two ends."""
    problem, station = shown.problem, shown.station
    pool = pool_plan(
        shown.option,
        shown.count,
        router="random",
        discipline=problem.scenario.colocated.discipline,
        utilization=station.utilization,
        limit=problem.scenario.max_utilization,
        mean_batch=station.mean_batch,
        kv_p99_share=shown.kv_p99_share or None,
    )
    return Colocated(
        pool,
        None if sure is None else sure.count,
        maybe.count,
        tuple(_class_plan(shown, t) for t in problem.traffic),
        None if sure is None else cost_of(problem, [(sure.option, sure.count)]),
        cost_of(problem, [(maybe.option, maybe.count)]),
        "" if sure is not None else "no size surely meets the objectives: the bracket of TPOT is too wide",
        settled,
        kinds,
    )


def _cheapest(
    problem: Problem,
    options: list[InstanceOption],
    fleets: dict[tuple[int, int], ColocatedFleet],
    *,
    end: int,
) -> ColocatedFleet | None:
    """Smallest fleet by price, brackets judged by one end; ``fleets`` keeps what was solved."""
    best: ColocatedFleet | None = None

    def fleet(option: InstanceOption, count: int) -> ColocatedFleet:
        return fleets.setdefault((id(option), count), ColocatedFleet(problem, option, count))

    for option in options:
        limit = MAX_INSTANCES
        if best is not None and option.price_usd_per_hour > 0:
            spent = best.count * best.option.price_usd_per_hour
            limit = int(spent / option.price_usd_per_hour + 1e-9)
            if limit * option.price_usd_per_hour >= spent - 1e-9:
                limit -= 1
        least = least_instances(problem, option)
        if least is None:
            continue
        count = smallest_up_to(lambda n, o=option: fleet(o, n).meets(end=end), least, limit)  # type: ignore[misc]
        if count is not None:
            best = fleet(option, count)
    return best


def _why_not(problem: Problem, options: list[InstanceOption]) -> str:
    """Name an objective that no number of colocated instances meets."""
    for traffic in problem.traffic:
        for target in traffic.slo.targets:
            reached = []
            for option in options:
                try:
                    plenty = ColocatedFleet(problem, option, MAX_INSTANCES)
                    reached.append(plenty.bound(traffic.demand, target, 0))
                except (UnstableError, InfeasibleError):
                    continue
            if reached and min(reached) > target.limit_s:
                best = units.show(min(reached), "time")
                return f"{traffic.name}: {target} is out of reach, {best} with any number of instances"
    return "no number of instances meets every objective together"


def _class_plan(fleet: ColocatedFleet, traffic: ClassTraffic) -> ClassPlan:
    demand = traffic.demand
    station = fleet.station
    law = fleet.ttft(demand)
    asked = sorted({*REPORTED, *(t.probability for t in traffic.slo.targets if t.probability is not None)})
    ttft_q = {p: float(law.quantile_s(p)) for p in asked}
    rows: dict[str, Latency] = {"ttft": Latency("ttft", law.mean_s, ttft_q, ttft_q, ttft_q, law.trust)}
    e2e, tpot_s = law, 0.0
    if several(demand):
        tpot_s = station.mean_tpot_s
        itl_q = {p: float(station.itl_quantile_s(p)) for p in asked}
        floor = dict.fromkeys(asked, tpot_s)
        rows["tpot"] = Latency("tpot", tpot_s, itl_q, floor, itl_q, station.trust)
        rows["itl"] = Latency("itl", station.itl.mean, itl_q, itl_q, itl_q, station.trust)
        e2e = e2e_law(law, fleet._outputs(demand), tpot_s)
    e2e_q = {p: float(e2e.quantile_s(p)) for p in asked}
    rows["e2e"] = Latency("e2e", e2e.mean_s, e2e_q, e2e_q, e2e_q, Trust.APPROXIMATE)
    objectives = [
        Objective(
            target,
            rows[target.metric].at(target)[0],
            *fleet.bounds(demand, target),
            rows[target.metric].trust,
        )
        for target in traffic.slo.targets
    ]
    joint = traffic.slo.joint
    if joint is not None:
        low, high = fleet.joint(traffic, 1), fleet.joint(traffic, 0)
        objectives.append(Objective(joint, low, low, high, Trust.BOUNDED))
    steps = max(0.0, demand.mean_output_tokens - 1.0)
    return ClassPlan(
        demand.name,
        demand.arrival_rate,
        demand.mean_prompt_tokens,
        demand.mean_output_tokens,
        traffic.lengths_source,
        rows["ttft"],
        rows.get("tpot"),
        rows.get("itl"),
        rows["e2e"],
        law.parts,
        {"queue": 0.0, "execution": steps * tpot_s},
        tuple(objectives),
        single_token_share(demand),
    )
