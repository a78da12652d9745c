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
from pdplan.latency.factors import RooflineFactors
from pdplan.latency.rates import Rates, achieved_rates
from pdplan.latency.shape import Device, ModelShape
from pdplan.latency.workcount import ACTIVATION_BYTES, WorkCount, count_work
from pdplan.trust import Trust

_SOURCE = "roofline from dimensions and peak rates; factors of pdplan.latency.RooflineFactors"


@dataclass(frozen=True, slots=True)
class Roofline:
    """A `LatencyModel` of one instance of tp x pp GPUs.

    Parameters
    ----------
    shape : ModelShape
    device : Device
    tp, pp : int
        Tensor and pipeline parallel degrees [-].
    weights_dtype, kv_dtype : str
        As stored. Attention and activations run in 16 bits.
    efficiency : RooflineFactors

    Notes
    -----
    With pp stages a prefill step is the way of one batch through all stages (DistServe's D_s), and
    `prefill_interval_s` the time between two of them (D_m). A decode step is one token for every sequence:
    the batch runs as pp parts, each in another stage.

    Validity: dense and mixture-of-experts decoders under TP within one scale-up domain; no expert or data
    parallelism. Error against measurements: docs/validation/roofline.md.

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
    work: WorkCount = field(init=False, repr=False)
    rates: Rates = field(init=False, repr=False)

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
        object.__setattr__(self, "work", count_work(self.shape, self.tp, self.weights_dtype, self.kv_dtype))
        object.__setattr__(self, "rates", achieved_rates(self.device, self.weights_dtype, self.efficiency))

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
        """Batch sizes: CUDA graphs are captured, and errors were measured, to about a thousand."""
        return 1.0, 1024.0

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
        part, context = self._stage_share(batch, context_tokens)
        chunk = np.asarray(chunk_tokens, dtype=float)
        full = self._pass(part + chunk, part + 1.0, part, context, chunk, chunk_attention_tokens_sq, 1.0)
        total = np.where(chunk > 0, full.total_s, self.decode_step_s(batch, context_tokens))
        return total if np.ndim(total) else float(total)

    def prefill_interval_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time between two prefill steps of a full pipeline: that of its largest stage [s]."""
        share = -(-self.shape.layers // self.pp) / self.shape.layers
        return share * self.prefill_step_s(new_tokens, attention_tokens_sq)

    def prefill_breakdown(self, new_tokens: Any, attention_tokens_sq: Any) -> Breakdown:
        """Causes of the time of a prefill step. One output row is counted, more do not matter."""
        return self._pass(new_tokens, 1.0, 0.0, 0.0, new_tokens, attention_tokens_sq, 1.0)

    def decode_breakdown(self, batch: Any, context_tokens: Any) -> Breakdown:
        """Causes of the time of a decode step."""
        part, context = self._stage_share(batch, context_tokens)
        return self._pass(part, part, part, context, 0.0, 0.0, 0.0)

    def _stage_share(self, batch: Any, context_tokens: Any) -> tuple[Any, Any]:
        """Return sequences and context of the part of the batch that one stage works on."""
        if self.pp == 1:
            return batch, context_tokens
        part = np.maximum(np.asarray(batch) / self.pp, np.minimum(batch, 1.0))
        return part, context_tokens / self.pp

    def _pass(
        self,
        tokens: Any,
        head_tokens: Any,
        sequences: Any,
        context_tokens: Any,
        prompt_tokens: Any,
        attention_tokens_sq: Any,
        launched: float,
    ) -> Breakdown:
        """One way through all stages; ``launched`` is 1 where layers run without a CUDA graph."""
        w, r, f, window = self.work, self.rates, self.efficiency, self.shape.sliding_window
        hit = (
            terms.expert_hit_fraction(tokens, self.shape.moe.experts, self.shape.moe.experts_per_token)
            if self.shape.moe is not None
            else 0.0
        )
        gemms = (
            (terms.linear_flops(tokens, w.dense_parameters), w.dense_bytes),
            (terms.linear_flops(tokens, w.expert_parameters), w.expert_bytes * hit),
            (terms.linear_flops(head_tokens, w.head_parameters), w.head_bytes),
        )
        compute, memory = 0.0, 0.0
        for flops, moved in gemms:
            bound = _split(flops / r.gemm_flops_per_s, moved / r.memory_bytes_per_s)
            compute, memory = compute + bound[0], memory + bound[1]
        for layers, capped in ((w.full_layers, False), (w.sliding_layers, True)):
            if not layers:
                continue
            pairs, context = attention_tokens_sq, context_tokens
            if capped and window is not None:
                pairs = terms.sliding_attention_tokens_sq(pairs, prompt_tokens, window)
                context = terms.sliding_context_tokens(context, sequences, window)
            prompt = terms.prefill_attention_flops(pairs, w.heads, w.prefill_qk_dim, w.prefill_v_dim)
            decode = terms.decode_attention_flops(context, w.heads, w.decode_qk_dim, w.decode_v_dim)
            bound = _split(
                layers * decode / r.attention_flops_per_s,
                layers * context * w.kv_layer_bytes / r.memory_bytes_per_s,
            )
            compute = compute + bound[0] + layers * prompt / r.attention_flops_per_s
            memory = memory + bound[1]
        layers_all = self.shape.layers
        memory = memory + layers_all / r.memory_bytes_per_s * terms.activation_bytes(
            tokens, self.shape.hidden, w.qkv_width, w.ffn_width, ACTIVATION_BYTES, w.routed_width
        )
        communication = self._communication_s(tokens)
        small = w.kernels * f.kernel_floor_s
        device_s = compute + memory + communication + small
        launch = launched * layers_all * f.layer_launch_s
        host = f.step_overhead_s * self.pp + f.sequence_overhead_s * sequences
        return Breakdown(compute, memory, communication, small + np.maximum(launch - device_s, 0.0) + host)

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
    return np.where(bound, compute_s, 0.0), np.where(bound, 0.0, memory_s)
