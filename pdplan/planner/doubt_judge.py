"""Judge one fleet at every sample: each capacity and each objective, holding or not.

Whatever makes one sample worse than another in every input (more or longer requests, slower steps, a narrower
link) cannot turn a miss into a hit, and more instances cannot turn a hit into a miss. So a sample between two
that agree need not be judged: only those near the edge are. A promise looks at the inputs of its own stations
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.planner.doubt_inputs import INPUTS, DoubtfulInput
from pdplan.planner.doubt_order import HOLDS, MISSES, UNKNOWN, Answers, Array, Order, factors_at, last_place
from pdplan.planner.doubt_promise import Promise, counts_of, hangs_on, keeps, promises
from pdplan.planner.doubt_sample import DoubtedProblem, doubted
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem

#: Directions that mostly decide, the first that is in doubt and that a promise hangs on.
LEADS: Final = ("prefill_time", "decode", "rate", "prompt_tokens", "link")


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
    def _directions(self) -> dict[str, Array]:
        """Badness of every sample in each direction."""
        by = {name: self.factors[:, i] for i, name in enumerate(INPUTS)}
        return {
            "rate": by["rate"],
            "prompt_tokens": by["prompt_tokens"],
            "prefill_time": by["prefill_time"],
            "decode": by["decode_time"] / by["step_factor"],
            "link": 1.0 / by["link"],
            "output_tokens": by["output_tokens"],
            "-output_tokens": -by["output_tokens"],
        }

    @cached_property
    def _orders(self) -> dict[tuple[str, ...], Order]:
        return {}

    def order(self, promise: Promise) -> Order:
        """Return the samples as one promise sees them."""
        names = hangs_on(self.problem, promise)
        if names not in self._orders:
            columns = [c for c in (self._directions[n] for n in names) if np.ptp(c) > 0]
            self._orders[names] = Order(np.column_stack(columns or [np.zeros(len(self.factors))]))
        return self._orders[names]

    # ------------------------------------------------------------------ one promise

    @cached_property
    def _known(self) -> dict[Promise, dict[tuple[int, int], Answers]]:
        """Answers of each promise at each sample, of the sizes asked so far."""
        return {promise: {} for promise in self.asked}

    def _answers(self, promise: Promise, prefill: int, decode: int) -> Answers:
        """Answers of a size so far; smaller fleets that hold and larger ones that miss say the first."""
        sizes = self._known[promise]
        size = counts_of(self.problem, promise, prefill, decode)
        if size not in sizes:
            known: Answers = np.full(len(self.factors), UNKNOWN, dtype=np.int8)
            for (p, d), answers in sizes.items():
                if p <= size[0] and d <= size[1]:
                    known[answers == HOLDS] = HOLDS
                if p >= size[0] and d >= size[1]:
                    known[answers == MISSES] = MISSES
            sizes[size] = known
        return sizes[size]

    def _keeps(self, promise: Promise, index: int, prefill: int, decode: int) -> bool:
        """Whether a fleet keeps a promise at one sample, which is judged if need be."""
        known = self._answers(promise, prefill, decode)
        if known[index] == UNKNOWN:
            self.judged[0] += 1
            sample = self.sample(index)
            fleet = sample.evaluator.fleet(sample.prefill, prefill, sample.decode, decode)
            self.order(promise).spread(known, index, keeps(fleet, promise))
        return bool(known[index] == HOLDS)

    def _bracket(self, promise: Promise, prefill: int, decode: int) -> None:
        """Find how much of one direction a promise bears with all others at their worst, and at their best.

        Samples below the one hold, samples above the other miss; few are between where it decides.
        """
        names = [n for n in hangs_on(self.problem, promise) if np.ptp(self._directions[n]) > 0]
        known = self._answers(promise, prefill, decode)
        lead = next((n for n in LEADS if n in names), None)
        if len(names) < 2 or lead is None or "output_tokens" in names or (known != UNKNOWN).any():
            return
        values = self._directions[lead]
        along = np.sort(values)

        def holds(place: int, end: Callable[[Array], float]) -> bool:
            self.judged[0] += 1
            at = {n: end(self._directions[n]) for n in names} | {lead: float(along[place])}
            sample = doubted(self.problem, self.prefill, self.decode, factors_at(at))
            return keeps(sample.evaluator.fleet(sample.prefill, prefill, sample.decode, decode), promise)

        last = last_place(along.size, lambda place: holds(place, lambda x: float(x.max())))
        if last >= 0:
            known[values <= along[last]] = HOLDS
        first = last_place(along.size, lambda place: holds(place, lambda x: float(x.min())), near=last) + 1
        if first < along.size:
            known[values >= along[first]] = MISSES

    def table(self, prefill: int, decode: int) -> NDArray[np.bool_]:
        """Whether each promise (column) holds at each sample (row)."""
        for promise in self.asked:
            self._bracket(promise, prefill, decode)
            for index in self.order(promise).middle_out:
                self._keeps(promise, index, prefill, decode)
        columns = [self._answers(promise, prefill, decode) == HOLDS for promise in self.asked]
        return np.asarray(np.column_stack(columns), dtype=bool)

    # ------------------------------------------------------------------ all promises together

    @cached_property
    def _missed(self) -> dict[Promise, int]:
        """How often each promise was what failed."""
        return dict.fromkeys(self.asked, 0)

    def _whole(self, prefill: int, decode: int) -> Answers:
        """What is known of all promises together, at each sample: the worst of them."""
        columns = np.column_stack([self._answers(promise, prefill, decode) for promise in self.asked])
        worst = np.where((columns == HOLDS).all(axis=1), HOLDS, UNKNOWN)
        return np.asarray(np.where((columns == MISSES).any(axis=1), MISSES, worst), dtype=np.int8)

    def _holds(self, index: int, prefill: int, decode: int) -> bool:
        """Whether everything holds at one sample; what has failed most often so far is asked first."""
        for promise in sorted(self.asked, key=self._missed.__getitem__, reverse=True):
            if not self._keeps(promise, index, prefill, decode):
                self._missed[promise] += 1
                return False
        return True

    @cached_property
    def _middle_out(self) -> list[int]:
        """Samples in the order of judging all promises together."""
        columns = [c for c in self._directions.values() if np.ptp(c) > 0]
        return Order(np.column_stack(columns or [np.zeros(len(self.factors))])).middle_out

    def enough(self, prefill: int, decode: int, wanted: int) -> bool:
        """Whether everything holds at ``wanted`` samples or more; stops as soon as that is decided."""
        most = len(self.factors)
        for index in self._middle_out:
            known = self._whole(prefill, decode)
            if (known == HOLDS).sum() >= wanted or (known == MISSES).sum() > most - wanted:
                break
            if known[index] == UNKNOWN:
                self._holds(index, prefill, decode)
        return bool((self._whole(prefill, decode) == HOLDS).sum() >= wanted)

    def share(self, prefill: int, decode: int) -> float:
        """Share of the samples at which everything holds [-]."""
        for index in self._middle_out:
            if self._whole(prefill, decode)[index] == UNKNOWN:
                self._holds(index, prefill, decode)
        return float((self._whole(prefill, decode) == HOLDS).mean())
