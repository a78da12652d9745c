"""Fleets of either architecture at a given size, and what each gives at a rate, by formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import SEARCH_POINTS, Disaggregated, several
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import cost_of
from pdplan.planner.placement_excess import Excesses, joint_excesses, other_excesses, ttft_excesses
from pdplan.planner.placement_goodput import Limited, decode_ceiling, largest_rate, prefill_ceiling
from pdplan.planner.problem import Problem
from pdplan.planner.search import MAX_INSTANCES
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.vary import scaled
from pdplan.spec.slo import Slo
from pdplan.trust import Trust

#: Relative precision of the largest rate of a colocated fleet.
PRECISION = 5e-3
#: An excess this close below 0 is the root: 2% of a tail probability, less than 0.5% of the rate.
CLOSE = 2e-2


def at_rate(problem: Problem, rate: float) -> Problem:
    """Return the problem with its classes together at another rate [1/s]."""
    return scaled(problem, rate / problem.demand.arrival_rate)


def without_ttft(problem: Problem) -> Problem:
    """Return the problem with its TTFT objectives dropped; an attainment keeps its limit on TPOT."""
    return replace(problem, traffic=tuple(replace(t, slo=_without_ttft(t.slo)) for t in problem.traffic))


def _without_ttft(slo: Slo) -> Slo:
    joint = slo.joint
    if joint is None:
        return slo.model_copy(update={"ttft": None})
    percentile = f"p{100.0 * joint.attainment:.10g}"
    return slo.model_copy(update={"ttft": None, "attainment": None, "tpot": {percentile: joint.tpot_s}})


@dataclass(frozen=True, eq=False)
class SplitFleet:
    """P prefill and D decode instances."""

    problem: Problem
    prefill: InstanceOption
    prefill_count: int
    decode: InstanceOption
    decode_count: int

    architecture = "split"
    trust = Trust.APPROXIMATE

    @property
    def gpus(self) -> int:
        """GPUs of all instances."""
        return self.prefill_count * self.prefill.gpus + self.decode_count * self.decode.gpus

    @property
    def label(self) -> str:
        """E.g. ``3 P TP2 + 2 D TP4``."""
        return f"{self.prefill_count} P {self.prefill.label} + {self.decode_count} D {self.decode.label}"

    @property
    def usd_per_hour(self) -> float:
        """Price of all instances, in whole nodes where the scenario buys them [USD/h]."""
        pools = [(self.prefill, self.prefill_count), (self.decode, self.decode_count)]
        return cost_of(self.problem, pools).usd_per_hour

    def at(self, rate: float) -> Disaggregated:
        """Return the fleet under a rate [1/s], ready to be judged."""
        problem = at_rate(self.problem, rate)
        return Disaggregated(
            problem,
            PrefillSide(problem, self.prefill, self.prefill_count),
            DecodeSide(problem, self.decode, self.decode_count),
        )

    @cached_property
    def largest(self) -> Limited:
        """Largest rate within every objective, load limit, KV memory and link; 0 where there is none."""
        problem = self.problem
        loads = {
            "prefill load": self.prefill_count * prefill_ceiling(problem, self.prefill),
            "decode load": self.decode_count * decode_ceiling(problem, self.decode),
        }
        by = min(loads, key=loads.__getitem__)

        def excesses(rate: float) -> Excesses:
            fleet = self.at(rate)
            cheap = other_excesses(fleet)  # TTFT takes longest: not asked where pace or memory fail
            failing = {name: value for name, value in cheap.items() if value > 0.0}
            return failing or cheap | ttft_excesses(fleet) | joint_excesses(fleet)

        return largest_rate(excesses, loads[by], by, close=CLOSE)

    def tpot_s(self, rate: float) -> float:
        """Mean TPOT over the requests of all classes that have one [s]."""
        fleet = self.at(rate)
        paced = [d for d in fleet.problem.demands if several(d)]
        total = sum(d.arrival_rate for d in paced)
        return sum(d.arrival_rate * fleet.tpot(d).mean_s for d in paced) / total

    def ttft_p99_s(self, rate: float) -> float:
        """99th percentile of TTFT of the slowest class [s]."""
        fleet = self.at(rate)
        return max(float(fleet.ttft(d, points=SEARCH_POINTS).quantile_s(0.99)) for d in fleet.problem.demands)

    def idle_ttft_p99_s(self) -> float:
        """What `ttft_p99_s` would be if nobody waited: no number of these instances is faster [s]."""
        problem = self.problem
        prefill = PrefillSide(problem, self.prefill, MAX_INSTANCES, idle=True)
        fleet = Disaggregated(problem, prefill, DecodeSide(problem, self.decode, MAX_INSTANCES))
        return max(float(fleet.ttft(d, points=SEARCH_POINTS).quantile_s(0.99)) for d in problem.demands)

    def meets_all_but_ttft(self) -> bool:
        """Whether the scenario's rate is carried within every limit that is not on TTFT."""
        try:
            fleet = self.at(self.problem.demand.arrival_rate)
            busiest = max(fleet.prefill.utilization, fleet.decode.utilization)
            if busiest > self.problem.scenario.max_utilization:
                return False
            return max(other_excesses(fleet).values()) <= 0.0
        except (UnstableError, InfeasibleError):
            return False


@dataclass(frozen=True, eq=False)
class MixedFleet:
    """Colocated instances; percentiles of TPOT are brackets, judged by their upper end."""

    problem: Problem
    option: InstanceOption
    count: int

    architecture = "colocated"
    trust = Trust.APPROXIMATE

    @property
    def gpus(self) -> int:
        """GPUs of all instances."""
        return self.count * self.option.gpus

    @property
    def label(self) -> str:
        """E.g. ``8 x TP2``."""
        return f"{self.count} x {self.option.label}"

    @property
    def usd_per_hour(self) -> float:
        """Price of all instances, in whole nodes where the scenario buys them [USD/h]."""
        return cost_of(self.problem, [(self.option, self.count)]).usd_per_hour

    def at(self, rate: float) -> ColocatedFleet:
        """Return the fleet under a rate [1/s], ready to be judged."""
        return ColocatedFleet(at_rate(self.problem, rate), self.option, self.count)

    @cached_property
    def largest(self) -> Limited:
        """Largest rate at which every objective is surely met, the brackets judged by their worse end."""
        return self._largest(1)

    @cached_property
    def largest_perhaps(self) -> Limited:
        """Largest rate at which every objective may be met, the brackets judged by their better end."""
        return self._largest(0)

    def _largest(self, end: int) -> Limited:
        """Bisect what only answers yes or no."""
        high = low = self.problem.demand.arrival_rate
        if self.at(low).meets(end=end):
            while self.at(high := 2.0 * high).meets(end=end):
                low = high
        else:
            for _ in range(12):
                high, low = low, low / 2.0
                if self.at(low).meets(end=end):
                    break
            else:
                return Limited(0.0, "an objective at any rate")
        while high > low * (1.0 + PRECISION):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.at(middle).meets(end=end) else (low, middle)
        return Limited(low, "an objective or load")

    def tpot_s(self, rate: float) -> float:
        """Mean TPOT [s]."""
        return self.at(rate).station.mean_tpot_s

    def ttft_p99_s(self, rate: float) -> float:
        """99th percentile of TTFT of the slowest class [s]."""
        fleet = self.at(rate)
        return max(float(fleet.ttft(d).quantile_s(0.99)) for d in fleet.problem.demands)

    def meets_all_but_ttft(self) -> bool:
        """Whether the scenario's rate is surely carried within every limit that is not on TTFT."""
        fleet = ColocatedFleet(without_ttft(self.problem), self.option, self.count)
        return fleet.meets(end=1)


AnyFleet = SplitFleet | MixedFleet


def split_fleets(problem: Problem, gpus: int) -> Iterator[SplitFleet]:
    """Every P x prefill kind + D x decode kind of exactly so many GPUs."""
    for p in problem.options("prefill"):
        for d in problem.options("decode"):
            for count in range(1, (gpus - d.gpus) // p.gpus + 1):
                rest = gpus - count * p.gpus
                if rest % d.gpus == 0:
                    yield SplitFleet(problem, p, count, d, rest // d.gpus)


def mixed_fleets(problem: Problem, gpus: int) -> Iterator[MixedFleet]:
    """Every colocated fleet of exactly so many GPUs; none where the model fits no instance."""
    try:
        options = problem.options("colocated")
    except InfeasibleError:
        return
    for o in options:
        if gpus % o.gpus == 0:
            yield MixedFleet(problem, o, gpus // o.gpus)
