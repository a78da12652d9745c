"""The KV link of a disaggregated fleet: what it carries, how full its ends are, how long transfers wait."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdplan.planner.problem import Array, Problem
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.queueing.mg1 import MG1
from pdplan.serving.approximate_wait import ApproximateWait, TwoWaits
from pdplan.serving.delays import Constant, Delay
from pdplan.serving.demand import ClassDemand
from pdplan.serving.economics import effective_transfer
from pdplan.serving.transfer import link_never_queues, link_seconds, link_wait
from pdplan.trust import Trust

#: Mean waits for the link below this share of the mean prefill are taken at their mean.
NEGLIGIBLE_WAIT = 1e-3


@dataclass(frozen=True, eq=False)
class LinkSide:
    """The KV link: egress of each prefill instance, ingress of each decode instance."""

    problem: Problem
    prefill: PrefillSide
    decode: DecodeSide

    @property
    def bytes_per_s(self) -> float:
        """Bandwidth of one transfer: the narrower end [B/s].

        The KV of a request lies in one attention rank at either end, in whatever parts; it crosses once.
        """
        return min(self.prefill.option.rank_link_bytes_per_s, self.decode.option.rank_link_bytes_per_s)

    def transfer_s(self, demand: ClassDemand) -> Array:
        """Time on the wire at each atom [s]."""
        payload = self.problem.payload_bytes(demand)
        return np.asarray(link_seconds(payload, self.bytes_per_s, self.problem.link.t0_s), dtype=float)

    def visible_transfer_s(self, demand: ClassDemand, prefill_s: Array) -> Array:
        """What of the transfer is not hidden behind prefill, at each atom [s]."""
        return np.asarray(
            effective_transfer(
                self.transfer_s(demand),
                prefill_s,
                self.problem.scenario.overlap,
                layers=self.problem.model.shape.layers,
            ),
            dtype=float,
        )

    @cached_property
    def offered_bytes_per_s(self) -> float:
        """KV bytes per second of all classes [B/s]."""
        mix = self.problem.demand
        return mix.arrival_rate * mix.mean(self.problem.payload_bytes(mix))

    @property
    def egress_utilization(self) -> float:
        """Offered over possible, at each prefill instance."""
        return self.offered_bytes_per_s / (self.prefill.count * self.prefill.option.link_bytes_per_s)

    @property
    def ingress_utilization(self) -> float:
        """Offered over possible, at each decode instance."""
        return self.offered_bytes_per_s / (self.decode.count * self.decode.option.link_bytes_per_s)

    @property
    def utilization(self) -> float:
        """The busier end."""
        return max(self.egress_utilization, self.ingress_utilization)

    @property
    def one_end(self) -> bool:
        """Whether transfers queue at one end alone: a single instance there, no faster than the other end.

        They then go one after another. Where several instances send to several, a transfer shares the
        bandwidth of both its ends with the others: one after another, the head of a queue would wait for a
        busy end while the next could go, and the link would choke at a load of 0.6 to 0.75 (Karol, Hluchyj
        and Morgan 1987).
        """
        sender, receiver = (side.option.rank_link_bytes_per_s for side in (self.prefill, self.decode))
        senders, receivers = self._ends
        return (senders == 1 and sender <= receiver) or (receivers == 1 and receiver <= sender)

    @property
    def _ends(self) -> tuple[int, int]:
        """Attention ranks that send, and that receive."""
        p, d = self.prefill, self.decode
        return p.count * p.option.dp_attention, d.count * d.option.dp_attention

    @cached_property
    def wait(self) -> Delay:
        """Law of the wait for the link (approximate): for its companions of the same step, and for others.

        Others: M/G/1 at the one end where transfers queue, which one instance that prefills prompts one at a
        time never meets if its transfers are shorter than its prefills; else M/G/1 at both ends. A wait too
        short to matter is taken at its mean.
        """
        mix = self.problem.demand
        transfer, prefill = self.transfer_s(mix), self.prefill.prefill_s(mix)
        station = self.prefill
        companions = 0.0 if station.idle else station.station.companions / station.option.dp_attention
        if station.count == 1 and companions == 0 and link_never_queues(transfer, prefill):
            return Constant(0.0)
        # equal companions leave one by one, on average half way; sharing bandwidth, all at the end
        within = (0.5 if self.one_end else 1.0) * companions * mix.mean(transfer)
        queues = self._queues(mix)
        matter = [q for q in queues if q.mean_wait_s >= NEGLIGIBLE_WAIT * mix.mean(prefill)]
        within += sum(q.mean_wait_s for q in queues if q not in matter)
        if not matter:
            return Constant(within, Trust.APPROXIMATE)
        first = ApproximateWait(matter[0], within)
        return first if len(matter) == 1 else TwoWaits(first, ApproximateWait(matter[1], 0.0))

    @property
    def waiting_ends(self) -> list[tuple[float, int]]:
        """Rate [B/s] of each end where transfers wait, and the ranks there."""
        rates = [side.option.rank_link_bytes_per_s for side in (self.prefill, self.decode)]
        if self.one_end:
            return [(min(rates), 1)]
        return list(zip(rates, self._ends, strict=True))

    def _queues(self, mix: ClassDemand) -> list[MG1]:
        """M/G/1 at the ends where transfers wait, the longer wait first."""
        payload, t0 = self.problem.payload_bytes(mix), self.problem.link.t0_s
        queues = []
        for rate, ends in self.waiting_ends:
            held = np.asarray(link_seconds(payload, rate, t0))
            queues.append(link_wait(mix.arrival_rate / ends, held, mix.weight))
        return sorted(queues, key=lambda q: -q.mean_wait_s)
