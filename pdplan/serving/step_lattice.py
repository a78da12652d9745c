"""The lattice on which the prompt tokens that wait at iteration starts are counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError
from pdplan.queueing.service import Atoms, lundberg_exponent
from pdplan.serving.step_arrivals import quiet_reach

Array = NDArray[np.float64]

_TAIL = 1e-8
_LARGEST = 1 << 16
#: Most lattice steps in a budget of a few prompts, and in one far beyond them.
_FINEST = 64
_FINEST_FAR = 256
#: Most lattice points of the law, and of the law times steps in the budget.
_POINTS = 1 << 13
_CELLS = 1 << 18
#: Prompts in a budget from which they are counted on a finer lattice, of so many steps to a mean prompt.
_SEVERAL = 8
_IN_A_PROMPT = 2
#: Most that splitting between lattice points may add to the variance of what arrives in an iteration.
_BLUR = 0.04
_TOO_CLOSE = "the prompt queue is too close to its limit for its law to be computed"


@dataclass(frozen=True, slots=True)
class Lattice:
    """A lattice for the chain.

    Parameters
    ----------
    unit_tokens : float
        Its step [tok].
    units : int
        Steps in the budget, or in what practically never waits where the budget does not bind [-].
    size : int
        Points of the law [-].
    fine : int
        Steps of the lattice that counts arriving prompts in one of this one [-].
    binds : bool
        Whether more than ``units`` may wait.
    """

    unit_tokens: float
    units: int
    size: int
    fine: int
    binds: bool


def choose_lattice(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
    units: int = 16,
) -> Lattice:
    """Choose it for a stable chain, see `pdplan.serving.step_chain.solve_step_chain` for the arguments.

    Raises
    ------
    InfeasibleError
        So close to the limit that the law does not fit on a lattice.

    Examples
    --------
    >>> choose_lattice(1.0, np.array([16.0]), np.ones(1), 16.0, lambda q: 0.5 + 0.0 * q)
    Lattice(unit_tokens=1.0, units=16, size=512, fine=1, binds=True)
    """
    mean = float(weight @ tokens)
    # where a few prompt tokens already cost most of an iteration, no prompt may round to none
    while units < _FINEST and mean * units < budget_tokens:
        units *= 2
    top = budget_tokens
    if mean * units < budget_tokens:
        top, spread = _quiet(arrival_rate, tokens, weight, budget_tokens, duration_s)
        while units < _FINEST_FAR and (top / units) ** 2 / 6.0 > _BLUR * spread**2:
            units *= 2
    size = 2 * units
    if top == budget_tokens:
        reach = _reach_budgets(arrival_rate, tokens, weight, budget_tokens, duration_s)
        while (units > _FINEST and reach * units**2 > _CELLS) or (units > 4 and reach * units > _POINTS):
            units //= 2
        size = max(_power_of_two(reach * units + 2 * units + 2), 64)
    if size > _LARGEST:
        raise InfeasibleError(_TOO_CLOSE)
    unit = top / units
    fine = 1 if budget_tokens < _SEVERAL * mean else _power_of_two(_IN_A_PROMPT * unit / mean)
    return Lattice(unit, units, size, fine, top == budget_tokens)


def _power_of_two(least: float) -> int:
    """Smallest power of two from ``least`` on."""
    return 1 << max(math.ceil(math.log2(least)), 0)


def _quiet(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
) -> tuple[float, float]:
    """Tokens that practically never wait, at most the budget, and how those that arrive in a step spread."""
    points = budget_tokens * 2.0 ** np.arange(-20.0, 1.0)
    lengths = np.asarray(duration_s(points), dtype=float)
    top = min(budget_tokens, quiet_reach(arrival_rate, tokens, weight, points, lengths, _TAIL))
    token_rate = arrival_rate * float(weight @ tokens)
    # the shortest step that takes in what arrives in it, a full one if there is none
    steady = lengths[np.argmax(np.append(token_rate * lengths[:-1] <= points[:-1], True))]
    return top, math.sqrt(arrival_rate * float(steady) * float(weight @ tokens**2))


def _reach_budgets(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
) -> float:
    """Budgets that wait with a chance of at most `_TAIL` where full iterations follow each other [-]."""
    token_s = float(duration_s(np.array([budget_tokens]))[0]) / budget_tokens
    decay = lundberg_exponent(arrival_rate, Atoms(np.maximum(tokens, 1e-9) * token_s, weight))
    if decay is None:
        raise InfeasibleError(_TOO_CLOSE)
    return (math.log(1.0 / _TAIL) / (decay * token_s) + float(tokens.max())) / budget_tokens
