"""Goodput from the formulas: the largest rate at which an attainment holds, of one phase or of a pair."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.instances import InstanceOption
from pdplan.planner.placement_excess import Excesses, decode_excesses, pair_excesses, ttft_excesses
from pdplan.planner.problem import Problem
from pdplan.planner.search import MAX_INSTANCES
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.vary import scaled

#: Relative precision of a goodput.
PRECISION = 1e-3
#: An excess this close below 0 is the root: 0.5% of a tail probability is less than 0.1% of the rate.
CLOSE = 5e-3
#: Share of the stable rate at which a fleet is as good as idle.
IDLE = 1e-3


@dataclass(frozen=True, slots=True)
class Limited:
    """A largest rate [1/s] and what ends it; rate 0 where an idle fleet already misses."""

    rate: float
    by: str


def largest_rate(
    excesses: Callable[[float], Excesses], ceiling: float, ceiling_by: str, *, close: float = CLOSE
) -> Limited:
    """Return the largest rate up to ``ceiling`` at which no limit is passed.

    ``excesses`` grow with the rate. Solved by regula falsi on the worst of them.

    Parameters
    ----------
    excesses : callable
        From a rate [1/s] to the excess over every limit.
    ceiling : float
        Largest rate to consider [1/s].
    ceiling_by : str
        What ends it there.
    close : float
        An excess this close below 0 counts as the root.

    Examples
    --------
    >>> largest_rate(lambda r: {"half of the way": r - 5.0}, 10.0, "load").by
    'half of the way'
    >>> largest_rate(lambda r: {"never": -1.0}, 10.0, "load")
    Limited(rate=10.0, by='load')
    >>> largest_rate(lambda r: {"idle": 1.0}, 10.0, "load")
    Limited(rate=0.0, by='idle')
    """

    def worst(rate: float) -> tuple[float, str]:
        try:
            found = excesses(rate)
        except UnstableError as error:
            return math.inf, str(error).split(":")[0]
        except InfeasibleError as error:
            return math.inf, str(error)
        return max(((v, k) for k, v in found.items()), default=(-math.inf, ceiling_by))

    f_high, by = worst(ceiling)
    if f_high <= 0.0:
        return Limited(ceiling, ceiling_by)
    low, high = IDLE * ceiling, ceiling
    f_low, why = worst(low)
    if f_low > 0.0:
        return Limited(0.0, why)
    for _ in range(40):
        if high - low <= PRECISION * low:
            break
        known = math.isfinite(f_low) and math.isfinite(f_high)
        share = f_low / (f_low - f_high) if known else 0.5
        middle = low + (high - low) * min(max(share, 0.02), 0.98)
        f, name = worst(middle)
        if f <= 0.0:
            low, f_low, f_high, by = middle, f, f_high / 2.0, name
            if f > -close:
                break
        else:
            high, f_high, f_low, by = middle, f, f_low / 2.0, name
    return Limited(low, by)


@dataclass(frozen=True, eq=False)
class Goodputs:
    """Goodput of single instances and of pairs, each judged as DistServe does.

    An attainment objective asks that its share of requests meets TTFT, and that its share meets TPOT: each
    by itself. Percentile and mean objectives are as they are written.
    """

    problem: Problem

    @cached_property
    def _rate(self) -> float:
        return self.problem.demand.arrival_rate

    @cached_property
    def _alone(self) -> dict[int, Limited]:
        return {}

    def at(self, rate: float) -> Problem:
        """Return the problem with its classes together at another rate [1/s]."""
        return scaled(self.problem, rate / self._rate)

    # ------------------------------------------------------------------ ceilings, cheap

    def prefill_ceiling(self, option: InstanceOption) -> float:
        """Rate at which one prefill instance reaches the utilisation limit [1/s]."""
        return prefill_ceiling(self.problem, option)

    def decode_ceiling(self, option: InstanceOption) -> float:
        """Rate at which one decode instance reaches the utilisation limit [1/s]."""
        return decode_ceiling(self.problem, option)

    # ------------------------------------------------------------------ one phase

    def prefill_alone(self, option: InstanceOption) -> Limited:
        """Goodput of one prefill instance by TTFT, as if the first token left it at once."""
        if id(option) not in self._alone:

            def excesses(rate: float) -> Excesses:
                problem = self.at(rate)
                side = PrefillSide(problem, option, 1)
                fleet = Disaggregated(_from_prefill(problem), side, _idle_decode(problem))
                return ttft_excesses(fleet)

            ceiling = self.prefill_ceiling(option)
            self._alone[id(option)] = largest_rate(excesses, ceiling, "prefill load")
        return self._alone[id(option)]

    def decode_alone(self, option: InstanceOption) -> Limited:
        """Goodput of one decode instance by TPOT, ITL and KV memory, decode steps alone."""
        if id(option) not in self._alone:

            def excesses(rate: float) -> Excesses:
                return decode_excesses(DecodeSide(self.at(rate), option, 1))

            ceiling = self.decode_ceiling(option)
            self._alone[id(option)] = largest_rate(excesses, ceiling, "decode load")
        return self._alone[id(option)]

    # ------------------------------------------------------------------ beside a partner

    def pair(self, prefill: InstanceOption, decode: InstanceOption) -> Limited:
        """Goodput of one prefill instance with one decode instance, link and all."""
        a, b = self.prefill_alone(prefill), self.decode_alone(decode)
        first = min(a, b, key=lambda x: x.rate)
        if first.rate == 0.0:
            return first

        def excesses(rate: float) -> Excesses:
            problem = self.at(rate)
            fleet = Disaggregated(problem, PrefillSide(problem, prefill, 1), DecodeSide(problem, decode, 1))
            return pair_excesses(fleet)

        return largest_rate(excesses, first.rate, first.by)

    def prefill_beside(self, option: InstanceOption, decode: DecodeSide) -> Limited:
        """Goodput of one prefill instance whose requests go on to a decode instance at a load of its own."""
        alone = self.prefill_alone(option)
        if alone.rate == 0.0:
            return alone

        def excesses(rate: float) -> Excesses:
            problem = self.at(rate)
            return pair_excesses(Disaggregated(problem, PrefillSide(problem, option, 1), decode))

        return largest_rate(excesses, alone.rate, alone.by)

    def decode_beside(self, option: InstanceOption, prefill: InstanceOption) -> Limited:
        """Goodput of one decode instance fed by prefill instances of a kind where nobody waits."""
        alone = self.decode_alone(option)
        if alone.rate == 0.0:
            return alone

        def excesses(rate: float) -> Excesses:
            problem = self.at(rate)
            side = PrefillSide(problem, prefill, MAX_INSTANCES, idle=True)
            return pair_excesses(Disaggregated(problem, side, DecodeSide(problem, option, 1)))

        return largest_rate(excesses, alone.rate, alone.by)


def prefill_ceiling(problem: Problem, option: InstanceOption) -> float:
    """Rate at which one prefill instance reaches the utilisation limit [1/s]."""
    return _ceiling(problem, lambda at: PrefillSide(at, option, 1).utilization)


def decode_ceiling(problem: Problem, option: InstanceOption) -> float:
    """Rate at which one decode instance reaches the utilisation limit [1/s]."""
    return _ceiling(problem, lambda at: DecodeSide(at, option, 1).utilization)


def _ceiling(problem: Problem, load: Callable[[Problem], float]) -> float:
    """Load is proportional to the rate: read it where the instance is stable."""
    scale = 1.0
    for _ in range(60):
        try:
            stable = problem.scenario.max_utilization * scale / load(scaled(problem, scale))
            return problem.demand.arrival_rate * stable * (1.0 - 1e-9)
        except UnstableError:
            scale /= 4.0
    raise InfeasibleError("no rate is low enough for one instance")


def _from_prefill(problem: Problem) -> Problem:
    """Return the problem with the first token at the end of prefill."""
    if problem.scenario.first_token_from == "prefill":
        return problem
    return replace(problem, scenario=problem.scenario.model_copy(update={"first_token_from": "prefill"}))


def _idle_decode(problem: Problem) -> DecodeSide:
    """A decode side that TTFT does not look at."""
    return DecodeSide(problem, problem.options("decode")[0], MAX_INSTANCES)
