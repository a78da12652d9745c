"""Prefill step times of instances with several attention ranks, as the kernel reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Nodes of an axis: so many evenly and so many geometrically spaced. Interpolation then is off by 0.1% on
#: average and 3% at worst, where a roofline bends.
_EVEN, _GEOMETRIC = 49, 32


@dataclass(frozen=True, eq=False, slots=True)
class RankTable:
    """Times on a grid over (tokens n of the slowest rank, attention squares per token, tokens of all)."""

    node_n: Array
    node_u: Array
    node_all: Array
    grid: Array


#: Stand-in where there are no ranks.
NO_RANKS = RankTable(np.zeros(2), np.zeros(2), np.zeros(2), np.zeros((2, 2, 2)))


def rank_table(
    model: Any, ranks: int, rank_budget: float, longest_context: float, factor: float
) -> RankTable:
    """Return the step times of ``model`` over ``factor``, up to full ranks and the longest context.

    Parameters
    ----------
    model : Roofline
        Anything with ``rank_prefill_step_s``.
    ranks : int
        Attention ranks [-].
    rank_budget : float
        Prompt tokens of a rank in a step, at most [tok].
    longest_context : float
        [tok].
    factor : float
        Steps take their modelled time over it [-].
    """
    n = _nodes(rank_budget, _EVEN, _GEOMETRIC)
    u = _nodes(2.0 * longest_context, _EVEN // 2, _GEOMETRIC // 2)
    together = _nodes(rank_budget * ranks, _EVEN, _GEOMETRIC)
    a, b, c = np.meshgrid(n, u, together, indexing="ij")
    grid = np.asarray(model.rank_prefill_step_s(a, a * b, c), dtype=float) / factor
    return RankTable(n, u, together, np.ascontiguousarray(grid))


def _nodes(high: float, even: int, geometric: int) -> Array:
    top = max(high, 2.0)
    return np.unique(
        np.rint(np.concatenate([np.geomspace(1.0, top, geometric), np.linspace(1.0, top, even)]))
    )
