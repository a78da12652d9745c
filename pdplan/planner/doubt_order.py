"""Samples from the best to the worst, and what one answer says of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.planner.doubt_inputs import INPUTS

Array = NDArray[np.float64]
Answers = NDArray[np.int8]

#: Answers of one judgement: not known yet, misses, holds.
UNKNOWN, MISSES, HOLDS = -1, 0, 1


@dataclass(frozen=True, eq=False)
class Order:
    """Samples under one promise: how bad each is in every direction, and the order to judge them in."""

    badness: Array

    @cached_property
    def middle_out(self) -> list[int]:
        """Samples by bisection of their overall badness, the worst and the best of all first."""
        rank = np.argsort(np.argsort(self.badness, axis=0), axis=0).sum(axis=1)
        along = np.argsort(rank, kind="stable").tolist()
        order = [along[-1], along[0]]
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

    def spread(self, known: Answers, index: int, answer: bool) -> None:
        """Note an answer and everything that follows from it, in place."""
        mine = self.badness[index]
        if answer:
            known[(self.badness <= mine).all(axis=1)] = HOLDS
        else:
            known[(self.badness >= mine).all(axis=1)] = MISSES


def factors_at(at: Mapping[str, float]) -> dict[str, float]:
    """Return the factors of a sample with these directions, all else as planned."""
    factors = dict.fromkeys(INPUTS, 1.0)
    for name, value in at.items():
        if name == "decode":
            factors["decode_time"] = value
        else:
            factors[name] = 1.0 / value if name == "link" else value
    return factors


def last_place(size: int, holds: Callable[[int], bool], near: int | None = None) -> int:
    """Last place at which something holds that once missed stays so; -1: none.

    ``near``: a place not after it, or just before its first; looks from there on, further every time.

    Examples
    --------
    >>> last_place(100, lambda place: place < 37), last_place(100, lambda place: place < 37, near=36)
    (36, 36)
    >>> last_place(100, lambda place: False), last_place(10, lambda place: True)
    (-1, 9)
    """
    low, high, step = -1, size, 1
    if near is not None:
        low = near
        while low + step < size and holds(low + step):
            low, step = low + step, 2 * step
        high = min(low + step, size)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
