"""Judge one fleet at every sample: each capacity and each objective, holding or not.

Whatever makes one sample worse than another in every input (more or longer requests, slower steps, a narrower
link) cannot turn a miss into a hit, and more instances cannot turn a hit into a miss. So a sample between two
that agree need not be judged: only those near the edge are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError
from pdplan.planner.doubt_inputs import INPUTS, DoubtfulInput
from pdplan.planner.doubt_sample import DoubtedProblem, doubted
from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.spec.slo import JointTarget, Target

Array = NDArray[np.float64]
Answers = NDArray[np.int8]

#: Answers of one judgement: not known yet, misses, holds.
UNKNOWN, MISSES, HOLDS = -1, 0, 1


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that must hold: an objective of a class, or a capacity of a station (no class)."""

    what: str
    class_name: str = ""
    index: int = -1
    target: Target | JointTarget | None = None

    def __str__(self) -> str:
        """E.g. ``chat: ttft p99 <= 2 s``."""
        return f"{self.class_name}: {self.what}" if self.class_name else self.what


#: What stations must be able to do whatever the objectives: carry the load, and hold its KV.
CAPACITIES = (
    "prefill carries the load",
    "decode carries the load",
    "link carries the load",
    "decode holds the KV",
)


def promises(problem: Problem) -> tuple[Promise, ...]:
    """Return everything that a fleet of a problem must keep: capacities first, then objectives."""
    return (
        *(Promise(what) for what in CAPACITIES),
        *(
            Promise(str(target), traffic.name, index, target)
            for index, traffic in enumerate(problem.traffic)
            for target in traffic.slo.objectives
        ),
    )


def kept(sample: DoubtedProblem, prefill: int, decode: int, asked: tuple[Promise, ...]) -> list[bool]:
    """Whether a fleet of so many instances keeps each promise at one sample."""
    fleet = sample.evaluator.fleet(sample.prefill, prefill, sample.decode, decode)
    return [_keeps(fleet, promise) for promise in asked]


def _keeps(fleet: Disaggregated, promise: Promise) -> bool:
    try:
        if promise.target is None:
            return _carries(fleet, CAPACITIES.index(promise.what))
        demand = fleet.problem.traffic[promise.index].demand
        if isinstance(promise.target, JointTarget):
            return fleet.joint_attainment(demand, promise.target)[1] >= promise.target.attainment
        if promise.target.metric in ("tpot", "itl") and not several(demand):
            return True
        return fleet.log_excess(demand, promise.target) <= 0.0
    except InfeasibleError:  # a station that is part of it is overloaded
        return False


def _carries(fleet: Disaggregated, which: int) -> bool:
    """Whether a station is stable, or (the last) the 99th percentile of its KV fits."""
    loads: tuple[Callable[[], float], ...] = (
        lambda: fleet.prefill.utilization,
        lambda: fleet.decode.utilization,
        lambda: fleet.link.utilization,
        lambda: fleet.decode.kv_p99_share or 0.0,
    )
    load = loads[which]()
    return load <= 1.0 if which == len(loads) - 1 else load < 1.0


@dataclass(frozen=True, eq=False)
class Jury:
    """Judges fleets of two kinds of instances at the same samples, and remembers."""

    problem: Problem
    prefill: InstanceOption
    decode: InstanceOption
    inputs: tuple[DoubtfulInput, ...]
    factors: Array
    judged: list[int] = field(default_factory=lambda: [0])  #: judgements made, for the curious

    @cached_property
    def asked(self) -> tuple[Promise, ...]:
        """What must hold."""
        return promises(self.problem)

    @cached_property
    def _samples(self) -> dict[int, DoubtedProblem]:
        return {}

    def sample(self, index: int) -> DoubtedProblem:
        """Return the problem of one sample."""
        if index not in self._samples:
            row = dict(zip(INPUTS, self.factors[index].tolist(), strict=True))
            self._samples[index] = doubted(self.problem, self.prefill, self.decode, row)
        return self._samples[index]

    @cached_property
    def order(self) -> Array:
        """Badness of every sample in each direction that can only make things worse, one column each.

        Output lengths have no such direction (longer outputs fill batches but average over more steps), so
        with them in doubt both signs are columns: no sample then speaks for another.
        """
        by = {name: self.factors[:, i] for i, name in enumerate(INPUTS)}
        columns = [
            by["rate"],
            by["prompt_tokens"],
            by["prefill_time"],
            by["decode_time"] / by["step_factor"],
            1.0 / by["link"],
            by["output_tokens"],
            -by["output_tokens"],
        ]
        return np.column_stack([c for c in columns if np.ptp(c) > 0] or [np.zeros(len(self.factors))])

    @cached_property
    def _middle_out(self) -> list[int]:
        """Samples in the order of judging: by bisection of their overall badness."""
        rank = np.argsort(np.argsort(self.order, axis=0), axis=0).sum(axis=1)
        along = np.argsort(rank, kind="stable").tolist()
        order: list[int] = []
        spans = [(0, len(along))]
        while spans:
            halves = []
            for low, high in spans:
                if low < high:
                    middle = (low + high) // 2
                    order.append(along[middle])
                    halves += [(low, middle), (middle + 1, high)]
            spans = halves
        return order

    def spread_answer(self, known: Answers, index: int, answer: bool) -> None:
        """Note an answer and everything that follows from it, in place."""
        mine = self.order[index]
        if answer:
            known[(self.order <= mine).all(axis=1)] = HOLDS
        else:
            known[(self.order >= mine).all(axis=1)] = MISSES

    def table(self, prefill: int, decode: int) -> NDArray[np.bool_]:
        """Whether each promise (column) holds at each sample (row)."""
        known: Answers = np.full((len(self.factors), len(self.asked)), UNKNOWN, dtype=np.int8)
        for index in self._middle_out:
            open_ = np.flatnonzero(known[index] == UNKNOWN)
            if open_.size == 0:
                continue
            self.judged[0] += 1
            answers = kept(self.sample(index), prefill, decode, tuple(self.asked[i] for i in open_))
            for column, answer in zip(open_, answers, strict=True):
                self.spread_answer(known[:, column], index, answer)
        return np.asarray(known == HOLDS, dtype=bool)

    # ------------------------------------------------------------------ other sizes of the fleet

    @cached_property
    def missed(self) -> dict[Promise, int]:
        """How often each promise was what failed."""
        return {}

    @cached_property
    def _whole(self) -> dict[tuple[int, int], Answers]:
        """Whether everything holds, at each sample, of the sizes judged so far."""
        return {}

    def know(self, prefill: int, decode: int, holds: NDArray[np.bool_]) -> None:
        """Remember a size that was judged in full."""
        self._whole[prefill, decode] = np.where(holds, HOLDS, MISSES).astype(np.int8)

    def enough(self, prefill: int, decode: int, wanted: int) -> bool:
        """Whether everything holds at ``wanted`` samples or more; stops as soon as that is decided."""
        known = self._from_others(prefill, decode)
        most = len(known)
        for index in self._middle_out:
            if (known == HOLDS).sum() >= wanted or (known == MISSES).sum() > most - wanted:
                break
            if known[index] == UNKNOWN:
                self.judged[0] += 1
                self.spread_answer(known, index, self._holds(index, prefill, decode))
        self._whole[prefill, decode] = known
        return bool((known == HOLDS).sum() >= wanted)

    def share(self, prefill: int, decode: int) -> float:
        """Share of the samples at which everything holds [-]."""
        known = self._from_others(prefill, decode)
        for index in self._middle_out:
            if known[index] == UNKNOWN:
                self.judged[0] += 1
                self.spread_answer(known, index, self._holds(index, prefill, decode))
        self._whole[prefill, decode] = known
        return float((known == HOLDS).mean())

    def _holds(self, index: int, prefill: int, decode: int) -> bool:
        """Whether everything holds at one sample; what has failed most often so far is asked first."""
        sample = self.sample(index)
        fleet = sample.evaluator.fleet(sample.prefill, prefill, sample.decode, decode)
        order = sorted(self.asked, key=lambda promise: self.missed.get(promise, 0), reverse=True)
        for promise in order:
            if not _keeps(fleet, promise):
                self.missed[promise] = self.missed.get(promise, 0) + 1
                return False
        return True

    def _from_others(self, prefill: int, decode: int) -> Answers:
        """What is known of a size from smaller fleets that hold and larger ones that miss."""
        known: Answers = np.full(len(self.factors), UNKNOWN, dtype=np.int8)
        for (p, d), answers in self._whole.items():
            if p <= prefill and d <= decode:
                known[answers == HOLDS] = HOLDS
            if p >= prefill and d >= decode:
                known[answers == MISSES] = MISSES
        return known
