r"""A benchmark that holds its concurrency: N users, each sends its next request when the last is answered.

.. math:: N = X\,(\mathrm{TTFT} + (\mathrm{out} - 1)\,\mathrm{TPOT} + Z)

Up to 640 users the network is solved state by state (`closed_norton`), beyond by a fixed point on X
(`closed_fixed_point`). Equal requests fall into step and are solved as a cycle (`closed_cycle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.latency.model import LatencyModel
from pdplan.serving.closed_cycle import is_locked, solve_cycle
from pdplan.serving.closed_fixed_point import closed_throughput, solve_fixed_point
from pdplan.serving.closed_norton import solve_norton
from pdplan.serving.closed_parts import ClosedFleet, ClosedParts
from pdplan.serving.decode_work import FirstToken
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_queue import Array, Router
from pdplan.serving.prefill_station import Discipline
from pdplan.trust import Trust

__all__ = ["ClosedNetwork", "closed_throughput"]

#: Users up to which the network is solved state by state.
STATE_BY_STATE = 640


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
    decode_router : str
        How requests are dealt to decode instances.
    tokens_per_step : float
        Tokens that a decode step yields for each sequence [tok].
    pipeline_stages : int
        PP of a prefill instance.

    Notes
    -----
    Approximate; measured against the engine's closed loop in docs/validation/closed_network.md.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.01, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> lengths = ClassDemand("bench", 1.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> net = ClosedNetwork(32, lengths, model, model, first_token_from="prefill", step_factor=1.0)
    >>> net.mean_batch < 32, net.mean_ttft_s > 0.06
    (True, True)
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
    decode_router: Router = "round_robin"
    tokens_per_step: float = 1.0
    pipeline_stages: int = 1

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
    def fleet(self) -> ClosedFleet:
        """The network in the numbers that its solutions take."""
        return ClosedFleet(
            self.users,
            self.demand,
            self.prefill_model,
            self.decode_model,
            self.prefill_instances,
            self.decode_instances,
            self.transfer_s,
            self.think_s,
            self.router,
            self.discipline,
            self.max_batch_tokens,
            self.max_batch,
            self.first_token_from,
            self.step_factor,
            self.decode_router,
            self.tokens_per_step,
            self.pipeline_stages,
        )

    @cached_property
    def solved(self) -> ClosedParts:
        """Throughput and mean parts."""
        if is_locked(self.fleet):
            return solve_cycle(self.fleet)
        return solve_norton(self.fleet) if self.users <= STATE_BY_STATE else solve_fixed_point(self.fleet)

    # ------------------------------------------------------------------ answers

    @property
    def throughput(self) -> float:
        """X, requests per second [1/s]."""
        return self.solved.throughput

    @property
    def step_s(self) -> float:
        """Mean decode step seen by a token [s]."""
        return self.solved.step_s

    @property
    def prefill_limit(self) -> float:
        """Most requests per second that prefill passes [1/s]."""
        return self.fleet.prefill_limit

    @property
    def decode_limit(self) -> float:
        """Most requests per second that decode passes with every place taken [1/s]."""
        return self.fleet.decode_limit

    @property
    def parts(self) -> dict[str, float]:
        """Mean of each part of a request [s]: queue, prefill, transfer, admission, join, decode."""
        p = self.solved
        return {
            "queue": p.queue_s,
            "prefill": p.prefill_s,
            "transfer": p.transfer_s,
            "admission": p.admission_s,
            "join": p.join_s,
            "decode": self.fleet.steps * p.step_s,
        }

    @property
    def mean_ttft_s(self) -> float:
        """Mean time to first token [s]."""
        p = self.solved
        ttft = p.queue_s + p.prefill_s
        if self.first_token_from == "prefill":
            return ttft
        return ttft + p.transfer_s + p.admission_s + p.join_s + p.step_s

    @cached_property
    def _per_gap(self) -> float:
        """E[1/(out - 1)] over requests of two output tokens or more [-]."""
        out = self.demand.output_tokens
        several = out > 1
        weight = self.demand.weight[several]
        return float(weight @ (1.0 / (out[several] - 1.0))) / float(weight.sum())

    @property
    def mean_tpot_s(self) -> float:
        """Mean time per output token over requests; with ``prefill`` the way to decode counts in [s].

        A request whose last decode step yields fewer tokens than ``tokens_per_step`` is taken as if it did
        not.
        """
        p, share = self.solved, self.fleet.decode_share
        per_token = p.step_s / self.tokens_per_step
        if self.first_token_from == "decode":
            return per_token
        way = p.transfer_s * 1.0 + (p.admission_s + p.join_s) / share
        return per_token + way * self._per_gap

    @property
    def mean_e2e_s(self) -> float:
        """Mean time from request to last token [s]."""
        return self.users / self.throughput - self.think_s

    @property
    def mean_batch(self) -> float:
        """Requests decoding in one instance [-]."""
        return self.throughput * self.fleet.steps * self.step_s / self.decode_instances

    @property
    def trust(self) -> Trust:
        """Approximate."""
        return Trust.APPROXIMATE

    @property
    def accuracy(self) -> str:
        """What was measured of the solution used, in docs/validation/closed_network.md."""
        if is_locked(self.fleet):
            if self.discipline == "one_at_a_time":
                return "equal requests fall into step: means within 2% of the engine where measured"
            return (
                "equal requests fall into step: means within 2% of the engine in a long run; some tens of "
                "requests a user still show the groups of the start, and a longer mean TTFT"
            )
        if self.users <= STATE_BY_STATE:
            return (
                "mean TTFT within 5% and mean TPOT within 2% of the engine in twenty configurations, "
                "TTFT within 12% beyond them"
            )
        return (
            f"more than {STATE_BY_STATE} users, by a fixed point: mean TTFT within 5% of the engine where "
            "measured, less certain where prefill and decode change over"
        )
