"""Two pools of servers in series, one request at a time on each: the recursion of the plain simulators."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pdplan.errors import InputError


@dataclass(frozen=True, slots=True)
class PoolTimes:
    """When each request started and ended in each pool, in the order given (any unit of time)."""

    prefill_start: list[float]
    prefill_end: list[float]
    prefill_server: list[int]
    kv_ready: list[float]
    decode_start: list[float]
    end: list[float]
    decode_server: list[int]


def serve_in_two_pools(
    arrival: Sequence[float],
    prefill: Sequence[float],
    transfer: Sequence[float],
    decode: Sequence[float],
    prefill_servers: int,
    decode_servers: int,
    *,
    decode_order: Literal["arrival", "kv_ready"],
) -> PoolTimes:
    """Pass requests through the earliest free prefill server, a delay, and the earliest free decode server.

    ``start = max(ready, min over servers of free)`` in each pool, in the order given for prefill; in the
    same order (``"arrival"``), or in that of ``kv_ready`` with ties in the order given, for decode.
    Of servers free at the same time the first is taken. O(n log(servers)).

    Source: Kiefer and Wolfowitz 1955 (the recursion of a queue with several servers).

    Examples
    --------
    >>> times = serve_in_two_pools([0, 0], [1, 2], [0, 0], [3, 3], 1, 1, decode_order="arrival")
    >>> times.prefill_end, times.end
    ([1, 3], [4, 7])
    """
    n = len(arrival)
    start, end, server = serve_in_order(range(n), arrival, prefill, prefill_servers)
    ready = [e + t for e, t in zip(end, transfer, strict=True)]
    order = range(n) if decode_order == "arrival" else sorted(range(n), key=ready.__getitem__)
    decode_start, done, decode_server = serve_in_order(order, ready, decode, decode_servers)
    return PoolTimes(start, end, server, ready, decode_start, done, decode_server)


def serve_in_order(
    order: Sequence[int], ready: Sequence[float], service: Sequence[float], servers: int
) -> tuple[list[float], list[float], list[int]]:
    """Serve in ``order`` on the earliest free server; return start, end and server of each request.

    Raises
    ------
    InputError
        Times too long for a number.

    Examples
    --------
    >>> serve_in_order([0, 1], [0, 0], [1, 2], 1)
    ([0, 1], [1, 3], [0, 0])
    """
    free: list[tuple[float, int]] = [(0, i) for i in range(servers)]
    start, end, server = [0.0] * len(ready), [0.0] * len(ready), [0] * len(ready)
    for i in order:
        free_at, chosen = free[0]
        start[i], server[i] = max(ready[i], free_at), chosen
        end[i] = start[i] + service[i]
        heapq.heapreplace(free, (end[i], chosen))
    if not math.isfinite(max(end, default=0.0)):
        raise InputError("the requests take longer than a number can hold: check the rates and lengths")
    return start, end, server
