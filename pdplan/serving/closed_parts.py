"""What the solutions of a closed network share: the fleet in numbers, and the mean parts of a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pdplan.latency.model import LatencyModel
from pdplan.serving.decode_step import ModelStep
from pdplan.serving.decode_work import DecodeWork, FirstToken
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_queue import Array, Router
from pdplan.serving.prefill_station import Discipline, PrefillStation


@dataclass(frozen=True, slots=True)
class ClosedParts:
    """Throughput and means of a solved network.

    Attributes
    ----------
    throughput : float
        Requests per second, X [1/s].
    queue_s, prefill_s, transfer_s, admission_s, join_s : float
        Mean over all requests of the wait for prefill, prefill (the prompt's own step alone; what companions
        add is in the queue), transfer with its wait, wait for a place in the batch, wait for the end of the
        decode step under way [s].
    step_s : float
        Mean decode step [s].
    prefill_busy : float
        Share of time that a prefill instance works [-].
    """

    throughput: float
    queue_s: float
    prefill_s: float
    transfer_s: float
    admission_s: float
    join_s: float
    step_s: float
    prefill_busy: float


@dataclass(frozen=True, eq=False)
class ClosedFleet:
    """Prefill pool, link and decode pool under N users, in the numbers that the solutions take.

    Parameters as those of `pdplan.serving.closed_network.ClosedNetwork`.
    """

    users: int
    demand: ClassDemand
    prefill_model: LatencyModel
    decode_model: LatencyModel
    prefill_instances: int
    decode_instances: int
    transfer_s: Array | float
    think_s: float
    router: Router
    discipline: Discipline
    max_batch_tokens: float
    max_batch: int | None
    first_token_from: FirstToken
    step_factor: float
    decode_router: Router
    tokens_per_step: float
    pipeline_stages: int

    @cached_property
    def work(self) -> DecodeWork:
        """Decode steps and contexts."""
        return DecodeWork.from_demand(self.demand, self.first_token_from, self.tokens_per_step)

    @cached_property
    def step(self) -> ModelStep:
        """t(n) of decode."""
        return ModelStep.of(self.decode_model, self.work.mean_context, self.step_factor)

    @property
    def decode_share(self) -> float:
        """Requests that come to decode, of all [-]."""
        return self.work.decode_share

    @cached_property
    def steps(self) -> float:
        """Decode steps of a request, G, over all requests [-]."""
        return self.work.decode_share * self.work.mean_steps

    def prefill_at(self, rate: float) -> PrefillStation:
        """Return the open prefill station at a rate [1/s]."""
        return PrefillStation(
            [replace(self.demand, arrival_rate=rate)],
            self.prefill_model,
            self.prefill_instances,
            self.router,
            self.discipline,
            self.max_batch_tokens,
            self.pipeline_stages,
        )

    @cached_property
    def idle_prefill(self) -> PrefillStation:
        """The open station with next to no traffic: for its service times."""
        return self.prefill_at(1e-9)

    @cached_property
    def mean_prefill_s(self) -> float:
        """Prefill of a prompt alone [s]."""
        return float(self.demand.weight @ self.idle_prefill.prefill_s())

    @cached_property
    def prefill_scv(self) -> float:
        """Squared coefficient of variation of a prompt's prefill [-]."""
        own = self.idle_prefill.prefill_s()
        return max(0.0, float(self.demand.weight @ own**2) / self.mean_prefill_s**2 - 1.0)

    @cached_property
    def mean_transfer_s(self) -> float:
        """Visible transfer of a request [s]."""
        transfer = np.broadcast_to(np.asarray(self.transfer_s, dtype=float), self.demand.weight.shape)
        return float(self.demand.weight @ transfer)

    @cached_property
    def prefill_limit(self) -> float:
        """Most requests per second that prefill passes [1/s]."""
        return self.idle_prefill.max_rate

    @cached_property
    def decode_limit(self) -> float:
        """Most requests per second that decode passes with every place taken [1/s]."""
        most = float(min(self.users / self.decode_instances, self.max_batch or np.inf))
        most = max(most, 1.0)
        return self.decode_instances * most / (self.steps * float(self.step.at(most)))
