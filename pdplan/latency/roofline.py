"""Step times from first principles: operations and bytes over the rates that kernels reach.

A step is the sum over operations (projections, experts, output head, attention, element-wise kernels) of the
longer of its compute and its memory time, plus all-reduces, small kernels and the host.

Source: Williams et al. 2009 (roofline); Yuan et al. 2024 (arXiv 2402.16363) for transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency import terms
from pdplan.latency.breakdown import Breakdown
from pdplan.latency.expert_parallel import fullest_prefill_share, fullest_rank, require_degrees
from pdplan.latency.factors import RooflineFactors
from pdplan.latency.moe_exchange import Exchange, exchange_of
from pdplan.latency.rates import Rates, achieved_rates
from pdplan.latency.shape import Device, ModelShape
from pdplan.latency.unit_times import UnitTimes
from pdplan.latency.workcount import ACTIVATION_BYTES, WorkCount, count_work
from pdplan.trust import Trust

_SOURCE = "roofline from dimensions and peak rates; factors of pdplan.latency.RooflineFactors"


@dataclass(frozen=True, slots=True)
class Roofline:
    """A `LatencyModel` of one instance of tp x pp x dp_attention GPUs.

    Parameters
    ----------
    shape : ModelShape
    device : Device
    tp, pp : int
        Tensor and pipeline parallel degrees [-].
    weights_dtype, kv_dtype : str
        As stored. Attention and activations run in 16 bits.
    efficiency : RooflineFactors
    dp_attention, ep : int
        Ranks that attend to requests of their own, and GPUs that share out whole experts (`expert_parallel`).
    nic_bytes_per_s : float
        Network rate of one GPU, one direction, for experts beyond the scale-up domain [B/s].

    Notes
    -----
    Steps and batches are of the whole instance. With several attention ranks a step is as long as that of the
    fullest rank, and the experts' that of the GPU asked most: every layer holds them to one pace. Error of
    such instances: docs/validation/moe.md.

    With pp stages a prefill step is the way of one batch through all stages (DistServe's D_s), and
    `prefill_interval_s` the time between two of them (D_m). A decode step is one token for every sequence:
    the batch runs as pp parts, each in another stage.

    Validity: dense and mixture-of-experts decoders under TP within one scale-up domain. Error against
    measurements: docs/validation/roofline.md.

    Examples
    --------
    >>> h100 = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
    >>> llama_70b = ModelShape(80, 8192, 64, 8, 128, 28672, 128256)
    >>> model = Roofline(llama_70b, h100, tp=4)
    >>> round(float(model.prefill_step_s(2048, 2048**2)), 3), round(float(model.decode_step_s(32, 64e3)), 4)
    (0.14, 0.0196)
    """

    shape: ModelShape
    device: Device
    tp: int = 1
    pp: int = 1
    weights_dtype: str = "bf16"
    kv_dtype: str = "bf16"
    efficiency: RooflineFactors = field(default_factory=RooflineFactors)
    dp_attention: int = 1
    ep: int = 1
    nic_bytes_per_s: float = 0.0
    work: WorkCount = field(init=False, repr=False)
    rates: Rates = field(init=False, repr=False)
    unit: UnitTimes = field(init=False, repr=False)
    exchange: Exchange | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the degrees and count the work once."""
        for name, degree in (("tp", self.tp), ("pp", self.pp)):
            if degree < 1 or degree != int(degree):
                raise InputError(f"{name} is {degree}: it must be a whole number of at least 1")
        if self.tp > self.device.scale_up_gpus:
            raise InputError(
                f"tp is {self.tp}: the scale-up domain has {self.device.scale_up_gpus} GPUs; "
                "lower tp or use pp"
            )
        if self.pp > self.shape.layers:
            raise InputError(f"pp is {self.pp}: the model has {self.shape.layers} layers")
        require_degrees(self.shape, self.tp, self.dp_attention, self.ep)
        degrees = (self.tp, self.dp_attention, self.ep)
        work = count_work(self.shape, self.tp, self.weights_dtype, self.kv_dtype, self.dp_attention, self.ep)
        rates = achieved_rates(self.device, self.weights_dtype, self.efficiency)
        exchange = exchange_of(
            self.shape, self.device, rates, self.efficiency, degrees, self.weights_dtype, self.nic_bytes_per_s
        )
        unit = UnitTimes.of(work, rates, self.shape.layers, self.shape.hidden)
        for name, value in (("work", work), ("rates", rates), ("unit", unit), ("exchange", exchange)):
            object.__setattr__(self, name, value)

    @property
    def trust(self) -> Trust:
        """A formula with a measured error."""
        return Trust.APPROXIMATE

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return _SOURCE

    @property
    def prefill_range(self) -> tuple[float, float]:
        """Prompt tokens: to the longest context of the model."""
        longest = self.shape.max_context_tokens
        return 1.0, float(longest) if longest is not None else float("inf")

    @property
    def decode_range(self) -> tuple[float, float]:
        """Batch sizes: CUDA graphs are captured, and errors were measured, to about a thousand a rank."""
        return 1.0, 1024.0 * self.dp_attention

    @property
    def ttft_overhead_s(self) -> float:
        """Host time of a request before its prefill, without the share that grows with its prompt [s]."""
        return self.efficiency.request_overhead_s

    def request_overhead_s(self, prompt_tokens: Any) -> Any:
        """Host time of a request before its prefill: HTTP, tokenisation, scheduling [s]."""
        return self.efficiency.request_overhead_s + self.efficiency.request_token_s * prompt_tokens

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]."""
        return self.prefill_breakdown(new_tokens, attention_tokens_sq).total_s

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step [s]."""
        return self.decode_breakdown(batch, context_tokens).total_s

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of one step with decodes and a chunk: one pass over the weights for both [s]."""
        routed, part, context = self._fullest_rank(batch, context_tokens)
        chunk = np.asarray(chunk_tokens, dtype=float)
        share = fullest_prefill_share(chunk, chunk_attention_tokens_sq, self.dp_attention)
        pairs = chunk_attention_tokens_sq * share
        full = self._pass(
            part + chunk * share, part + 1.0, part, context, chunk * share, pairs, 1.0, routed + chunk
        )
        if self.exchange is None and (chunk > 0).all():
            return full.total_s
        decode = self.decode_step_s(batch, context_tokens)
        both = full.total_s if self.exchange is None else np.maximum(full.total_s, decode)
        total = np.where(chunk > 0, both, decode)
        return total if np.ndim(total) else float(total)

    def prefill_interval_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time between two prefill steps of a full pipeline: that of its largest stage [s]."""
        share = -(-self.shape.layers // self.pp) / self.shape.layers
        return share * self.prefill_step_s(new_tokens, attention_tokens_sq)

    def prefill_breakdown(self, new_tokens: Any, attention_tokens_sq: Any) -> Breakdown:
        """Causes of the time of a prefill step. One output row is counted, more do not matter."""
        share = fullest_prefill_share(new_tokens, attention_tokens_sq, self.dp_attention)
        rank, pairs = new_tokens * share, attention_tokens_sq * share
        return self._pass(rank, 1.0, 0.0, 0.0, rank, pairs, 1.0, new_tokens)

    def rank_prefill_step_s(self, tokens: Any, attention_tokens_sq: Any, all_tokens: Any) -> Any:
        """Time of a prefill step in which one attention rank has so many tokens and all together others [s].

        Of the slowest rank it is the step of the instance: experts' layers hold all ranks to one pace.
        """
        return self._pass(tokens, 1.0, 0.0, 0.0, tokens, attention_tokens_sq, 1.0, all_tokens).total_s

    def decode_breakdown(self, batch: Any, context_tokens: Any) -> Breakdown:
        """Causes of the time of a decode step."""
        routed, part, context = self._fullest_rank(batch, context_tokens)
        return self._pass(part, part, part, context, 0.0, 0.0, 0.0, routed)

    def _fullest_rank(self, batch: Any, context_tokens: Any) -> tuple[Any, Any, Any]:
        """Return the sequences of a stage, those of its fullest rank, and their context."""
        return fullest_rank(
            batch, context_tokens, self.pp, self.dp_attention, self.efficiency.rank_context_scv
        )

    def _pass(
        self,
        tokens: Any,
        head_tokens: Any,
        sequences: Any,
        context_tokens: Any,
        prompt_tokens: Any,
        attention_tokens_sq: Any,
        launched: float,
        routed: Any,
    ) -> Breakdown:
        """One way through all stages; ``launched`` is 1 where layers run without a CUDA graph.

        ``routed`` are the tokens of all ranks; the others are of the fullest one.
        """
        w, u, f, window = self.work, self.unit, self.efficiency, self.shape.sliding_window
        compute, memory = _split(u.dense_s * tokens, u.dense_weights_s)
        moe = self.shape.moe
        if moe is not None:
            routed = routed * (f.expert_imbalance if self.ep > 1 else 1.0)  # those the busiest GPU sees
            hit = terms.expert_hit_fraction(routed, moe.experts * w.expert_copies, moe.experts_per_token)
            bound = _split(u.expert_s * routed, u.expert_weights_s * hit)
            compute, memory = compute + bound[0], memory + bound[1] + u.routed_s * routed
        bound = _split(u.head_s * head_tokens, u.head_weights_s)
        compute, memory = compute + bound[0], memory + bound[1] + u.activation_s * tokens
        for layers, capped in ((w.full_layers, False), (w.sliding_layers, True)):
            if not layers:
                continue
            pairs, context = attention_tokens_sq, context_tokens
            if capped and window is not None:
                pairs = terms.sliding_attention_tokens_sq(pairs, prompt_tokens, window)
                context = terms.sliding_context_tokens(context, sequences, window)
            bound = _split(layers * u.decode_context_s * context, layers * u.kv_s * context)
            compute = compute + bound[0] + layers * u.prompt_pair_s * pairs
            memory = memory + bound[1]
        communication = self._communication_s(tokens)
        if self.exchange is not None:
            exchange = self.exchange.seconds(tokens, routed, launched)
            communication += exchange - self.exchange.hidden_s(exchange, compute + memory, tokens)
        small = w.kernels * f.kernel_floor_s
        host = f.step_overhead_s * self.pp + f.sequence_overhead_s * sequences
        if launched:
            launch = launched * self.shape.layers * f.layer_launch_s
            host = host + np.maximum(launch - (compute + memory + communication + small), 0.0)
        return Breakdown(compute, memory, communication, small + host)

    def _communication_s(self, tokens: Any) -> Any:
        """All-reduces of all layers, and the hand-over between stages."""
        h, link, latency = (
            self.shape.hidden,
            self.rates.link_bytes_per_s,
            self.efficiency.all_reduce_latency_s,
        )
        total = 0.0
        if self.tp > 1:
            sent = terms.all_reduce_bytes(tokens, h, ACTIVATION_BYTES, self.tp)
            total = total + terms.all_reduce_s(sent, link, latency, self.work.all_reduces)
        if self.pp > 1:
            total = total + (self.pp - 1) * (latency + tokens * h * ACTIVATION_BYTES / self.tp / link)
        return total


def _split(compute_s: Any, memory_s: Any) -> tuple[Any, Any]:
    """Put the longer of the two under its own name and nothing under the other."""
    bound = compute_s >= memory_s
    if isinstance(bound, bool):
        return (compute_s, 0.0) if bound else (0.0, memory_s)
    return compute_s * bound, memory_s * ~bound
