"""Conversations: chains of requests, and turns that wait for the turn before."""

from __future__ import annotations

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.formats.columns import Codes
from pdplan.workload.law import Array


def chain_roots(
    codes: Codes, values: tuple[str, ...], parent_codes: Codes, parent_values: tuple[str, ...]
) -> Codes:
    """Return for each request the number of the request that its chain of parents starts with.

    A parent that is not in the trace starts the chain.

    Examples
    --------
    >>> own, parent = np.array([0, 1, 2], np.int32), np.array([0, 1, 2], np.int32)
    >>> chain_roots(own, ("5", "6", "7"), parent, ("-1", "5", "6")).tolist()
    [0, 0, 0]
    """
    place = {value: code for code, value in enumerate(values)}
    root = np.arange(len(values), dtype=np.int32)
    parents = np.array([place.get(v, -1) for v in parent_values], dtype=np.int32)[parent_codes]
    known = parents >= 0
    root[codes[known]] = parents[known]
    while True:  # each round halves what is left of every chain
        further = root[root]
        if np.array_equal(further, root):
            return root[codes]
        if np.array_equal(further[further], root):  # a ring of parents: leave it as it is
            return further[codes]
        root = further


def delayed_arrivals(arrival_s: Array, delay_s: Array, sessions: Codes | None, source: str) -> Array:
    """Return arrivals where turns without a time follow their session's turn before by their delay [s].

    Raises
    ------
    InputError
        A turn without a time that is the first of its session, or has no session.

    Examples
    --------
    >>> times, waits = np.array([1.0, 5.0, np.nan]), np.array([np.nan, np.nan, 2.0])
    >>> delayed_arrivals(times, waits, np.array([0, 1, 0], np.int32), "t").tolist()
    [1.0, 5.0, 3.0]
    """
    filled = arrival_s.copy()
    last: dict[int, float] = {}
    for i, session in enumerate(np.full(arrival_s.size, -1) if sessions is None else sessions.tolist()):
        if np.isnan(filled[i]):
            if session < 0 or session not in last:
                raise InputError(
                    f"trace {source}: request {i + 1} has a delay and no time, and no turn of its session "
                    "comes before it"
                )
            filled[i] = last[session] + delay_s[i]
        last[session] = float(filled[i])
    return filled
