"""One cell of law_accuracy.py: a queue before c servers beside a single fast server and round robin."""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np
from scipy import stats

from pdplan.queueing import WaitingLaw

BATCHES = 32
BINS = 4096
BINS_TO_P99 = 512
P = 0.99
LEVEL = 0.95
MEAN_LIMIT, P99_LIMIT = 0.01, 0.02


@numba.njit(cache=True)
def _drive(gaps, lengths, scale, heap, turn, state, sums, hists, inverse_widths):  # type: ignore[no-untyped-def]
    """One block of customers through the pool, the fast server and round robin; adds to one batch.

    ``heap`` and ``turn`` hold times relative to now at which servers fall free; ``state`` is the fast
    server's wait and the next server in turn.
    """
    c = heap.size
    last = hists.shape[1] - 1
    fast, place = state[0], int(state[1])
    now = 0.0
    for i in range(gaps.size):
        gap = gaps[i] * scale
        now += gap
        free = heap[0]
        start = free if free > now else now
        wait = start - now
        sums[0] += wait
        hists[0, min(int(wait * inverse_widths[0]), last)] += 1
        x = start + lengths[i]
        k = 0
        while True:
            child = 2 * k + 1
            if child >= c:
                break
            if child + 1 < c and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= x:
                break
            heap[k] = heap[child]
            k = child
        heap[k] = x
        fast = max(fast - gap, 0.0)
        sums[1] += fast
        hists[1, min(int(fast * inverse_widths[1]), last)] += 1
        fast += lengths[i] / c
        free = turn[place]
        start = free if free > now else now
        wait = start - now
        sums[2] += wait
        hists[2, min(int(wait * inverse_widths[2]), last)] += 1
        turn[place] = start + lengths[i]
        place = place + 1 if place + 1 < c else 0
    for j in range(c):
        heap[j] -= now
        turn[j] -= now
    state[0], state[1] = fast, place


@dataclass
class Estimate:
    """A simulated number with its 95% half-width and what the test of a law needs."""

    value: float
    error: float
    lag: float
    freedom: int

    @property
    def half_width(self) -> float:
        return float(stats.t.ppf(0.5 + LEVEL / 2, self.freedom)) * self.error

    def relative(self) -> float:
        return self.half_width / abs(self.value) if self.value else np.inf

    def p_value(self, claim: float) -> float:
        return (
            float(2 * stats.t.sf(abs(claim - self.value) / self.error, self.freedom)) if self.error else 1.0
        )


@dataclass
class Cell:
    """One load, one pool, one service law: the laws claimed and the run that checks them."""

    rho: float
    servers: int
    service: str
    law: WaitingLaw
    fast: WaitingLaw
    turn: WaitingLaw
    heap: np.ndarray = field(init=False)
    open: bool = True
    customers: int = 0

    def __post_init__(self) -> None:
        c = self.servers
        self.heap, self.free, self.state = np.zeros(c), np.zeros(c), np.zeros(2)
        p99 = [float(law.wait_quantile_s(P)) for law in (self.law, self.fast, self.turn)]
        self.law_p99, self.fast_p99, self.turn_p99 = p99
        self.widths = np.array([(q if q > 0 else 1 / c) / BINS_TO_P99 for q in p99])
        self.sums = np.zeros((BATCHES, 3))
        self.hists = np.zeros((BATCHES, 3, BINS), dtype=np.int64)
        self.controls = np.array(
            [self.fast.mean_wait_s, float(self.fast.wait_sf(BINS_TO_P99 * self.widths[1]))]
        )

    def drive(self, gaps: np.ndarray, lengths: np.ndarray, batch: int) -> None:
        scale = 1 / (self.rho * self.servers)
        args = (self.heap, self.free, self.state, self.sums[batch], self.hists[batch], 1 / self.widths)
        _drive(gaps, lengths, scale, *args)

    def forget(self) -> None:
        self.sums[:] = 0
        self.hists[:] = 0

    def merge(self) -> None:
        """Pairs of batches become one; the second half is free again."""
        for store in (self.sums, self.hists):
            store[: BATCHES // 2] = store[0::2] + store[1::2]
            store[BATCHES // 2 :] = 0

    def settle(self, per_batch: int, most: int) -> None:
        """Estimate, and close the cell if both intervals are narrow enough."""
        self.customers = per_batch * BATCHES
        means = self.sums / per_batch
        beyond = 1 - np.cumsum(self.hists, axis=2) / per_batch  # P(W >= right edge of the bin)
        controls = np.column_stack([means[:, 1], beyond[:, 1, BINS_TO_P99 - 1]]) - self.controls
        if self.servers == 1:
            controls = controls[:, :0]
        self.mean = _controlled(means[:, 0], controls)
        self.p99 = _quantile(beyond[:, 0], controls, self.widths[0])
        self.turn_mean = _controlled(means[:, 2], controls)
        self.turn_q = _quantile(beyond[:, 2], controls, self.widths[2])
        self.waiting = 1 - self.hists[:, 0, 0].sum() / self.customers
        one_queue = [(self.mean, MEAN_LIMIT), (self.p99, P99_LIMIT)]
        in_turn = [(self.turn_mean, MEAN_LIMIT), (self.turn_q, P99_LIMIT)] if self.servers > 1 else []
        left = [self._share_done(seen, limit) for seen, limit in one_queue + in_turn]
        reachable = [share for share in left if share < 1 and self.customers < share * 4 * most]
        self.open = bool(reachable) if self.customers >= 1 << 23 else min(left) < 1

    def _share_done(self, seen: Estimate, limit: float) -> float:
        """Customers so far over customers needed for an interval within ``limit``, 1 if it is."""
        if seen.value == 0 and limit == P99_LIMIT:
            return 1.0  # fewer than 1% wait
        if seen.relative() < limit:
            return 1.0 if abs(seen.lag) < 0.3 else 0.99
        return (limit / seen.relative()) ** 2


def _design(controls: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Weights that give the intercept of a regression on the controls, its matrix and degrees of freedom."""
    scale = controls.std(axis=0)
    kept = controls[:, scale > 0] / scale[scale > 0]
    x = np.column_stack([np.ones(len(controls)), kept])
    weights = np.linalg.pinv(x)[0]
    return weights, x, len(controls) - x.shape[1]


def _controlled(y: np.ndarray, controls: np.ndarray) -> Estimate:
    weights, x, freedom = _design(controls)
    rest = y - x @ (np.linalg.pinv(x) @ y)
    spread = rest @ rest / freedom
    lag = float(rest[1:] @ rest[:-1] / (rest @ rest)) if spread > 0 else 0.0
    return Estimate(float(weights @ y), float(np.sqrt(spread * (weights @ weights))), lag, freedom)


def _quantile(beyond: np.ndarray, controls: np.ndarray, width: float) -> Estimate:
    """p99 where the controlled tail crosses 1%, its error by the slope of the tail there."""
    weights, _, freedom = _design(controls)
    tail = weights @ beyond
    below = np.flatnonzero(tail <= 1 - P)
    if not below.size:
        return Estimate(np.inf, np.inf, 0.0, freedom)
    j = int(below[0])
    at = _controlled(beyond[:, j], controls)
    if j == 0:
        return Estimate(0.0, 0.0, at.lag, freedom)
    a, b = max(j - 24, 0), min(j + 24, BINS - 1)
    slope = (tail[a] - tail[b]) / ((b - a) * width)
    value = (j + 1 - (1 - P - tail[j]) / max(tail[j - 1] - tail[j], 1e-300)) * width
    return Estimate(float(value), at.error / slope if slope > 0 else np.inf, at.lag, freedom)
