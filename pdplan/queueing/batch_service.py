"""One server that takes up to B waiting customers at a time: M/D^(1,B)/1 with step time t0 + t1 b."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive, require_stable
from pdplan.errors import InputError, UnsupportedError
from pdplan.queueing._batch_response import StepsMet, batch_response
from pdplan.queueing._md1_wait import decay
from pdplan.queueing._roots import invert_decreasing
from pdplan.queueing.base import LittleMixin, each_p, each_t
from pdplan.queueing.lattice import LatticeLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]

_TAIL = 1e-10  # stationary mass that may lie in the last eighth of the states
_MAX_STATES = 3000


@dataclass(frozen=True, eq=False)
class BatchService(LittleMixin):
    """Poisson arrivals; a free server takes min(waiting, B) customers and serves b of them in t0 + t1 b.

    An arrival to an idle server is served at once, alone. All of a batch leave together. The chain of
    customers left waiting at the ends of steps gives the means (exact) and, since arrivals within a step are
    Poisson and batches ahead of a waiting customer are full, the law of the wait (exact): a customer who
    arrives u into a step of length D with j ahead in the queue waits D - u + floor(j/B) (t0 + t1 B).

    Parameters
    ----------
    arrival_rate : float
        lam [1/s].
    step_base_s : float
        t0, time of a step beyond its customers [s], >= 0.
    step_per_customer_s : float
        t1, time per customer in the step [s], >= 0; t0 + t1 > 0.
    max_batch : int
        B [-], >= 1.

    Raises
    ------
    InputError, UnstableError
        Out of range; lam (t0 + t1 B) >= B.
    UnsupportedError
        So close to saturation that the chain needs more than 3000 states.

    Notes
    -----
    Source: N. T. J. Bailey, J. Royal Statistical Society B 16 (1954) 80-87 (bulk service, embedded chain);
    M. L. Chaudhry and J. G. C. Templeton, A First Course in Bulk Queues (1983), chapter 3.

    Examples
    --------
    >>> one = BatchService(arrival_rate=0.8, step_base_s=0.3, step_per_customer_s=0.7, max_batch=1)
    >>> round(one.mean_wait_s, 9)  # M/D/1: 0.8/(2 (1 - 0.8))
    2.0
    """

    arrival_rate: float
    step_base_s: float
    step_per_customer_s: float
    max_batch: int

    def __post_init__(self) -> None:
        """Check arguments and stability."""
        require_positive("arrival_rate", self.arrival_rate, "1/s")
        require_positive("step_base_s", self.step_base_s, "s", zero_ok=True)
        require_positive("step_per_customer_s", self.step_per_customer_s, "s", zero_ok=True)
        require_positive("a step of one customer", self.step_s(1), "s")
        if self.max_batch != int(self.max_batch) or self.max_batch < 1:
            raise InputError(f"max_batch is {self.max_batch}: it must be a whole number of at least 1")
        require_stable(self.utilization)

    def step_s(self, batch: Any) -> Any:
        """Time of a step with ``batch`` customers [s]."""
        return self.step_base_s + self.step_per_customer_s * batch

    @property
    def utilization(self) -> float:
        """lam (t0 + t1 B)/B, load against the largest throughput [-]."""
        return self.arrival_rate * float(self.step_s(self.max_batch)) / self.max_batch

    @property
    def trust(self) -> Trust:
        """Exact."""
        return Trust.EXACT

    @cached_property
    def _left(self) -> Array:
        """Stationary law of the number left waiting at the end of a step."""
        # Full batches make the tail of the chain that of M/D/1 at the same load (z^B = exp(lam D_B (z - 1))).
        per_state = float(decay(np.array([self.utilization]))[0])
        size = min(int(40 / per_state) + min(2 * self.max_batch, 256) + 16, _MAX_STATES)
        while True:
            law = _stationary(self._transitions(size))
            if law[-size // 8 :].sum() < _TAIL:
                return law
            if size >= _MAX_STATES:
                raise UnsupportedError(
                    f"the batch server runs at {self.utilization:.4g} of its capacity: beyond what the chain "
                    f"of {_MAX_STATES} states resolves; lower the rate or simulate"
                )
            size = min(2 * size, _MAX_STATES)

    def _transitions(self, size: int) -> Array:
        """Rows: number left waiting; the last column takes all that is beyond."""
        n = np.arange(size)
        batch = self._batch(n)
        start = np.maximum(n - batch, 0)
        arrived = n[None, :] - start[:, None]
        mean = (self.arrival_rate * self.step_s(batch))[:, None]
        log_terms = (
            special.xlogy(np.maximum(arrived, 0), mean) - mean - special.gammaln(np.maximum(arrived, 0) + 1)
        )
        rows = np.where(arrived >= 0, np.exp(log_terms), 0.0)
        rows[:, -1] = np.maximum(1 - rows[:, :-1].sum(axis=1), 0.0)
        return rows

    def _batch(self, left: NDArray[np.int_]) -> NDArray[np.int_]:
        """Customers in the step that follows (one if none is left: the server waits for it)."""
        return np.clip(left, 1, self.max_batch)

    @cached_property
    def _cycle(self) -> tuple[Array, Array, Array, float]:
        """Per number left: its chance, customers left over by the next step, its length; mean cycle [s]."""
        left = np.arange(self._left.size)
        batch = self._batch(left)
        length = np.asarray(self.step_s(batch), dtype=np.float64)
        cycle = float(self._left @ length) + float(self._left[0]) / self.arrival_rate
        return self._left, np.maximum(left - batch, 0).astype(np.float64), length, cycle

    @property
    def mean_batch(self) -> float:
        """Mean customers per step [-]."""
        return float(self._left @ self._batch(np.arange(self._left.size)))

    @property
    def idle_probability(self) -> float:
        """Fraction of time without a step [-]."""
        return float(self._left[0]) / self.arrival_rate / self._cycle[3]

    @property
    def mean_wait_s(self) -> float:
        """E W from arrival to the start of the step that serves [s] (Little, over a cycle of the chain)."""
        chance, waiting, length, cycle = self._cycle
        area = float(chance @ (waiting * length + self.arrival_rate * length**2 / 2))
        return area / cycle / self.arrival_rate

    @property
    def mean_response_s(self) -> float:
        """E T = E W + length of the step that serves, as customers see it [s]."""
        chance, _, length, _ = self._cycle
        batch = self._batch(np.arange(chance.size))
        return self.mean_wait_s + float(chance @ (batch * length)) / self.mean_batch

    def wait_sf(self, t: Any) -> Any:
        """P(W > t), to 1e-10 absolute; t in [s]."""
        return each_t(t, self._wait_tail)

    def _wait_tail(self, t: Array) -> Array:
        """Mean number of arrivals per cycle that wait longer than t, over arrivals per cycle.

        In a step of length D with m left over, arrival i waits D - u + f D_B with f = floor((m + i)/B). Of
        the blocks of equal f, one is cut by t: its arrivals count if they come before u = D + f D_B - t. All
        later blocks count whole. Both are stop-loss means of Poisson counts.
        """
        chance, waiting, length, cycle = self._cycle
        keep = chance > 1e-18
        m, step = waiting[keep][None, :], length[keep][None, :]
        full, size = float(self.step_s(self.max_batch)), float(self.max_batch)
        block = np.where(t[:, None] < step, 0.0, np.floor((t[:, None] - step) / full) + 1)
        until = np.clip(step + block * full - t[:, None], 0.0, step)
        first, last = np.maximum(block * size - m, 0), np.maximum((block + 1) * size - m, 0)
        cut = _stop_loss(first, self.arrival_rate * until) - _stop_loss(last, self.arrival_rate * until)
        whole = _stop_loss(last, self.arrival_rate * step)
        return np.asarray((cut + whole) @ chance[keep] / (self.arrival_rate * cycle))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]; 0 where p is at most the fraction of idle time."""
        return each_p(p, self._wait_quantile)

    def _wait_quantile(self, p: Array) -> Array:
        guess = np.full(p.shape, 4 * self.mean_wait_s + float(self.step_s(1)))
        return invert_decreasing(lambda t: np.asarray(self.wait_sf(t)), 1 - p, guess, rtol=1e-10)

    @cached_property
    def _response(self) -> LatticeLaw:
        chance, waiting, length, cycle = self._cycle
        full = float(self.step_s(self.max_batch))
        longest = float(self._wait_quantile(np.array([1 - 1e-6]))[0])
        met = StepsMet(chance, waiting.astype(int), length, cycle, self.arrival_rate)
        return batch_response(met, self.step_s, self.max_batch, full, longest)

    def response_sf(self, t: Any) -> Any:
        """P(T > t) of wait plus the step that serves, to 1e-3; t in [s]."""
        return each_t(t, self._response.sf)

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus the step that serves [s], to about 0.2%; p up to 0.99999."""
        if self.max_batch == 1 or self.step_per_customer_s == 0:
            return each_p(p, lambda x: self._wait_quantile(x) + float(self.step_s(1)))
        return each_p(p, self._response.quantile_s)


def _stop_loss(k: Array, mean: Array) -> Array:
    """E (N - k)^+ of N Poisson, elementwise; k >= 0 whole."""
    at_least = np.where(k > 0, special.gammainc(np.maximum(k, 1), mean), 1.0)
    return np.asarray(mean * at_least - k * special.gammainc(k + 1, mean))


def _stationary(rows: Array) -> Array:
    """Stationary law of a chain: the last balance equation replaced by normalisation."""
    size = rows.shape[0]
    system = rows.T - np.eye(size)
    system[-1] = 1.0
    return np.asarray(np.maximum(np.linalg.solve(system, np.eye(1, size, size - 1)[0]), 0.0))
