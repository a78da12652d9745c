"""What is simulated: pools, link and policies, as frozen records. SI units; one file, no engine inside."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError, UnsupportedError, did_you_mean
from pdplan.latency.model import LatencyModel

Router = Literal["round_robin", "random", "jsq", "power_of_two", "least_work"]
ROUTERS: tuple[Router, ...] = ("round_robin", "random", "jsq", "power_of_two", "least_work")
PrefillDiscipline = Literal["one_at_a_time", "batched", "chunked"]
ColocatedDiscipline = Literal["chunked", "prefill_first"]
Reservation = Literal["prompt", "full"]
FirstToken = Literal["decode", "prefill"]


@dataclass(frozen=True, slots=True)
class KvMemory:
    """KV memory of one instance.

    Parameters
    ----------
    capacity_tokens : float
        Tokens it holds [tok]; infinite unless given.
    block_tokens : int
        Allocation unit [tok].
    reservation : "prompt" or "full"
        ``"prompt"``: admission knows only the prompt; contexts grow block by block and the sequence admitted
        last is evicted, to be computed again, when blocks run out (vLLM). ``"full"``: prompt and output are
        reserved at admission.
    watermark : float
        Share of the capacity that admission leaves free [-].
    """

    capacity_tokens: float = math.inf
    block_tokens: int = 16
    reservation: Reservation = "prompt"
    watermark: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.capacity_tokens > 0:
            raise InputError(f"capacity_tokens is {self.capacity_tokens:g}: an instance must hold some KV")
        _whole("block_tokens", self.block_tokens, 1)
        _one_of("reservation", self.reservation, ("prompt", "full"))
        require_fraction("watermark", self.watermark, open_high=True)

    @property
    def blocks(self) -> float:
        """Whole blocks that fit [-]; infinite without a limit."""
        held = self.capacity_tokens / self.block_tokens
        return held if math.isinf(held) else float(math.floor(held))


@dataclass(frozen=True, slots=True)
class PrefillPool:
    """Prefill instances: first come, first served each.

    Parameters
    ----------
    instances : int
    latency : LatencyModel
        Step times of one instance, all its ranks together.
    router, discipline : str
        ``"one_at_a_time"``; ``"batched"``: whole prompts up to ``batch_tokens`` (always at least one);
        ``"chunked"``: every step takes up to ``batch_tokens`` tokens, cutting prompts.
    batch_tokens : int
        Token budget of a step, L_m [tok].
    pipeline_stages : int
        Equal stages that a step passes one after another; at most as many steps are under way.
    kv_capacity_tokens : float
        KV that the instance holds, of prompts under way and of those not yet pulled [tok].
    queue_limit : int, optional
        Prompts that may wait at one instance; further ones are rejected.
    patience_s : float
        A prompt whose prefill has not begun after this leaves [s].
    step_factor : float
        Steps take their modelled time over this factor [-].
    ranks : int
        Attention ranks of an instance. The router deals prompts to ranks, each has a queue, an egress, a
        budget and KV of its own, an equal part of the instance's; a step of all lasts as long as that of the
        slowest. Needs ``"chunked"`` and step times by rank (`pdplan.latency.Roofline`). ``queue_limit``
        counts at a rank.
    """

    instances: int
    latency: LatencyModel
    router: Router = "round_robin"
    discipline: PrefillDiscipline = "batched"
    batch_tokens: int = 8192
    pipeline_stages: int = 1
    kv_capacity_tokens: float = math.inf
    queue_limit: int | None = None
    patience_s: float = math.inf
    step_factor: float = 1.0
    ranks: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        _whole("instances", self.instances, 1)
        _one_of("router", self.router, ROUTERS)
        _one_of("discipline", self.discipline, ("one_at_a_time", "batched", "chunked"))
        _whole("batch_tokens", self.batch_tokens, 1)
        _whole("pipeline_stages", self.pipeline_stages, 1)
        _whole("ranks", self.ranks, 1)
        if self.ranks > 1:
            self._check_ranks()
        _queue("prefill", self.kv_capacity_tokens, self.queue_limit, self.patience_s, self.step_factor)

    def _check_ranks(self) -> None:
        if self.discipline != "chunked":
            raise UnsupportedError(
                f"ranks is {self.ranks} with discipline {self.discipline}: ranks work in common steps, "
                "use chunked"
            )
        if not hasattr(self.latency, "rank_prefill_step_s"):
            raise UnsupportedError(
                f"ranks is {self.ranks}: these step times do not tell ranks apart, use the roofline"
            )
        if self.batch_tokens < self.ranks:
            raise InputError(
                f"batch_tokens is {self.batch_tokens}: give each of {self.ranks} ranks one at least"
            )


@dataclass(frozen=True, slots=True)
class DecodePool:
    """Decode instances with continuous batching.

    Parameters
    ----------
    instances : int
    latency : LatencyModel
        Step times; its prefill times serve evicted sequences that are computed again here.
    router : str
        ``"jsq"`` counts requests on their way or in the batch, ``"least_work"`` their prompt tokens.
    max_batch : int
        Sequences in transit, ready or in the batch, at most.
    memory : KvMemory
    step_factor : float
        In-system steps take the modelled time over this factor [-].
    tokens_per_step : float
        Tokens that a step yields for each sequence (speculation, MTP) [tok].
    ranks : int
        Attention ranks of an instance: as many transfers come in at a time, each with its part of the
        ingress. Their steps are one; batch and KV are pooled.
    """

    instances: int
    latency: LatencyModel
    router: Router = "round_robin"
    max_batch: int = 256
    memory: KvMemory = field(default_factory=KvMemory)
    step_factor: float = 1.0
    tokens_per_step: float = 1.0
    ranks: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        _whole("instances", self.instances, 1)
        _whole("ranks", self.ranks, 1)
        _one_of("router", self.router, ROUTERS)
        _whole("max_batch", self.max_batch, 1)
        require_positive("step_factor", self.step_factor)
        if not 1 <= self.tokens_per_step <= 64:
            raise InputError(f"tokens_per_step is {self.tokens_per_step:g}: it must lie in [1, 64]")


@dataclass(frozen=True, slots=True)
class KvLink:
    """What carries KV from a prefill to a decode instance.

    Parameters
    ----------
    kv_bytes_per_token : float
        KV of one token [B/tok].
    bytes_per_s : float
        Egress of one prefill instance [B/s]; infinite: only ``startup_s`` counts.
    ingress_bytes_per_s : float
        Ingress of one decode instance [B/s]; infinite: never waited for.
    startup_s : float
        t0 of a transfer [s].
    sharing : "fifo" or "shared"
        One transfer after another, where the head of an egress waits until its ingress is free; or an equal
        share for all under way, at each end.
    mode : "push" or "pull"
        Pull: a transfer starts when decode has a place in the batch and KV memory for the prompt; until it
        has arrived it holds prefill memory. Push: it starts after prefill and waits at decode for its place.
    overlap : float
        Share of the prefill time during which layers stream already [-]; only with push.
    layers : int
        Layers; the last cannot hide.
    decode_cached : float
        Share of prompt KV that decode has already and that is not sent [-].
    """

    kv_bytes_per_token: float = 0.0
    bytes_per_s: float = math.inf
    ingress_bytes_per_s: float = math.inf
    startup_s: float = 0.0
    sharing: Literal["fifo", "shared"] = "fifo"
    mode: Literal["push", "pull"] = "pull"
    overlap: float = 0.0
    layers: int = 1
    decode_cached: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        require_positive("kv_bytes_per_token", self.kv_bytes_per_token, "B", zero_ok=True)
        for name in ("bytes_per_s", "ingress_bytes_per_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name):g} B/s: it must be greater than 0")
        require_positive("startup_s", self.startup_s, "s", zero_ok=True)
        _one_of("sharing", self.sharing, ("fifo", "shared"))
        _one_of("mode", self.mode, ("push", "pull"))
        require_fraction("overlap", self.overlap)
        require_fraction("decode_cached", self.decode_cached)
        _whole("layers", self.layers, 1)
        if self.overlap > 0 and self.mode == "pull":
            raise UnsupportedError("overlap needs mode push: a pull begins after prefill")

    def of_ranks(self, egress: int, ingress: int) -> KvLink:
        """Return the link between one of so many ranks on the prefill side and one on the decode side."""
        return replace(
            self,
            bytes_per_s=self.bytes_per_s / egress,
            ingress_bytes_per_s=self.ingress_bytes_per_s / ingress,
        )

    @property
    def seconds_per_token(self) -> float:
        """Time on an idle link for each prompt token [s/tok]."""
        rate = min(self.bytes_per_s, self.ingress_bytes_per_s)
        return self.kv_bytes_per_token * (1.0 - self.decode_cached) / rate


@dataclass(frozen=True, slots=True)
class PdConfig:
    """A disaggregated fleet.

    ``first_token_from``: ``"decode"``: the first of the output tokens leaves the first decode step;
    ``"prefill"``: it leaves prefill and decode makes the others. ``overhead_s`` and ``overhead_s_per_token``:
    time of a request before it reaches the router [s], [s/tok].
    """

    prefill: PrefillPool
    decode: DecodePool
    link: KvLink = field(default_factory=KvLink)
    first_token_from: FirstToken = "decode"
    overhead_s: float = 0.0
    overhead_s_per_token: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        _one_of("first_token_from", self.first_token_from, ("decode", "prefill"))
        require_positive("overhead_s", self.overhead_s, "s", zero_ok=True)
        require_positive("overhead_s_per_token", self.overhead_s_per_token, "s", zero_ok=True)


@dataclass(frozen=True, slots=True)
class ColocatedConfig:
    """Instances that prefill and decode; the first token leaves the step in which the prompt ends.

    Parameters
    ----------
    instances : int
    latency : LatencyModel
    router : str
        ``"jsq"`` counts outstanding prompt tokens (counting requests is worse than round robin),
        ``"least_work"`` prompt tokens not yet prefilled and contexts not yet finished.
    discipline : "chunked" or "prefill_first"
        Decodes and a chunk share the ``batch_tokens`` of a step; or whole waiting prompts, up to
        ``batch_tokens``, run alone before any decode step (vLLM v0, Orca).
    batch_tokens, max_batch : int
        Token budget of a step [tok], and sequences admitted at most.
    memory : KvMemory
    step_factor : float
        The decode part of a step takes its modelled time over this factor; what a prompt adds does not [-].
    tokens_per_step, queue_limit, patience_s, overhead_s, overhead_s_per_token
        As in the pools of `PdConfig`.
    """

    instances: int
    latency: LatencyModel
    router: Router = "round_robin"
    discipline: ColocatedDiscipline = "chunked"
    batch_tokens: int = 2048
    max_batch: int = 256
    memory: KvMemory = field(default_factory=KvMemory)
    step_factor: float = 1.0
    tokens_per_step: float = 1.0
    queue_limit: int | None = None
    patience_s: float = math.inf
    overhead_s: float = 0.0
    overhead_s_per_token: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        _whole("instances", self.instances, 1)
        _one_of("router", self.router, ROUTERS)
        _one_of("discipline", self.discipline, ("chunked", "prefill_first"))
        _whole("batch_tokens", self.batch_tokens, 1)
        _whole("max_batch", self.max_batch, 1)
        _queue("colocated", self.memory.capacity_tokens, self.queue_limit, self.patience_s, self.step_factor)
        if not 1 <= self.tokens_per_step <= 64:
            raise InputError(f"tokens_per_step is {self.tokens_per_step:g}: it must lie in [1, 64]")
        require_positive("overhead_s", self.overhead_s, "s", zero_ok=True)
        require_positive("overhead_s_per_token", self.overhead_s_per_token, "s", zero_ok=True)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is kept beside the requests.

    ``from_s``: busy times, occupancies and gaps count from here [s] (a warm-up ends). ``interval_s``: width
    of the time series' bins [s]; none without it.
    """

    from_s: float = 0.0
    interval_s: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        require_positive("from_s", self.from_s, "s", zero_ok=True)
        if self.interval_s is not None:
            require_positive("interval_s", self.interval_s, "s")


def _whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or value != int(value) or value < least:
        raise InputError(f"{name} is {value}: it must be a whole number of at least {least}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name} is {value!r}: use {', '.join(known)}{did_you_mean(value, known)}")


def _queue(
    pool: str, capacity_tokens: float, queue_limit: int | None, patience_s: float, step_factor: float
) -> None:
    if not capacity_tokens > 0:
        raise InputError(f"the {pool} pool's kv capacity is {capacity_tokens:g} tokens: it must hold some")
    if queue_limit is not None:
        _whole("queue_limit", queue_limit, 0)
    if not patience_s > 0:
        raise InputError(f"patience_s is {patience_s:g} s: it must be greater than 0")
    require_positive("step_factor", step_factor)
