"""A least-recently-used cache over many blocks, compiled: for traces of millions of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pdplan.workload.hashes import Ids


def lru_hits(block: Ids, starts: Ids, distinct: int, cache_blocks: int) -> Ids:
    """Return the leading cached blocks of each prompt.

    Parameters
    ----------
    block : array of int64
        Blocks of all prompts one after another, numbered from 0 to ``distinct`` - 1.
    starts : array of int64
        Where each prompt starts, and the end.
    distinct, cache_blocks : int
        Different blocks there are, and how many the cache holds.

    Examples
    --------
    >>> lru_hits(np.array([0, 1, 0, 2, 0, 1]), np.array([0, 2, 4, 6]), 3, 2).tolist()
    [0, 1, 1]
    """
    hits: Ids = _compiled(block.astype(np.int64), starts.astype(np.int64), distinct, cache_blocks)
    return hits


def _hits(block: Any, starts: Any, distinct: int, cache_blocks: int) -> Any:
    # a ring of the cached blocks through `older` and `newer`; the place `distinct` is its head
    head = distinct
    older = np.full(distinct + 1, -1, np.int64)
    newer = np.full(distinct + 1, -1, np.int64)
    older[head] = newer[head] = head
    cached = 0
    hits = np.zeros(starts.size - 1, np.int64)
    for i in range(starts.size - 1):
        n = 0
        while starts[i] + n < starts[i + 1] and older[block[starts[i] + n]] >= 0:
            n += 1
        hits[i] = n
        for k in range(starts[i + 1] - 1, starts[i] - 1, -1):
            b = block[k]
            if older[b] >= 0:
                newer[older[b]], older[newer[b]] = newer[b], older[b]
            else:
                cached += 1
            # the newest stands before the head
            older[b], newer[b] = older[head], head
            newer[older[head]] = b
            older[head] = b
        while cached > cache_blocks:
            oldest = newer[head]
            newer[head] = newer[oldest]
            older[newer[oldest]] = head
            older[oldest] = newer[oldest] = -1
            cached -= 1
    return hits


_compiled: Any = njit(cache=True)(_hits)
