r"""Prompt tokens waiting at an engine that works in iterations with a token budget.

At the start of an iteration Q prompt tokens are outstanding and min(Q, C) of them go in. It takes d(q), and
what arrives meanwhile is compound Poisson: a Markov chain

.. math:: Q' = (Q - C)^+ + A\bigl(d(\min(Q, C))\bigr)

on a lattice of C/m tokens, prompts that share an iteration included. `pdplan.serving.bulk_law` solves it. A
budget far beyond the prompts is cut into more steps than it holds prompts only where that matters; one that
practically never binds ends where the law does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.serving.bulk_law import stationary_law
from pdplan.serving.step_arrivals import arrival_laws, split
from pdplan.serving.step_lattice import choose_lattice

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class StepChain:
    """The law of the outstanding prompt tokens at the start of an iteration.

    Build it with `solve_step_chain`.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    unit_tokens : float
        Lattice step, C/m [tok].
    duration_s : array, shape (m + 1,)
        d(i unit), the length of an iteration with i units of prompt [s].
    idle : float
        Probability that an engine with no prompt has nothing to decode either [-].
    pmf : array
        P(Q = k unit) at iteration starts [-].
    prompt_pmf : array
        Law of a prompt in units [-].
    """

    arrival_rate: float
    unit_tokens: float
    duration_s: Array
    idle: float
    pmf: Array
    prompt_pmf: Array

    @property
    def budget_units(self) -> int:
        """m [-]."""
        return self.duration_s.size - 1

    @cached_property
    def carried_pmf(self) -> Array:
        """P(an iteration carries i units), i = 0..m, over iterations [-]; idle spells are not iterations."""
        carried = np.append(self.pmf[: self.budget_units], self.pmf[self.budget_units :].sum())
        carried[0] *= 1.0 - self.idle
        return np.asarray(carried / carried.sum())

    @property
    def mean_iteration_s(self) -> float:
        """Mean length of an iteration [s]."""
        return float(self.carried_pmf @ self.duration_s)

    @property
    def prefill_time_share(self) -> float:
        """Share of busy time spent in iterations that carry prompt tokens [-]."""
        return float(self.carried_pmf[1:] @ self.duration_s[1:]) / self.mean_iteration_s

    @cached_property
    def met(self) -> tuple[Array, float]:
        """P(an arrival meets an iteration with i units), and P(it meets an idle engine)."""
        carried = np.append(self.pmf[: self.budget_units], self.pmf[self.budget_units :].sum())
        time = carried * self.duration_s
        time[0] *= 1.0 - self.idle
        idle = carried[0] * self.idle / self.arrival_rate
        total = float(time.sum()) + float(idle)
        return time / total, float(idle) / total

    @cached_property
    def units_per_s(self) -> float:
        """Prompt units offered per second [1/s]."""
        return self.arrival_rate * float(self.prompt_pmf @ np.arange(self.prompt_pmf.size))

    def came_spectra(self, shortest_s: Array, longest_s: Array) -> Complex:
        """Row i: transform (2 n points) of the units that come in a time uniform between the i-th two."""
        x = self.arrival_rate * (np.fft.rfft(self.prompt_pmf, 2 * self.pmf.size) - 1.0)
        later = shortest_s > 0.0
        early = np.ones((later.size, x.size), dtype=complex)
        early[later] = np.exp(shortest_s[later, None] * x)
        width = (longest_s - shortest_s)[:, None] * x
        if not width.any():
            return np.asarray(early)
        small = np.abs(width) < 1e-4
        mean = (np.exp(longest_s[:, None] * x) - early) / np.where(small, 1.0, width)
        return np.asarray(np.where(small, early * (1.0 + width / 2 + width**2 / 6), mean))

    @cached_property
    def came_before(self) -> Array:
        """Row i: law of the units that came before an arrival in its iteration of i units (uniform part).

        The same law holds for what comes after it.
        """
        spectra = self.came_spectra(np.zeros(self.duration_s.size), self.duration_s)
        size = self.pmf.size
        return np.maximum(np.fft.irfft(spectra, 2 * size, axis=1)[:, :size], 0.0)

    @cached_property
    def left_over(self) -> Array:
        """Law of the units that a full iteration leaves behind [-]."""
        left = np.zeros(self.pmf.size)
        left[: self.pmf.size - self.budget_units] = self.pmf[self.budget_units :]
        total = float(left.sum())
        if total <= 0:
            left[0] = total = 1.0
        return np.asarray(left / total)

    def in_units(self, tokens: Array, weight: Array) -> Array:
        """Law of prompt lengths in lattice units, the mean kept [-]."""
        return split(tokens / self.unit_tokens, weight, self.prompt_pmf.size)

    def own_units(self, tokens: Array, weight: Array) -> Array:
        """Law of one's own prompt [-]: at least one unit, since its last iteration does carry prompt tokens.

        The mean is kept, as far as there are longer prompts to shorten by a unit. On a lattice coarser than
        the mean prompt iterations are shared by many, and a prompt may round to none.
        """
        own = self.in_units(tokens, weight)
        if self.unit_tokens > float(weight @ tokens) / float(weight.sum()):
            return own
        longer = float(own[2:].sum())
        moved = own[2:] * (min(own[0] / longer, 1.0) if longer > 0 else 0.0)
        own[1] += own[0]
        own[0] = 0.0
        own[2:] -= moved
        own[1:-1] += moved
        return own


def solve_step_chain(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
    *,
    idle: float = 0.0,
    units: int = 16,
) -> StepChain:
    """Solve the chain for a budget of ``units`` lattice steps.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    tokens, weight : array
        Law of the (uncached) prompt tokens [tok].
    budget_tokens : float
        C [tok].
    duration_s : callable
        d(q) for an array of prompt tokens q in [0, C] [s].
    idle : float
        Probability that an engine without prompts has nothing to decode either [-].
    units : int
        m, lattice steps in the budget; raised where prompts are short (a step is at most the mean prompt,
        down to 1/64 of the budget; beyond that what keeps the spread, down to 1/256), lowered where the queue
        is long.

    Raises
    ------
    UnstableError
        More prompt tokens than full iterations can carry.
    InfeasibleError
        So close to that limit that the law does not fit on a lattice.

    Examples
    --------
    >>> one = np.ones(1)
    >>> chain = solve_step_chain(1.0, one * 16.0, one, 16.0, lambda q: 0.5 + 0.0 * q, idle=1.0)
    >>> round(float(chain.pmf[0]), 6)      # M/D/1 at load 0.5: one idle spell for two services
    0.333333
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("budget_tokens", budget_tokens, "tok")
    mean = float(weight @ tokens)
    full_s = float(duration_s(np.array([budget_tokens]))[0])
    require_stable(arrival_rate * mean * full_s / budget_tokens, what="the engine's prompt budget")
    grid = choose_lattice(arrival_rate, tokens, weight, budget_tokens, duration_s, units)
    duration = np.asarray(duration_s(np.arange(grid.units + 1.0) * grid.unit_tokens), dtype=float)
    came = arrival_laws(arrival_rate, tokens, weight, grid.unit_tokens, duration, idle, grid.fine)
    if not grid.binds:
        came = np.column_stack([came[:, : grid.units], came[:, grid.units :].sum(axis=1)])
    pmf = stationary_law(came, grid.size)
    prompt = split(tokens / grid.unit_tokens, weight, grid.size)
    return StepChain(arrival_rate, grid.unit_tokens, duration, idle, pmf, prompt)
