r"""Prompt tokens waiting at one of several attention ranks whose steps begin and end together.

A rank with Q tokens takes min(Q, b) of them into a step, as `step_chain`; how long the step lasts, the
slowest of all ranks says (`rank_pieces`). Ranks are looked at one by one, the others drawn independently from
the law that comes out: a fixed point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError
from pdplan.serving.bulk_law import stationary_law
from pdplan.serving.rank_arrivals import transforms
from pdplan.serving.rank_pieces import Levels, Pieces, delay_of_prompts, fallen_behind, levels_of
from pdplan.serving.step_arrivals import split

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Change of the law from round to round at which it has settled, and most rounds.
_SETTLED = 1e-4
_MOST_ROUNDS = 40
#: Lattice points that are tried, finest and coarsest budget in lattice steps, and what may lie at the end.
_SIZES = (256, 512, 1024, 2048)
_FINEST, _COARSEST = 32, 8
_TAIL = 1e-4


@dataclass(frozen=True, eq=False)
class RankChain:
    """The law of one rank's outstanding units at the start of a step.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second of one rank [1/s].
    ranks, lanes : int
        Ranks of an instance, and of the pool where prompts are dealt in turn (else 1) [-].
    unit_tokens : float
        Lattice step [tok].
    pmf, prompt_pmf : array
        P(Q = k units); law of a prompt in units [-].
    levels : Levels
    idle : float
        P(no rank has a prompt | this one has none) [-].
    behind_s : array
        Time by which ranks have fallen behind for the prompt that sets a level, by level [s].
    after : callable
        Levels of a step by the law of the units that ranks carry in it.
    """

    arrival_rate: float
    ranks: int
    lanes: int
    unit_tokens: float
    pmf: Array
    prompt_pmf: Array
    levels: Levels
    idle: float
    behind_s: Array
    after: Callable[[Array], Levels]

    @property
    def carried(self) -> Array:
        """P(a step carries i units of this rank) [-]."""
        m = self.levels.at_units.size - 1
        return np.append(self.pmf[:m], self.pmf[m:].sum())

    @property
    def met(self) -> tuple[Array, float]:
        """P(an arrival meets a step with i units here, of that level), and P(it meets an idle instance)."""
        carried = self.carried
        idle = carried[0] * self.idle
        carried[0] -= idle
        time = carried[:, None] * self.levels.chance * self.levels.duration_s
        still = idle / (self.arrival_rate * self.ranks)
        total = float(time.sum()) + still
        return time / total, float(still) / total


def solve_rank_chain(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    ranks: int,
    step_s: Callable[[Any, Any, Any], Any],
    pieces: Pieces,
    *,
    lanes: int = 1,
    units: int = 16,
) -> RankChain:
    """Find the fixed point.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second of one rank [1/s].
    tokens, weight : array
        Law of the uncached prompt tokens [tok].
    budget_tokens : float
        b of one rank [tok].
    ranks : int
        [-].
    step_s : callable
        Step by (tokens and attention squares of the slowest rank, tokens of all) [s].
    pieces : Pieces
        Of the same prompts.
    lanes : int
        Ranks of the pool that prompts are dealt to in turn, 1 at random (`rank_arrivals`) [-].
    units : int
        Lattice steps in the budget; more where prompts are short.

    Raises
    ------
    InfeasibleError
        The queue is too close to its limit.
    """
    mean = float(weight @ tokens)
    while units < _FINEST and mean * units < 2 * budget_tokens:
        units *= 2
    for size in _SIZES:
        m = units
        while m >= _COARSEST:
            unit = budget_tokens / m
            if size * unit >= 1.5 * float(tokens.max()):
                chain = _settle(
                    arrival_rate, split(tokens / unit, weight, size), unit, m, ranks, step_s, pieces, lanes
                )
                if float(chain.pmf[-size // 8 :].sum()) < _TAIL:
                    return chain
            m //= 2
    raise InfeasibleError("the prompt queue is too close to its limit for its law to be computed")


def _settle(
    arrival_rate: float, prompt: Array, unit: float, m: int, ranks: int,
    step_s: Callable[[Any, Any, Any], Any], pieces: Pieces, lanes: int,
) -> RankChain:  # fmt: skip
    """Find the law of a rank among others that follow the same law."""
    size = prompt.size
    phi = np.fft.rfft(prompt, 2 * size)
    pmf, per_step = prompt, 0.0
    most = ranks * m / float(prompt @ np.arange(size))  # prompts in a step of full ranks
    for _ in range(_MOST_ROUNDS):
        carried = np.append(pmf[:m], pmf[m:].sum())
        idle = float(carried[0]) ** (ranks - 1)
        levels = levels_of(step_s, pieces, unit, carried, per_step, ranks)
        busy = carried - np.eye(1, m + 1)[0] * carried[0] * idle
        kept_up = float(levels.mean_s[-1])  # what is beyond the mean of full steps makes ranks fall behind
        delay = delay_of_prompts(pieces, levels, kept_up, per_step)
        held_up = transforms(phi, arrival_rate * delay, lanes) - 1.0
        duration = np.minimum(levels.duration_s, kept_up)
        spectra = levels.chance @ transforms(phi, arrival_rate * duration, lanes)
        spectra = spectra * np.exp(per_step * (pieces.prompts @ held_up))
        spectra[0] = (1.0 - idle) * spectra[0] + idle * (1.0 + (phi - 1.0) / ranks)
        came = np.maximum(np.fft.irfft(spectra, 2 * size, axis=1)[:, :size], 0.0)
        new = stationary_law(came, size)
        per_step = min(arrival_rate * ranks * float(busy @ levels.mean_s) / float(busy.sum()), most)
        change = float(np.abs(new - pmf).sum())
        pmf = new
        if change < _SETTLED:
            break
    before = fallen_behind(pieces, levels, kept_up)

    def after(carried: Array) -> Levels:
        return levels_of(step_s, pieces, unit, carried, per_step, ranks)

    return RankChain(arrival_rate, ranks, lanes, unit, pmf, prompt, levels, idle, before, after)
