r"""A benchmark that holds its concurrency: N users, each sends its next request when the last is answered.

.. math:: X = \frac{N}{T_{queue} + T_{prefill} + T_{transfer} + T_{join} + G\,t + Z}

Every time on the right grows with X, so the fixed point is unique; it is bracketed and bisected. The prefill
wait is that of the open station at the rate the others send, X (N-1)/N; a token in decode shares its step
with the others, :math:`t(1 + b (N-1)/N)`, b = X G t per instance (the arrival theorem in Schweitzer's form).
What a station at its limit cannot pass on waits before it.

Source: M. Reiser and S. S. Lavenberg, J. ACM 27 (1980) 313-322 (mean-value analysis); P. J. Schweitzer, Int.
Conf. Stochastic Control and Optimization (1979) (fixed point).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InputError, UnstableError
from pdplan.latency.model import LatencyModel
from pdplan.serving.decode_step import ModelStep
from pdplan.serving.decode_work import DecodeWork, FirstToken
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_queue import Array, Router
from pdplan.serving.prefill_station import Discipline, PrefillStation
from pdplan.serving.roots import decreasing_root
from pdplan.trust import Trust


def closed_throughput(users: float, cycle_s: Callable[[float], float], limit: float) -> float:
    """Solve X = N / cycle(X) for a cycle time that grows with X, below a limit [1/s].

    Parameters
    ----------
    users : float
        N [-].
    cycle_s : callable
        Time from one request of a user to the next at throughput X, without waits for a full station [s].
    limit : float
        Throughput that no station passes [1/s]; the answer if N users could ask for more.

    Examples
    --------
    >>> round(closed_throughput(10, lambda x: 2.0 + x, 100.0), 6)       # x (2 + x) = 10
    2.316625
    >>> closed_throughput(10, lambda x: 0.01, 100.0)
    100.0
    """
    require_positive("users", users)
    require_positive("limit", limit, "1/s")
    top = limit * (1 - 1e-9)
    if top * cycle_s(top) <= users:
        return limit
    return decreasing_root(lambda x: users - x * cycle_s(x), 0.0, top, rtol=1e-7)


@dataclass(frozen=True, eq=False)
class ClosedNetwork:
    """Prefill pool, link and decode pool under a fixed number of requests in flight.

    Parameters
    ----------
    users : int
        N, the concurrency held [-].
    demand : ClassDemand
        Lengths of the requests; its arrival rate is not used.
    prefill_model, decode_model : LatencyModel
        Step times of one prefill and one decode instance.
    prefill_instances, decode_instances : int
        [-].
    transfer_s : array or float
        Visible transfer at each atom [s].
    think_s : float
        Z, pause of a user between answer and next request [s].
    router, discipline, max_batch_tokens
        As for `PrefillStation`.
    max_batch : int, optional
        Largest decode batch of an instance.
    first_token_from : str
        ``decode`` or ``prefill``.
    step_factor : float
        In-system over isolated speed of decode steps [-].

    Notes
    -----
    Approximate; measured against a closed-loop simulation in docs/validation/closed_network.md.

    Examples
    --------
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.01, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> lengths = ClassDemand("bench", 1.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> net = ClosedNetwork(32, lengths, model, model, first_token_from="prefill", step_factor=1.0)
    >>> round(net.throughput, 2), round(net.mean_tpot_s, 4)
    (13.51, 0.011)
    >>> cycle = net.mean_ttft_s + 200 * net.mean_tpot_s
    >>> abs(net.throughput * cycle / 32 - 1) < 1e-5
    True
    """

    users: int
    demand: ClassDemand
    prefill_model: LatencyModel
    decode_model: LatencyModel
    prefill_instances: int = 1
    decode_instances: int = 1
    transfer_s: Array | float = 0.0
    think_s: float = 0.0
    router: Router = "random"
    discipline: Discipline = "one_at_a_time"
    max_batch_tokens: float = 8192.0
    max_batch: int | None = None
    first_token_from: FirstToken = "decode"
    step_factor: float = 0.95

    def __post_init__(self) -> None:
        """Check numbers."""
        require_positive("users", self.users)
        require_positive("prefill_instances", self.prefill_instances)
        require_positive("decode_instances", self.decode_instances)
        require_positive("transfer_s", self.transfer_s, "s", zero_ok=True)
        require_positive("think_s", self.think_s, "s", zero_ok=True)
        if self.discipline == "mm1":
            raise InputError("mm1 is an open sizing rule: a closed network takes one_at_a_time or batched")

    @cached_property
    def work(self) -> DecodeWork:
        """Decode steps and contexts."""
        return DecodeWork.from_demand(self.demand, self.first_token_from)

    @cached_property
    def step(self) -> ModelStep:
        """t(n) of decode."""
        return ModelStep.of(self.decode_model, self.work.mean_context, self.step_factor)

    @property
    def _others(self) -> float:
        """Share of the load that comes from the other users, (N-1)/N [-]."""
        return (self.users - 1) / self.users

    @cached_property
    def _steps(self) -> float:
        """Decode steps of a request, over all requests [-]."""
        return self.work.decode_share * self.work.mean_steps

    # ------------------------------------------------------------------ stations at a given throughput

    def _prefill_at(self, rate: float) -> PrefillStation:
        return PrefillStation(
            [replace(self.demand, arrival_rate=rate)],
            self.prefill_model,
            self.prefill_instances,
            self.router,
            self.discipline,
            self.max_batch_tokens,
        )

    @cached_property
    def prefill_limit(self) -> float:
        """Most requests per second that prefill passes [1/s]."""
        return self._prefill_at(1e-9).max_rate

    @cached_property
    def decode_limit(self) -> float:
        """Most requests per second that decode passes with every place taken [1/s]."""
        most = float(min(self.users / self.decode_instances, self.max_batch or np.inf))
        most = max(most, 1.0)
        return self.decode_instances * most / (self._steps * float(self.step.at(most)))

    def _wait_at(self, throughput: float) -> float:
        rate = throughput * self._others
        if rate <= 0:
            return 0.0
        try:
            return self._prefill_at(rate).mean_wait_s
        except UnstableError:
            return np.inf

    def _step_at(self, throughput: float) -> float:
        """t(1 + b (N-1)/N), b = (X/D) G t, from below [s]."""
        per_instance = throughput * self._steps / self.decode_instances
        top = float(self.max_batch) if self.max_batch else np.inf
        most = min(float(self.users), top)

        def gap(step_s: float) -> float:
            batch = min(1.0 + per_instance * step_s * self._others, most)
            return float(self.step.at(batch)) - step_s

        low, high = float(self.step.at(1.0)), float(self.step.at(most))
        return high if gap(high) > 0 or low >= high else decreasing_root(gap, low, high, rtol=1e-9)

    def _cycle_at(self, throughput: float) -> float:
        step_s = self._step_at(throughput)
        fixed = self._fixed_s + self.think_s
        join = 0.5 * step_s * self.work.decode_share * min(1.0, throughput * self._steps * step_s)
        return self._wait_at(throughput) + fixed + join + self._steps * step_s

    @cached_property
    def _mean_prefill_s(self) -> float:
        return float(self.demand.weight @ self._prefill_at(1e-9).prefill_s())

    @cached_property
    def _mean_transfer_s(self) -> float:
        transfer = np.broadcast_to(np.asarray(self.transfer_s, dtype=float), self.demand.weight.shape)
        return float(self.demand.weight @ transfer)

    @property
    def _fixed_s(self) -> float:
        return self._mean_prefill_s + self._mean_transfer_s

    # ------------------------------------------------------------------ answers

    @cached_property
    def throughput(self) -> float:
        """X, requests per second [1/s]."""
        return closed_throughput(self.users, self._cycle_at, min(self.prefill_limit, self.decode_limit))

    @cached_property
    def step_s(self) -> float:
        """Mean decode step seen by a token [s]."""
        return self._step_at(self.throughput)

    @cached_property
    def parts(self) -> dict[str, float]:
        """Mean of each part of a request [s]: queue, prefill, transfer, admission, join, decode."""
        x, step_s = self.throughput, self.step_s
        wait = self._wait_at(x) if x < self.prefill_limit * (1 - 1e-8) else 0.0
        join = 0.5 * step_s * self.work.decode_share * min(1.0, x * self._steps * step_s)
        decode = self._steps * step_s
        rest = wait + self._fixed_s + self.think_s + join + decode
        # what the binding station holds back waits before it
        held = max(0.0, self.users / x - rest)
        prefill_binds = self.prefill_limit <= self.decode_limit
        return {
            "queue": wait + (held if prefill_binds else 0.0),
            "prefill": self._mean_prefill_s,
            "transfer": self._mean_transfer_s,
            "admission": 0.0 if prefill_binds else held,
            "join": join,
            "decode": decode,
        }

    @property
    def mean_ttft_s(self) -> float:
        """Mean time to first token [s]."""
        p = self.parts
        if self.first_token_from == "prefill":
            return p["queue"] + p["prefill"]
        return p["queue"] + p["prefill"] + p["transfer"] + p["admission"] + p["join"] + self.step_s

    @property
    def mean_tpot_s(self) -> float:
        """Mean time per output token, over tokens; with ``prefill`` the way to decode counts in [s]."""
        p = self.parts
        if self.first_token_from == "decode":
            return self.step_s
        return self.step_s + (p["transfer"] + p["admission"] + p["join"]) / self._steps

    @property
    def mean_batch(self) -> float:
        """Requests decoding in one instance [-]."""
        return self.throughput * self._steps * self.step_s / self.decode_instances

    @property
    def trust(self) -> Trust:
        """Approximate."""
        return Trust.APPROXIMATE
