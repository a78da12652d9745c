"""The KV link between prefill and decode as a station: freight, two sides, waiting, what TTFT sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.errors import InputError, UnknownNameError, did_you_mean
from pdplan.queueing.mg1 import MG1
from pdplan.serving.delays import Constant, Delay, as_delay
from pdplan.serving.demand import ClassDemand, pooled, total_rate
from pdplan.serving.economics import effective_transfer
from pdplan.serving.prefill_queue import service_atoms
from pdplan.serving.transfer import link_never_queues, link_seconds, link_utilization, shared_transfer_mean_s
from pdplan.trust import Trust

Array = NDArray[np.float64]
Sharing = Literal["fifo", "shared"]


@dataclass(frozen=True, eq=False)
class LinkStation:
    """Transfers from ``senders`` prefill instances to ``receivers`` decode instances.

    Parameters
    ----------
    demands : sequence of ClassDemand
        The classes, with the rates of the whole fleet.
    kv_bytes_per_token : float
        KV of one prompt token, resharding and dtype included [bytes/tok].
    send_bytes_per_s, receive_bytes_per_s : float
        Rate of one prefill instance's link, and of one decode instance's [bytes/s].
    senders, receivers : int
        Prefill and decode instances [-].
    startup_s : float
        t0 of a transfer [s].
    sharing : str
        ``fifo``: one payload after another (M/G/1). ``shared``: all under way share the rate (processor
        sharing: a transfer takes 1/(1 - rho) times as long on average).
    overlap_fraction : float
        Share of the prefill during which KV may already be sent [-].
    layers : int, optional
        Layers streamed one by one; the last one never hides.
    decode_prefix_hit : float
        Share of the prompt whose KV decode already has [-].

    Raises
    ------
    InputError, UnknownNameError
        Values out of range.
    UnstableError
        More bytes per second than either side carries.

    Notes
    -----
    The wait is that of the busier side, random routing: with four or more senders within 5% at p99; with one
    sender and variable prompts at load 0.7 it is 12% below simulation. Hence approximate, but exact (no wait)
    for one sender's equal prompts over a link no slower than prefill.

    Examples
    --------
    >>> chat = ClassDemand("chat", 10.0, np.array([2048.0]), np.array([10.0]), np.array([1.0]))
    >>> link = LinkStation([chat], 131072.0, 25e9, 25e9, senders=2, receivers=2)
    >>> round(link.utilization, 4), round(float(link.transfer_s("chat")[0]), 5), round(link.mean_wait_s, 6)
    (0.0537, 0.01074, 0.000305)
    """

    demands: Sequence[ClassDemand]
    kv_bytes_per_token: float
    send_bytes_per_s: float
    receive_bytes_per_s: float
    senders: int = 1
    receivers: int = 1
    startup_s: float = 0.0
    sharing: Sharing = "fifo"
    overlap_fraction: float = 0.0
    layers: int | None = None
    decode_prefix_hit: float = 0.0

    def __post_init__(self) -> None:
        """Check names, numbers and stability of both sides."""
        require_positive("kv_bytes_per_token", self.kv_bytes_per_token, "B/tok")
        require_fraction("overlap_fraction", self.overlap_fraction)
        require_fraction("decode_prefix_hit", self.decode_prefix_hit)
        if self.sharing not in get_args(Sharing):
            raise UnknownNameError(
                f"link sharing {self.sharing!r} is not known: use fifo or shared"
                f"{did_you_mean(self.sharing, get_args(Sharing))}"
            )
        require_stable(self.egress_utilization, what="the KV link of a prefill instance")
        require_stable(self.ingress_utilization, what="the KV link of a decode instance")

    # ------------------------------------------------------------------ freight

    @cached_property
    def mix(self) -> ClassDemand:
        """All classes as one."""
        return pooled(self.demands)

    def payload_bytes(self, name: str | None = None) -> Array:
        """KV that a request sends, at each length atom of a class (of the mix without a name) [bytes]."""
        return self._class(name).prompt_tokens * (1 - self.decode_prefix_hit) * self.kv_bytes_per_token

    def transfer_s(self, name: str | None = None) -> Array:
        """Time of a transfer over an idle link, the slower side's rate, at each atom [s]."""
        rate = min(self.send_bytes_per_s, self.receive_bytes_per_s)
        return np.asarray(link_seconds(self.payload_bytes(name), rate, self.startup_s))

    def visible_s(self, prefill_s: Array, name: str | None = None) -> Array:
        """What of the transfer TTFT sees after ``prefill_s`` of the same atoms [s]."""
        transfer = self.transfer_s(name)
        if self.sharing == "shared":
            transfer = np.asarray(shared_transfer_mean_s(transfer, self.utilization))
        return np.asarray(
            effective_transfer(transfer, np.asarray(prefill_s), self.overlap_fraction, layers=self.layers)
        )

    # ------------------------------------------------------------------ load

    def _side_utilization(self, instances: int, bytes_per_s: float) -> float:
        mean = float(self.mix.weight @ self.payload_bytes())
        started = total_rate(self.demands) * self.startup_s / instances
        return started + float(link_utilization(total_rate(self.demands), mean, instances, bytes_per_s))

    @cached_property
    def egress_utilization(self) -> float:
        """Time that a prefill instance's link is busy, start-ups included [-]."""
        return self._side_utilization(self.senders, self.send_bytes_per_s)

    @cached_property
    def ingress_utilization(self) -> float:
        """Time that a decode instance's link is busy, start-ups included [-]."""
        return self._side_utilization(self.receivers, self.receive_bytes_per_s)

    @property
    def utilization(self) -> float:
        """The busier side [-]."""
        return max(self.egress_utilization, self.ingress_utilization)

    @property
    def busier_side(self) -> Literal["egress", "ingress"]:
        """The side that binds."""
        return "egress" if self.egress_utilization >= self.ingress_utilization else "ingress"

    # ------------------------------------------------------------------ waiting

    @cached_property
    def queue(self) -> MG1:
        """Wait for the busier side, one payload after another."""
        out = self.busier_side == "egress"
        rate = self.send_bytes_per_s if out else self.receive_bytes_per_s
        times = link_seconds(self.payload_bytes(), rate, self.startup_s)
        service = service_atoms(np.maximum(times, 1e-12), self.mix.weight)
        return MG1(total_rate(self.demands) / (self.senders if out else self.receivers), service)

    def wait(self, prefill_s: Array | None = None) -> Delay:
        """Wait for the link as a delay; none where equal prompts of one sender can never queue.

        ``prefill_s``: prefill times of the mix's atoms, of an instance that takes one prompt at a time.
        """
        if self.sharing == "shared":
            return Constant(0.0, Trust.APPROXIMATE)
        alone = self.senders == self.receivers == 1 and prefill_s is not None
        if alone and link_never_queues(self.transfer_s(), np.asarray(prefill_s)):
            return Constant(0.0)
        return as_delay(_Approximate(self.queue))

    @property
    def mean_wait_s(self) -> float:
        """Mean wait for the link [s]; 0 when shared, where a transfer is longer instead."""
        return 0.0 if self.sharing == "shared" else self.queue.mean_wait_s

    def _class(self, name: str | None) -> ClassDemand:
        if name is None:
            return self.mix
        for demand in self.demands:
            if demand.name == name:
                return demand
        raise InputError(f"no class is called {name!r}{did_you_mean(name, [d.name for d in self.demands])}")


@dataclass(frozen=True, slots=True)
class _Approximate:
    """A waiting law whose assumptions are not met exactly: departures of prefill are not Poisson."""

    law: MG1

    @property
    def mean_wait_s(self) -> float:
        return self.law.mean_wait_s

    @property
    def decay_per_s(self) -> float | None:
        return self.law.decay_per_s

    @property
    def trust(self) -> Trust:
        return Trust.APPROXIMATE

    def wait_sf(self, t: Any) -> Any:
        return self.law.wait_sf(t)

    def wait_quantile_s(self, p: Any) -> Any:
        return self.law.wait_quantile_s(p)

    def wait_lattice(self, step_s: float, n: int) -> Any:
        return self.law.wait_lattice(step_s, n)
