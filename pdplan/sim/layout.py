"""How runs are laid out in memory for the kernels: what both kinds of fleet share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.sim.config import ROUTERS, Recording
from pdplan.sim.rank_steps import RankTable
from pdplan.sim.steps import PrefillTable
from pdplan.sim.stream import Array, Stream

#: Stand-ins for arrays that a run does not need.
NONE_TOKENS = np.zeros(1, dtype=np.int32)
NO_PREFILL = PrefillTable((0.0, 0.0, 0.0), np.zeros(2), np.zeros(2), np.zeros((2, 2)))
#: What the kernels call the routers.
ROUTER_CODES = {name: code for code, name in enumerate(ROUTERS)}


def block_shift(block_tokens: int) -> int:
    """Return k for a block of 2^k tokens, -1 for any other.

    Examples
    --------
    >>> block_shift(16), block_shift(1), block_shift(24)
    (4, 0, -1)
    """
    return block_tokens.bit_length() - 1 if block_tokens & (block_tokens - 1) == 0 else -1


def routing_draws(router: str, n: int, seed: int, role: int) -> Any:
    """Random bits for a router, one word for each request; one word in all where it draws nothing."""
    if router not in ("random", "power_of_two"):
        return np.zeros(1, dtype=np.uint64)
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x51D, role])))
    return random.integers(0, 1 << 64, size=n, dtype=np.uint64)


def winner_tree(leaves_needed: int, first: float) -> tuple[int, Any, Any]:
    """Return (leaves, times, winner) of a tree whose leaf 0 holds ``first`` and whose others are idle."""
    leaves = 1 << max(1, (leaves_needed - 1).bit_length())
    times = np.full(leaves, math.inf)
    times[0] = first
    winner = np.zeros(2 * leaves, dtype=np.int64)
    winner[leaves:] = np.arange(leaves)
    for k in range(leaves - 1, 0, -1):
        left, right = winner[2 * k], winner[2 * k + 1]
        winner[k] = left if times[left] <= times[right] else right
    return leaves, times, winner


def prefill_times(table: PrefillTable) -> Any:
    """Hand a prefill table to the kernels."""
    from pdplan.sim.kernel_core import PrefillTimes

    a, b, c = table.coefficients or (0.0, 0.0, 0.0)
    return PrefillTimes(table.coefficients is None, a, b, c, table.node_n, table.node_u, table.grid)


def rank_times(table: RankTable) -> Any:
    """Hand a table by ranks to the kernels."""
    from pdplan.sim.kernel_core import RankTimes

    return RankTimes(table.node_n, table.node_u, table.node_all, table.grid)


def record(dtype: Any, numbers: dict[str, Any]) -> Any:
    """Pack the numbers of a run into a kernel's record."""
    packed = np.zeros(1, dtype=dtype)
    for name in dtype.names:
        packed[name] = numbers.pop(name)
    if numbers:
        raise RuntimeError(f"the kernel does not know {sorted(numbers)}")
    return packed


def state(rows: int, columns: int, heads: tuple[int, ...]) -> Any:
    """Integer state of instances, row by row; the rows of ``heads`` start empty (-1)."""
    state = np.zeros((rows, columns), dtype=np.int64)
    state[list(heads)] = -1
    return state


def class_ids(requests: Stream) -> Any:
    """Classes of the requests; 0 where none were given."""
    return np.zeros(len(requests), dtype=np.int16) if requests.class_id is None else requests.class_id


def gaps(histogram: Any) -> tuple[Array, Any]:
    """Cut the unused ends off the histogram of gaps: (edges [s], counts), one edge more than counts."""
    from pdplan.sim import kernel_core as core

    used = np.flatnonzero(histogram)
    low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    bits = (np.arange(low, high + 1, dtype=np.int64) + core.ITL_FIRST) << core.ITL_SHIFT
    return bits.view(np.float64), histogram[low:high].copy()


def interval_means(
    series: Any, kept: Recording, until: float, instances: int
) -> tuple[float, NDArray[np.float64]]:
    """Turn sums by interval into means: (width [s], array by interval, instance and column)."""
    width = float(kept.interval_s or 1.0)
    rows = int(until / width) + 1
    return width, (series[:rows] / width).reshape(rows, instances, -1)


def of_instances(lanes: Any, ranks: int) -> Any:
    """Add up the rows of the ranks of each instance; the largest KV is taken as if all peaked at once.

    Examples
    --------
    >>> of_instances(np.array([[1.0, 2.0], [3.0, 4.0]]), 2)
    array([[4., 6.]])
    """
    return lanes.reshape(-1, ranks, lanes.shape[1]).sum(axis=1)


def overflow() -> RuntimeError:
    """Return what to raise when a kernel says that its stack of slowest steps is full."""
    return RuntimeError("the memory of slowest steps overflowed: report this run")
