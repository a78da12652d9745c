"""Prefill at instances with several attention ranks: capacity, wait and own time of a prompt.

Every rank has a queue of its own and takes up to its part of the token budget into a step, cutting prompts; a
step of all ranks lasts as long as that of the slowest. Prompts are dealt to ranks at random or in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.queueing.base import each_p
from pdplan.serving.rank_chain import RankChain, solve_rank_chain
from pdplan.serving.rank_pieces import Pieces, cut, full_step_s, pieces_of
from pdplan.serving.rank_ttft import RankFinish
from pdplan.trust import Trust

Array = NDArray[np.float64]

#: Load below which nobody is taken to wait.
_IDLE = 1e-3


@dataclass(frozen=True, eq=False)
class RankedPrefill:
    """One instance of several attention ranks.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second of the instance [1/s].
    new_tokens, cached, weight : array
        Atoms of the uncached prompt tokens and of those in the prefix cache [tok], and their shares [-].
    budget_tokens : float
        Of the instance [tok]; each rank has an equal part.
    ranks : int
        [-].
    step_s : callable
        Step by (tokens and attention squares of the slowest rank, tokens of all ranks), of one stage [s].
    lanes : int
        1: prompts are dealt at random. Else in turn to so many ranks, those of the whole pool [-].
    stages : int
        Pipeline stages that a step passes one after another [-].

    Notes
    -----
    Approximate: ranks are taken as independent of each other. What that costs is in docs/validation/moe.md.

    Examples
    --------
    >>> def step(tokens, squares, together):
    ...     return 0.02 + 5e-5 * tokens + 1e-5 * together
    >>> law = RankedPrefill(20.0, np.array([1000.0]), np.zeros(1), np.ones(1), 8192.0, 4, step)
    >>> round(law.max_rate, 1), law.mean_wait_s > 0            # 4 x 2048 tokens in 20 + 102.4 + 81.9 ms
    (40.1, True)
    """

    arrival_rate: float
    new_tokens: Array
    cached: Array
    weight: Array
    budget_tokens: float
    ranks: int
    step_s: Callable[[Any, Any, Any], Any]
    lanes: int = 1
    stages: int = 1

    @property
    def rank_budget(self) -> float:
        """Prompt tokens of a rank in a step [tok]."""
        return self.budget_tokens / self.ranks

    @property
    def mean_tokens(self) -> float:
        """Mean of the uncached prompt tokens [tok]."""
        return float(self.weight @ self.new_tokens)

    @cached_property
    def pieces(self) -> Pieces:
        """What prompts are cut into."""
        return pieces_of(self.new_tokens, self.cached, self.weight, self.rank_budget)

    @cached_property
    def full_step_s(self) -> float:
        """Mean time of a step in which every rank is full [s]."""
        return full_step_s(self.step_s, self.pieces, self.rank_budget, self.mean_tokens, self.ranks)

    @property
    def max_rate(self) -> float:
        """Arrival rate at which every rank is full in every step [1/s]."""
        return self.budget_tokens / self.mean_tokens / self.full_step_s

    @property
    def utilization(self) -> float:
        """Load [-]."""
        return self.arrival_rate / self.max_rate

    @cached_property
    def chain(self) -> RankChain:
        """The queue of one rank."""
        return solve_rank_chain(
            self.arrival_rate / self.ranks,
            self.new_tokens,
            self.weight,
            self.rank_budget,
            self.ranks,
            self.step_s,
            self.pieces,
            lanes=self.lanes,
        )

    @cached_property
    def _finish(self) -> RankFinish:
        return RankFinish(self.chain, self.mean_tokens)

    @property
    def idle(self) -> bool:
        """Whether the load is too small to wait at all."""
        return self.utilization < _IDLE

    @property
    def _met_idle(self) -> float:
        return self.chain.met[1]

    @cached_property
    def _least_s(self) -> float:
        """Least time of a prompt of mean length at a busy instance [s]."""
        levels, m = self.chain.levels, self.chain.levels.at_units.size - 1
        own = min(round(self.mean_tokens / self.chain.unit_tokens), m)
        return float(levels.duration_s[levels.at_units[own]])

    @cached_property
    def _wait(self) -> tuple[Array, Array]:
        """Law of the wait: upper ends of its cells [s], and P(W below them); even within a cell."""
        step, pmf = self._finish.law
        times = np.maximum((np.arange(pmf.size) + 0.5) * step - self._least_s, 0.0)
        chance = pmf * (1.0 - self._met_idle)
        chance[0] += self._met_idle
        return times, np.cumsum(chance) / chance.sum()

    @property
    def mean_wait_s(self) -> float:
        """Mean wait [s]."""
        if self.idle:
            return 0.0
        times, cdf = self._wait
        middle = 0.5 * (times + np.concatenate([times[:1], times[:-1]]))
        return float(np.diff(cdf, prepend=0.0) @ middle)

    @property
    def mean_queue_length(self) -> float:
        """Prompts waiting [-]."""
        return self.arrival_rate * self.mean_wait_s

    @property
    def trust(self) -> Trust:
        """Always approximate."""
        return Trust.APPROXIMATE

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        if self.idle:
            return np.zeros_like(np.asarray(t, dtype=float))
        times, cdf = self._wait
        return 1.0 - np.interp(np.asarray(t, dtype=float), times, cdf)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]."""
        if self.idle:
            return each_p(p, np.zeros_like)
        times, cdf = self._wait
        return each_p(p, lambda level: np.asarray(np.interp(level, cdf, times)))

    # ------------------------------------------------------------------ one's own prompt

    def alone_s(self, new_tokens: Array, cached: Array) -> Array:
        """Time of a prompt alone in the instance, step by step, in all stages [s]."""
        budget, total = self.rank_budget, np.zeros(new_tokens.size)
        left, done = new_tokens.astype(float), cached.astype(float)
        while (left > 0).any():
            take = np.minimum(left, budget)
            squares = take * (2.0 * done + take)
            step = np.asarray(self.step_s(np.maximum(take, 1.0), squares, np.maximum(take, 1.0)), dtype=float)
            total = total + np.where(take > 0, step, 0.0)
            left, done = left - take, done + take
        return total * self.stages

    def own_s(self, new_tokens: Array, cached: Array) -> Array:
        """Time of a prompt beyond the wait, at its mean: its own steps among those of others [s]."""
        alone = self.alone_s(new_tokens, cached)
        if self.idle:
            return alone
        finish, least, idle = self._finish, self._least_s, self._met_idle
        step, pmf = finish.law
        waited = float(np.arange(pmf.size) @ pmf) * step - least
        grid = np.linspace(0.0, float(new_tokens.max()) / self.chain.unit_tokens, 96)
        busy = np.interp(new_tokens / self.chain.unit_tokens, grid, finish.mean_s(grid)) - waited
        busy = busy + self._own_attention_s(new_tokens, cached)
        last = (self.stages - 1.0) * float(self.chain.carried @ self.chain.levels.mean_s)
        return np.maximum(idle * alone + (1.0 - idle) * (busy + last), 0.2 * alone)

    def _own_attention_s(self, new_tokens: Array, cached: Array) -> Array:
        """By how much a prompt's attention makes its own steps longer than steps of so many units are [s]."""
        one = np.ones(new_tokens.size)
        pieces = cut(new_tokens, cached, one, self.rank_budget, self.pieces.usual_attention)
        chain, levels, budget = self.chain, self.chain.levels, self.rank_budget
        m = levels.at_units.size - 1
        mean = float(chain.carried @ np.arange(m + 1)) / m * budget
        beside = mean * (1.0 - pieces.tokens / budget)
        tokens = pieces.tokens + beside
        squares = pieces.attention_sq + beside * pieces.usual_attention
        time = np.asarray(self.step_s(np.maximum(tokens, 1.0), squares, self.ranks * mean), dtype=float)
        own = np.rint(tokens / budget * m).astype(int)
        # E max(time, D) - E D, D the step by the units of the rank: its integrated distribution
        below = np.cumsum(levels.chance, axis=1)[:, :-1] * np.diff(levels.duration_s)
        area = np.concatenate([np.zeros((m + 1, 1)), np.cumsum(below, axis=1)], axis=1)
        extra = np.empty(time.shape)
        for units in np.unique(own).tolist():
            at = own == units
            inside = np.interp(time[at], levels.duration_s, area[units])
            extra[at] = inside + np.maximum(time[at] - levels.duration_s[-1], 0.0)
        return np.asarray((pieces.number * extra).sum(axis=1))
