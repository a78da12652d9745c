"""How slow attention ranks get: the pieces that prompts are cut into, and the slowest of many ranks.

A rank takes up to ``budget`` prompt tokens into a step and cuts prompts. A piece late in a long prompt
attends to all that is before it, so that one rank may hold all others up although none has more tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Prompts are gathered into so many groups of nearly equal length; full pieces are looked at in so many
#: places of a prompt, last pieces at so many lengths.
_GROUPS, _AGES, _LASTS = 12, 4, 2


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """Pieces of prompts that attend to more than is usual, row by row of nearly equal prompts.

    Parameters
    ----------
    tokens, attention_sq : array, shape (prompts, pieces)
        Tokens [tok] and attention squares [tok^2] of a piece.
    number : array, shape (prompts, pieces)
        Pieces of this kind in a prompt [-].
    prompts : array
        Share of such prompts among all [-].
    usual_attention : float
        Attention squares per token of the others [tok].
    """

    tokens: Array
    attention_sq: Array
    number: Array
    prompts: Array
    usual_attention: float

    @property
    def steps(self) -> Array:
        """Steps that a prompt takes [-]."""
        return np.asarray(self.number.sum(axis=1))


def pieces_of(new_tokens: Array, cached: Array, weight: Array, budget: float) -> Pieces:
    """Cut prompts into pieces of ``budget`` tokens that begin anywhere in them, and a last piece.

    Parameters
    ----------
    new_tokens, cached, weight : array
        Atoms of the uncached tokens [tok], of those found in the prefix cache [tok], and their shares [-].
    budget : float
        Prompt tokens of a rank in a step [tok].

    Examples
    --------
    A prompt of 4 budgets has three full pieces on average before its last, of half a budget.

    >>> p = pieces_of(np.array([512.0, 4096.0]), np.zeros(2), np.full(2, 0.5), 1024.0)
    >>> p.steps.tolist(), float((p.number * p.tokens).sum())
    ([4.0], 3584.0)
    """
    short = new_tokens <= budget
    short_tokens = float(weight[short] @ new_tokens[short])
    pairs = weight[short] @ (new_tokens[short] * (new_tokens[short] + 2.0 * cached[short]))
    usual = float(pairs) / short_tokens if short_tokens > 0 else budget
    kept = ~short | (new_tokens + 2.0 * cached > 1.05 * usual)
    n, c, w = _gathered(new_tokens[kept], cached[kept], weight[kept], budget)
    return cut(n, c, w, budget, usual)


def cut(new_tokens: Array, cached: Array, weight: Array, budget: float, usual_attention: float) -> Pieces:
    """Return the pieces of every prompt, row by row; parameters as in `pieces_of`."""
    n, c = new_tokens[:, None], cached[:, None]
    age = c + np.maximum(n - budget, 0.0) * (np.arange(_AGES) + 0.5) / _AGES
    full_number = np.broadcast_to(np.maximum(n - budget, 0.0) / budget / _AGES, age.shape)
    last = np.where(n > budget, budget * (np.arange(_LASTS) + 0.5) / _LASTS, n)
    tokens = np.concatenate([np.full(age.shape, budget), last], axis=1)
    squares = np.concatenate([budget * (2.0 * age + budget), last * (2.0 * (n + c) - last)], axis=1)
    number = np.concatenate([full_number, np.full(last.shape, 1.0 / _LASTS)], axis=1)
    return Pieces(tokens, squares, number, weight, usual_attention)


def _gathered(new: Array, cached: Array, weight: Array, budget: float) -> tuple[Array, Array, Array]:
    """Gather prompts by attention, on a logarithmic scale, apart from those that are not cut; means stay."""
    if new.size == 0:
        return new, cached, weight
    logs = np.log(new * (new + 2.0 * cached))
    low, high = float(logs.min()), float(logs.max())
    group: Any = np.minimum((logs - low) / max(high - low, 1e-9) * _GROUPS, _GROUPS - 1).astype(int)
    group = 2 * group + (new > budget)
    total: Any = np.bincount(group, weight)
    used = total > 0
    means = [np.bincount(group, weight * x)[used] / total[used] for x in (new, cached)]
    return means[0], means[1], total[used]


@dataclass(frozen=True, eq=False, slots=True)
class Levels:
    """How long a step lasts, by the slowest rank: of units of short prompts, or with a piece of a long one.

    Parameters
    ----------
    duration_s : array
        Of every level, rising [s].
    chance : array, shape (units + 1, levels)
        P(level of the step | units of the rank looked at) [-].
    at_units : array of int
        Level of a rank with so many units that is the slowest itself.
    stays : array
        P(the next step is of this level for the same prompt's sake) [-].
    at_pieces : array of int
        Level of every piece.
    """

    duration_s: Array
    chance: Array
    at_units: NDArray[np.int64]
    stays: Array
    at_pieces: NDArray[np.int64]

    @property
    def mean_s(self) -> Array:
        """Mean step by the units of the rank looked at [s]."""
        return np.asarray(self.chance @ self.duration_s)


def levels_of(
    step_s: Any, pieces: Pieces, unit_tokens: float, carried: Array, prompts_per_step: float, ranks: int
) -> Levels:
    """Return the law of a step's length, ranks taken as independent of each other.

    Parameters
    ----------
    step_s : callable
        ``rank_prefill_step_s`` of the model, over pipeline stages.
    pieces : Pieces
    unit_tokens : float
        Lattice step of a rank's tokens [tok].
    carried : array
        P(a rank carries i units in a step), up to its budget [-].
    prompts_per_step : float
        Mean number of prompts that arrive at the instance in a step [-].
    ranks : int
        [-].
    """
    units = np.arange(carried.size) * unit_tokens
    budget = float(units[-1])
    mean = float(carried @ units)
    usual = pieces.usual_attention
    # beside a piece there is room for others, filled as far as ranks are filled on average
    beside = (mean * (1.0 - pieces.tokens / budget)).ravel()
    tokens = np.concatenate([units, pieces.tokens.ravel() + beside])
    squares = np.concatenate([units * usual, pieces.attention_sq.ravel() + beside * usual])
    persistent = np.broadcast_to(1.0 - 1.0 / np.maximum(pieces.steps, 1.0)[:, None], pieces.tokens.shape)
    time = np.asarray(step_s(np.maximum(tokens, 1.0), squares, ranks * mean), dtype=float)
    order = np.argsort(time, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    mass = np.zeros(order.size)
    mass[place[: units.size]] = carried
    longer = np.zeros(order.size)
    longer[place[units.size :]] = prompts_per_step * (pieces.prompts[:, None] * pieces.number).ravel()
    one = np.minimum(np.cumsum(mass), 1.0)  # one rank at this level or below, without such pieces
    beyond = np.maximum(np.cumsum(longer[::-1])[::-1] - longer, 0.0)  # such pieces above it, in all ranks
    below = one ** (ranks - 1) * np.exp(-beyond)
    held = np.cumsum(mass * np.append(units, np.zeros(longer.size - units.size))[order])
    others = (ranks - 1) * held / np.maximum(one, 1e-300)
    together = np.minimum(tokens[order] + others, ranks * budget)
    duration = np.asarray(step_s(np.maximum(tokens[order], 1.0), squares[order], together), dtype=float)
    duration = np.maximum.accumulate(duration)
    stays = np.append(np.zeros(units.size), persistent.ravel())[order]
    at = place[: units.size].astype(np.int64)
    return Levels(duration, _by_own(np.diff(below, prepend=0.0), below, at), at, stays, place[units.size :])


def _by_own(chance: Array, below: Array, at: NDArray[np.int64]) -> Array:
    """Law of the level by the units of one's own rank, whose level is a floor."""
    rows = np.tile(chance, (at.size, 1))
    for row, own in zip(rows, at.tolist(), strict=True):
        row[:own] = 0.0
        row[own] = below[own]
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def delay_of_prompts(pieces: Pieces, levels: Levels, kept_up_s: float, prompts_per_step: float) -> Array:
    """Time by which a prompt of each row makes ranks fall behind, all its steps together [s].

    In each of its steps by what it takes beyond ``kept_up_s`` if it is the slowest then; scaled so that the
    mean step of a full rank comes out. Its steps follow each other: in the long run a queue feels their sum.
    """
    row = levels.chance[-1]
    chance = np.cumsum(row)[levels.at_pieces].reshape(pieces.tokens.shape)
    delay = np.asarray((_behind(pieces, levels, kept_up_s) * chance).sum(axis=1))
    mean = prompts_per_step * float(pieces.prompts @ delay)
    wanted = float(row @ np.maximum(levels.duration_s - kept_up_s, 0.0))
    return delay * (wanted / mean) if mean > 0 else delay


def _behind(pieces: Pieces, levels: Levels, kept_up_s: float) -> Array:
    duration = levels.duration_s[levels.at_pieces].reshape(pieces.tokens.shape)
    return np.asarray(pieces.number * np.maximum(duration - kept_up_s, 0.0))


def fallen_behind(pieces: Pieces, levels: Levels, kept_up_s: float) -> Array:
    """Time by which ranks have fallen behind when a piece that sets a level begins, by level [s]."""
    extra = _behind(pieces, levels, kept_up_s)
    before = np.cumsum(extra, axis=1) - 0.5 * extra
    before[:, _AGES:] = extra[:, :_AGES].sum(axis=1, keepdims=True)
    by_level = np.zeros(levels.duration_s.size)
    by_level[levels.at_pieces] = before.ravel()
    return by_level


def full_step_s(step_s: Any, pieces: Pieces, budget_tokens: float, mean_tokens: float, ranks: int) -> float:
    """Mean length of a step of full ranks: what limits the rate of an instance [s].

    Parameters
    ----------
    step_s, pieces, ranks
        As in `levels_of`.
    budget_tokens, mean_tokens : float
        Of a rank, and of a prompt [tok].
    """
    carried = np.array([0.0, 1.0])
    levels = levels_of(step_s, pieces, budget_tokens, carried, ranks * budget_tokens / mean_tokens, ranks)
    return float(levels.mean_s[1])
