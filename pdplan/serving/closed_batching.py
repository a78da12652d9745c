"""Prefill steps with a token budget, for a closed network: how many prompts go in, and for how long.

Whole prompts go in as long as they fit. The first that does not fit is first in the next step, and it is
longer than others: its law follows from the states in which steps leave something over, so that the tokens
of all steps add up to those of all prompts. Sums of prompts live on a lattice of the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.closed_steps import StepMenu

Array = NDArray[np.float64]

#: Lattice steps of the token budget.
_LATTICE = 256
#: Steps of one prompt are kept apart by its length, in mean lengths: their spread is the largest.
_APART = (1.0, 2.5, 6.0)
#: Every number of prompts up to this has its own row; larger ones are gathered.
_OWN_ROW = 20


@dataclass(frozen=True, eq=False)
class _Rows:
    """Steps by the number m of prompts that fit, for one law of the first prompt.

    ``density[m]``: law of the tokens of m prompts that fit together. ``partial``, ``whole``: (chance, mean,
    second moment of the length) when more than m are there and the next does not fit, and when m are there.
    After the rows m = 0, 1, ... come those of one prompt beyond each of ``_APART``; row 1 has the rest.
    """

    first_over: float
    density: Array
    partial: Array
    whole: Array


@dataclass(frozen=True, eq=False)
class Batching:
    """The steps of an instance that batches prompts.

    Parameters
    ----------
    tokens, weight : array
        Law of the uncached prompt tokens [tok], [-].
    squares_per_square : float
        Attention tokens squared over uncached tokens squared; 1 without prefix hits [-].
    budget_tokens : float
        [tok].
    step_s : callable
        Time of a step by (new tokens, attention tokens squared) [s].
    most : int
        Largest number of prompts that are ever there [-].

    Notes
    -----
    The sum of squares of m prompts of total x is taken as x^2 (1 + c^2)/(m + c^2): exact for one prompt, for
    equal prompts and for gamma lengths.

    Examples
    --------
    >>> one = np.ones(1)
    >>> b = Batching(one * 1000, one, 1.0, 3500.0, lambda n, sq: 0.01 + 1e-4 * n, 5)
    >>> menu = b.menu(None, np.zeros(6))
    >>> menu.takes.tolist(), menu.expected_s.round(3).tolist()
    ([2, 3, 1], [0.0, 0.11, 0.21, 0.31, 0.31, 0.31])
    """

    tokens: Array
    weight: Array
    squares_per_square: float
    budget_tokens: float
    step_s: Callable[[Array, Array], Array]
    most: int
    _lattice: tuple[float, Array] = field(init=False, repr=False)
    _fresh: _Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Put the prompts on the lattice."""
        object.__setattr__(self, "_lattice", self._on_lattice())
        object.__setattr__(self, "_fresh", self._rows(self._pmf, self._p_over))

    # ------------------------------------------------------------------ lattice

    def _on_lattice(self) -> tuple[float, Array]:
        fits = self.tokens <= self.budget_tokens
        unit = self.budget_tokens / _LATTICE
        if self._scv < 1e-9 and fits.all():
            unit = self._mean  # a fixed length that fits a whole number of times must not be blurred
        size = max(1, int(np.floor(self.budget_tokens / unit + 1e-9)))
        places = np.minimum(self.tokens[fits] / unit, size)
        low = np.floor(places + 1e-9).astype(np.int64)
        part = np.maximum(places - low, 0.0)
        pmf = np.bincount(low, self.weight[fits] * (1 - part), minlength=size + 2)
        pmf = pmf + np.bincount(low + 1, self.weight[fits] * part, minlength=size + 2)
        return unit, np.asarray(pmf[: size + 1])

    @property
    def _mean(self) -> float:
        return float(self.weight @ self.tokens)

    @property
    def _scv(self) -> float:
        return max(0.0, float(self.weight @ self.tokens**2) / self._mean**2 - 1.0)

    @property
    def _pmf(self) -> Array:
        return self._lattice[1]

    @property
    def _p_over(self) -> float:
        return max(0.0, 1.0 - float(self._pmf.sum()))

    @property
    def _not_fit(self) -> Array:
        """P(the next prompt does not fit), by the tokens already in the step [-]."""
        return np.maximum(0.0, 1.0 - np.cumsum(self._pmf))[::-1]

    def _rows(self, first: Array, first_over: float) -> _Rows:
        size = self._pmf.size
        density = np.zeros((self.most + 1, size))
        partial, whole = (np.zeros((self.most + 1 + len(_APART), 3)) for _ in range(2))
        x = np.asarray(np.arange(size) * self._lattice[0], dtype=np.float64)
        now = first
        for m in range(1, self.most + 1):
            density[m] = now
            squares = self.squares_per_square * x**2 * (1 + self._scv) / (m + self._scv)
            length: Array = np.asarray(self.step_s(x, squares), dtype=float)
            for table, mass in ((partial, now * self._not_fit), (whole, now)):
                for row, part in self._parted(m, x):
                    here = mass * part
                    table[row] = here.sum(), here @ length, here @ length**2
            if now.sum() < 1e-9:
                break
            now = np.convolve(now, self._pmf)[:size]
        over = self.tokens > self.budget_tokens
        if first_over > 0 and over.any():
            n, w = self.tokens[over], self.weight[over] / self.weight[over].sum()
            longer: Array = np.asarray(self.step_s(n, self.squares_per_square * n**2), dtype=float)
            sums = first_over * np.array([1.0, w @ longer, w @ longer**2])
            partial[-1] += sums
            whole[-1] += sums
        return _Rows(first_over, density, partial, whole)

    def _parted(self, m: int, x: Array) -> list[tuple[int, Array]]:
        """Rows of steps of m prompts, and which token counts belong to each."""
        if m > 1:
            return [(m, np.ones(x.size))]
        edges = [0.0, *(self._mean * a for a in _APART), np.inf]
        rows = [1, *range(self.most + 1, self.most + 1 + len(_APART))]
        parts = zip(rows, edges[:-1], edges[1:], strict=True)
        return [(row, ((x >= low) & (x < high)).astype(float)) for row, low, high in parts]

    # ------------------------------------------------------------------ what was left over

    def menu(self, last: StepMenu | None, left_over: Array, at_start: Array | None = None) -> StepMenu:
        """Steps for 0 .. K prompts.

        Parameters
        ----------
        last : StepMenu, optional
            The menu that led to what follows; without it the first prompt left over is any prompt.
        left_over : array, shape (K + 1,)
            Chance that the first of k prompts was left over by the step before [-].
        at_start : array, shape (K + 1,), optional
            P(k are there when a step starts) [-].
        """
        blocked = self._fresh
        if last is not None and at_start is not None:
            blocked = self._rows(*self._head(last.blocked or self._fresh, left_over, at_start))
        most = left_over.size - 1
        k = np.arange(most + 1)
        takes = np.concatenate([k, np.ones(len(_APART), dtype=np.int64)])
        rows = np.concatenate([k, np.arange(len(_APART)) + self.most + 1])
        reps = _kept_rows(most)
        tables = []
        for column in range(3):
            full = np.zeros((takes.size, most + 1))  # (m, k)
            for law, share in ((self._fresh, 1.0 - left_over), (blocked, left_over)):
                more, all_ = law.partial[rows, column][:, None], law.whole[rows, column][:, None]
                full += (
                    np.where(takes[:, None] < k, more, 0) + np.where(takes[:, None] == k, all_, 0)
                ) * share
            full[0] = 0.0
            tables.append(np.concatenate([_gather(full[: most + 1], reps), full[most + 1 :]]))
        chance, first, second = tables
        total = np.where(chance.sum(axis=0) > 0, chance.sum(axis=0), 1.0)
        safe = np.where(chance > 0, chance, 1.0)
        mean = first / safe
        var = np.maximum(second / safe - mean**2, 0.0)
        used = (chance > 1e-7).any(axis=1)
        taken = np.concatenate([reps, takes[most + 1 :]])
        return StepMenu(taken[used], (chance / total)[used], mean[used], var[used], blocked)

    def overflow(self, most: int) -> Array:
        """P(k prompts do not all fit into a step), k = 0 .. most [-]."""
        fit = self._fresh.whole[: most + 1, 0].copy()
        fit[1] += self._fresh.whole[self.most + 1 :, 0].sum()
        fit[0] = 1.0
        return np.asarray(np.clip(1.0 - fit, 0.0, 1.0))

    def _head(self, blocked: _Rows, left_over: Array, at_start: Array) -> tuple[Array, float]:
        """Law of the prompts left over: (on the lattice, beyond the budget)."""
        head, over = np.zeros(self._pmf.size), 0.0
        for rows, share in ((self._fresh, 1.0 - left_over), (blocked, left_over)):
            here = at_start * share
            more = np.concatenate([np.cumsum(here[::-1])[::-1][1:], [0.0]])  # P(more than m)
            reached = more @ rows.density[: more.size]  # by tokens in the step
            beyond = np.concatenate([[0.0], np.cumsum(reached[::-1])[:-1]])  # more than size - i
            first_over = rows.first_over * more[1] if more.size > 1 else 0.0
            head += self._pmf * (beyond + first_over)
            over += self._p_over * (float(reached.sum()) + first_over)
        total = float(head.sum()) + over
        return (head / total, over / total) if total > 1e-12 else (self._pmf, self._p_over)


def _kept_rows(most: int) -> NDArray[np.int64]:
    rows = list(range(1, min(most, _OWN_ROW) + 1))
    while rows[-1] < most:
        rows.append(min(most, int(rows[-1] * 1.3) + 1))
    return np.array(rows, dtype=np.int64)


def _gather(full: Array, reps: NDArray[np.int64]) -> Array:
    """Gather rows m into the rows kept, between the two neighbours so that the mean of m stays."""
    m = np.arange(1, full.shape[0])
    at = np.searchsorted(reps, m, side="right") - 1
    above = np.minimum(at + 1, reps.size - 1)
    gap = np.maximum(reps[above] - reps[at], 1)
    up = np.where(above > at, (m - reps[at]) / gap, 0.0)
    fits = reps[above][:, None] <= np.arange(full.shape[1])[None, :]  # no step takes more than there are
    share = np.where(fits, up[:, None], 0.0)
    first = np.flatnonzero(np.diff(at, prepend=-1))  # where each kept row begins
    out = np.add.reduceat(full[1:] * (1 - share), first)
    out[1:] += np.add.reduceat(full[1:] * share, first)[:-1]
    return np.asarray(out)
