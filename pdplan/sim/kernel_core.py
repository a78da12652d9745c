"""Small compiled pieces that both event loops share: event tree, heap, routers, tables, histogram, KV blocks.

Imported only when a simulation runs (numba loads here). numba's cache looks at the file of a kernel alone,
not at its helpers' files; both kernels therefore carry `SOURCE_KEY`, a digest of this file, in their cache
key.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

_F = TypeVar("_F", bound=Callable[..., Any])

#: Digest of this file: a closure constant of every kernel, so that their caches notice a change here.
SOURCE_KEY = zlib.crc32(Path(__file__).read_bytes())

INF = math.inf
MASK = 0xFFFFFFFF
#: Longest memory of slowest steps that an instance keeps; compacted when full.
STACK = 4096
ROUND_ROBIN, RANDOM, SHORTEST_QUEUE, POWER_OF_TWO, LEAST_WORK = 0, 1, 2, 3, 4
#: Inter-token times fall into bins of 2^-8 of an octave's start (at most 0.4% wide), from 2^-24 s to 2^16 s.
ITL_SHIFT = 44
ITL_FIRST = (1023 - 24) << 8
ITL_BINS = 40 << 8


_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
try:  # nothing is allocated inside, so references need no counting: it is a third of the time
    numba.njit(_nrt=False)(lambda: 0)
    _OPTIONS["_nrt"] = False
except (KeyError, TypeError):  # pragma: no cover - a numba without this option
    pass


def jit(function: _F) -> _F:
    """Compile a helper with numba: callable from compiled code only, and cached as part of the kernels."""
    compiled: _F = numba.njit(**_OPTIONS, no_cpython_wrapper=True)(function)
    return compiled


def jit_kernel(function: _F) -> _F:
    """Compile a kernel with numba: cached on disk, without the global lock, dividing as numpy does."""
    compiled: _F = numba.njit(**_OPTIONS, cache=True)(function)
    return compiled


@jit
def tree_set(times: Any, winner: Any, leaves: Any, leaf: Any, moment: Any) -> None:
    """Set the time of a leaf of the winner tree and repair the winners above it."""
    times[leaf] = moment
    k = (leaf + leaves) >> 1
    while k >= 1:
        left = winner[2 * k]
        right = winner[2 * k + 1]
        best = left if times[left] <= times[right] else right
        if winner[k] == best and best != leaf:
            break
        winner[k] = best
        k >>= 1


@jit
def heap_push(heap: Any, o: Any, size: Any, key: Any) -> None:
    """Push a key on the binary heap ``heap[o:o+size]``."""
    k = size
    while k > 0:
        up = (k - 1) >> 1
        above = heap[o + up]
        if above <= key:
            break
        heap[o + k] = above
        k = up
    heap[o + k] = key


@jit
def heap_pop(heap: Any, o: Any, size: Any) -> None:
    """Drop the root of ``heap[o:o+size]``; afterwards ``heap[o:o+size-1]`` is a heap."""
    size -= 1
    key = heap[o + size]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= size:
            break
        if child + 1 < size and heap[o + child + 1] < heap[o + child]:
            child += 1
        if heap[o + child] >= key:
            break
        heap[o + k] = heap[o + child]
        k = child
    heap[o + k] = key


@jit
def heap_remove(heap: Any, o: Any, size: Any, at: Any) -> None:
    """Drop the key at place ``at`` of the heap: move it to the root, then pop."""
    k = at
    while k > 0:
        up = (k - 1) >> 1
        heap[o + k] = heap[o + up]
        k = up
    heap_pop(heap, o, size)


@jit
def route(policy: Any, count: Any, work: Any, instances: Any, turn: Any, draw: Any) -> Any:
    """Choose an instance; ``count`` and ``work`` are what each still has to do, ``draw`` 64 random bits.

    The shortest queue and the least work break ties in turn.
    """
    if instances == 1:
        return 0
    if policy == ROUND_ROBIN:
        return turn % instances
    if policy in (RANDOM, POWER_OF_TWO):
        high = (np.uint64(draw) >> np.uint64(32)) * np.uint64(instances)
        first = np.int64(high >> np.uint64(32))
        if policy == RANDOM:
            return first
        low = (np.uint64(draw) & np.uint64(MASK)) * np.uint64(instances - 1)
        second = (first + 1 + np.int64(low >> np.uint64(32))) % instances
        return first if count[first] <= count[second] else second
    start = turn % instances
    best = start
    if policy == SHORTEST_QUEUE:
        fewest = count[start]
        for k in range(1, instances):
            at = start + k if start + k < instances else start + k - instances
            if count[at] < fewest:
                fewest = count[at]
                best = at
        return best
    least = work[start]
    for k in range(1, instances):
        at = start + k if start + k < instances else start + k - instances
        if work[at] < least:
            least = work[at]
            best = at
    return best


@jit
def cell_of(nodes: Any, value: Any) -> Any:
    """Index of the segment of ascending ``nodes`` that holds ``value``; the end segments go on for ever."""
    low = 0
    high = nodes.size - 2
    while low < high:
        middle = (low + high + 1) >> 1
        if nodes[middle] <= value:
            low = middle
        else:
            high = middle - 1
    return low


class PrefillTimes(NamedTuple):
    """Prefill step times: coefficients, or a grid over (new tokens, attention squares per new token)."""

    tabulated: bool
    a: float
    b: float
    c: float
    node_n: Any
    node_u: Any
    grid: Any


@jit
def prefill_time(table: Any, new: Any, squares: Any) -> Any:
    """Time of a prefill step over ``new`` tokens whose attention squares sum to ``squares`` [s]."""
    if not table.tabulated:
        return table.a + table.b * new + table.c * squares
    u = squares / max(new, 1.0)
    i = cell_of(table.node_n, new)
    j = cell_of(table.node_u, u)
    x = (new - table.node_n[i]) / (table.node_n[i + 1] - table.node_n[i])
    y = (u - table.node_u[j]) / (table.node_u[j + 1] - table.node_u[j])
    grid = table.grid
    low = grid[i, j] + y * (grid[i, j + 1] - grid[i, j])
    high = grid[i + 1, j] + y * (grid[i + 1, j + 1] - grid[i + 1, j])
    return low + x * (high - low)


class RankTimes(NamedTuple):
    """Step times by rank: a grid over (tokens of a rank, their attention squares a token, tokens of all)."""

    node_n: Any
    node_u: Any
    node_all: Any
    grid: Any


@jit
def rank_time(table: Any, new: Any, squares: Any, together: Any) -> Any:
    """Time of a step whose slowest attention rank has ``new`` tokens, and all ranks ``together`` [s]."""
    u = squares / max(new, 1.0)
    i = cell_of(table.node_n, new)
    j = cell_of(table.node_u, u)
    k = cell_of(table.node_all, together)
    x = (new - table.node_n[i]) / (table.node_n[i + 1] - table.node_n[i])
    y = (u - table.node_u[j]) / (table.node_u[j + 1] - table.node_u[j])
    z = (together - table.node_all[k]) / (table.node_all[k + 1] - table.node_all[k])
    grid = table.grid
    time = 0.0
    for a in range(2):
        for b in range(2):
            edge = grid[i + a, j + b, k] + z * (grid[i + a, j + b, k + 1] - grid[i + a, j + b, k])
            time += (x if a == 1 else 1.0 - x) * (y if b == 1 else 1.0 - y) * edge
    return time


@jit
def prompt_time(table: Any, prompt: Any, new: Any) -> Any:
    """Prefill time of one prompt alone, ``new`` of its tokens not cached [s]."""
    return prefill_time(table, float(new), float(prompt) * prompt - float(prompt - new) * (prompt - new))


@jit
def steps_until(first: Any, half: Any, span: Any) -> Any:
    """Fewest steps j >= 1 with j first + half j (j - 1) >= span: solve the quadratic, then correct by one."""
    u = first - half
    j: Any = max(1, np.int64(math.ceil(2.0 * span / (u + math.sqrt(u * u + 4.0 * half * span)))))
    while j * first + half * j * (j - 1) < span:
        j += 1
    while j > 1 and (j - 1) * first + half * (j - 1) * (j - 2) >= span:
        j -= 1
    return j


@jit
def itl_bin(gap: Any) -> Any:
    """Bin of an inter-token time: the leading bits of its float."""
    at = (np.float64(gap).view(np.int64) >> ITL_SHIFT) - ITL_FIRST
    return min(max(at, 0), ITL_BINS - 1)


@jit
def itl_edge(at: Any) -> Any:
    """Lower edge of a bin [s]."""
    return np.int64((at + ITL_FIRST) << ITL_SHIFT).view(np.float64)


@jit
def count_gaps(histogram: Any, first: Any, growth: Any, steps: Any, batch: Any, fresh: Any) -> None:
    """Count the gaps of a run: ``batch`` in each of ``steps`` steps, less ``fresh`` in the first step."""
    low = itl_bin(first)
    high = itl_bin(first + growth * (steps - 1))
    if low == high:
        histogram[low] += steps * batch - fresh
        return
    done = 0
    for at in range(low, high + 1):
        upto = steps
        if at < high:
            upto = min(steps, max(done, np.int64(math.ceil((itl_edge(at + 1) - first) / growth))))
        histogram[at] += (upto - done) * batch
        done = upto
    histogram[low] -= fresh


@jit
def quotient(value: Any, block: Any, shift: Any) -> Any:
    """Whole blocks in ``value``; where ``block`` is 2^shift (shift >= 0) without a slow division."""
    return value >> shift if shift >= 0 else value // block


@jit
def remainder(value: Any, block: Any, shift: Any) -> Any:
    """``value`` modulo the block, in [0, block) whatever its sign."""
    return value & (block - 1) if shift >= 0 else value % block


@jit
def blocks_for(context: Any, block: Any, shift: Any, whole: Any, per_step: Any) -> Any:
    """KV blocks that a sequence of ``context`` tokens holds during its next step.

    Whole contexts round up to blocks. Where a step yields a broken number of tokens, the mean waste of half a
    block stands for rounding.
    """
    if whole:
        return float(quotient(np.int64(context) + block, block, shift))
    return (context + per_step) / block + 0.5 * (block - 1) / block


@jit
def block_growth(residues: Any, o: Any, block: Any, shift: Any, step: Any, steps: Any, batch: Any) -> Any:
    """Blocks that a batch takes in ``steps`` steps: each sequence one whenever it has filled its last.

    ``residues[o + q]`` counts sequences whose slots are q modulo the block size when the step counter is 0.
    """
    cycles = quotient(steps, block, shift)
    grown = cycles * batch
    q = remainder(-step, block, shift)
    for _ in range(steps - cycles * block):
        grown += residues[o + q]
        q = block - 1 if q == 0 else q - 1
    return grown


@jit
def steps_that_fit(residues: Any, o: Any, block: Any, shift: Any, step: Any, free: Any, batch: Any) -> Any:
    """Fewest steps after which the batch holds more than ``free`` further blocks."""
    cycles = int(free) // batch
    left = int(free) - cycles * batch
    steps = cycles * block
    q = remainder(-step, block, shift)
    while True:
        left -= residues[o + q]
        steps += 1
        if left < 0:
            return steps
        q = block - 1 if q == 0 else q - 1


@jit
def slowest_since(steps: Any, values: Any, o: Any, size: Any, want: Any) -> Any:
    """Slowest step at or after step ``want``, from the decreasing stack of (last step, slowest step)."""
    low = o
    high = o + size - 1
    while low < high:
        middle = (low + high) >> 1
        if steps[middle] >= want:
            high = middle
        else:
            low = middle + 1
    return values[low]


@jit
def spread(series: Any, column: Any, width: Any, begin: Any, end: Any, first: Any, last: Any) -> Any:
    """Add the integral of a line from ``first`` to ``last`` over a span to bins; False if they run out."""
    if end <= begin:
        return True
    if int(end / width) >= series.shape[0] - 1:
        return False
    slope = (last - first) / (end - begin)
    at = int(begin / width)
    low = begin
    while low < end:
        high = min(end, (at + 1) * width)
        mean = first + slope * (0.5 * (low + high) - begin)
        series[at, column] += mean * (high - low)
        at += 1
        low = high
    return True


@jit
def record_span(
    series: Any, column: Any, width: Any, begin: Any, end: Any, batch: Any, tokens: Any, kv: Any, kv_end: Any
) -> Any:
    """Add a busy span to the four columns of an instance: busy, batch, tokens, KV; False if bins run out."""
    rate = tokens / (end - begin) if end > begin else 0.0
    fine = True
    for k in range(4):
        first = kv
        last = kv_end
        if k == 0:
            first = last = 1.0
        elif k == 1:
            first = last = batch
        elif k == 2:
            first = last = rate
        fine = spread(series, column + k, width, begin, end, first, last) and fine
    return fine
