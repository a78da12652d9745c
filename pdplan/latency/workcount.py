"""What one GPU of an instance does per token: the coefficients of the roofline, counted once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pdplan.latency.expert_parallel import redundant_share
from pdplan.latency.parameters import (
    bytes_per_value,
    kv_shards,
    kv_values_per_layer,
    parameter_groups,
)
from pdplan.latency.shape import ModelShape

#: Activations travel in 16 bits whatever the weights are stored in [B].
ACTIVATION_BYTES = 2.0

#: Small kernels of a layer beside its projections: two norms, rotary embedding, KV write, activation, and
#: three for attention over a short context (8.4 us at one token against a floor of 2.5, LLMServingSim).
LAYER_KERNELS = 8

#: More of them in a mixture of experts: router, top-k, sort, gather, weighted sum.
MOE_KERNELS = 5

#: All-reduces of a layer: after attention and after the feed-forward (Shoeybi et al. 2019, section 3).
ALL_REDUCES_PER_LAYER = 2


@dataclass(frozen=True, slots=True)
class WorkCount:
    """Per-GPU work of one pass through all layers, every stage of a pipeline together.

    ``*_parameters`` and ``*_bytes`` are those of one GPU of each stage, summed over stages.
    """

    dense_parameters: float
    dense_bytes: float
    expert_parameters: float  #: visited by one token
    expert_bytes: float  #: all experts
    head_parameters: float
    head_bytes: float
    full_layers: int
    sliding_layers: int
    heads: float
    prefill_qk_dim: int
    prefill_v_dim: int
    decode_qk_dim: int
    decode_v_dim: int
    kv_layer_bytes: float  #: of one token in one layer, read by one GPU
    qkv_width: float
    ffn_width: float
    routed_width: float  #: hidden states times experts visited, mean over layers; whole on every rank
    kernels: int
    all_reduces: int
    moe_layers: int = 0
    expert_values: float = 0.0  #: values that the experts' kernels move for one token, where counted apart
    expert_copies: float = 1.0  #: stored experts over distinct ones


def count_work(
    shape: ModelShape, tp: int, weights_dtype: str, kv_dtype: str, dp_attention: int = 1, ep: int = 1
) -> WorkCount:
    """Count the work of one GPU at tensor-parallel degree ``tp``.

    Projections, experts and the output head divide by ``tp``; KV divides by `kv_shards` only. Embeddings,
    output head and routers are read in 16 bits under every quantisation (see `parameters.weight_bytes`).
    Routed experts divide by all ``tp x dp_attention`` GPUs; nothing else does.

    Source: Shoeybi et al. 2019 (arXiv 1909.08053), section 3, for how each matrix divides.

    Examples
    --------
    >>> llama = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
    >>> work = count_work(llama, 2, "bf16", "bf16")
    >>> work.dense_bytes / 1e9, work.kv_layer_bytes, work.kernels
    (6.979321856, 2048.0, 256)
    """
    g = parameter_groups(shape)
    narrow = bytes_per_value(weights_dtype)
    wide = max(narrow, ACTIVATION_BYTES)
    attention_bytes = wide if weights_dtype == "mxfp4" else narrow
    moe = shape.moe
    ffn = shape.intermediate * g.dense_layers
    if moe is not None:
        ffn += g.moe_layers * (moe.experts_per_token * moe.expert_intermediate + moe.shared_intermediate)
    qk, v = _prefill_head_dims(shape)
    routed = shape.hidden * moe.experts_per_token * g.moe_layers if moe is not None else 0
    if dp_attention > 1 or ep > 1:
        return _spread(shape, tp, dp_attention, ep, count_work(shape, tp, weights_dtype, kv_dtype))
    return WorkCount(
        dense_parameters=(g.attention + g.ffn_shared + g.router) / tp,
        dense_bytes=(g.attention * attention_bytes + g.ffn_shared * narrow + g.router * wide) / tp,
        expert_parameters=g.experts_active / tp,
        expert_bytes=g.experts * narrow / tp,
        head_parameters=g.output_head / tp,
        head_bytes=g.output_head * wide / tp,
        full_layers=shape.layers - shape.sliding_layers,
        sliding_layers=shape.sliding_layers,
        heads=shape.heads / tp,
        prefill_qk_dim=qk,
        prefill_v_dim=v,
        decode_qk_dim=qk if shape.mla is None else shape.mla.kv_lora_rank + shape.mla.qk_rope_head_dim,
        decode_v_dim=v if shape.mla is None else shape.mla.kv_lora_rank,
        kv_layer_bytes=kv_values_per_layer(shape) * bytes_per_value(kv_dtype) / kv_shards(shape, tp),
        qkv_width=shape.heads * qk / tp + kv_values_per_layer(shape) / kv_shards(shape, tp),
        ffn_width=ffn / shape.layers / tp,
        routed_width=routed / shape.layers,
        kernels=shape.layers * LAYER_KERNELS + g.moe_layers * MOE_KERNELS,
        all_reduces=shape.layers * ALL_REDUCES_PER_LAYER if tp > 1 else 0,
        moe_layers=g.moe_layers,
    )


def _spread(shape: ModelShape, tp: int, dp_attention: int, ep: int, alone: WorkCount) -> WorkCount:
    """Spread the experts of a rank over all ranks, and count their kernels per token of the instance.

    A GPU works on ``1/ep`` of the visits, each on ``ep / (tp d)`` of an expert's width, and has their inputs
    and outputs whole (see `terms.activation_bytes`). Across ranks the all-reduce after the experts is part of
    the exchange; what is left of it gathers a rank's tokens among its TP GPUs, half an all-reduce each way.
    """
    g, moe = parameter_groups(shape), shape.moe
    assert moe is not None
    ranks, copies = tp * dp_attention, 1.0 + redundant_share(dp_attention, ep)
    inner = 3 * moe.experts_per_token * moe.expert_intermediate / ranks
    outer = 4 * shape.hidden * moe.experts_per_token / ep
    ffn = shape.intermediate * g.dense_layers + g.moe_layers * moe.shared_intermediate
    return replace(
        alone,
        expert_parameters=g.experts_active / ranks,
        expert_bytes=alone.expert_bytes * tp / ranks * copies,
        ffn_width=ffn / shape.layers / tp,
        routed_width=0.0,
        all_reduces=alone.all_reduces if dp_attention == 1 else alone.all_reduces - (tp > 1) * g.moe_layers,
        expert_values=g.moe_layers * (inner + outer),
        expert_copies=copies,
    )


def _prefill_head_dims(shape: ModelShape) -> tuple[int, int]:
    """Widths of one head in scores and values during prefill."""
    if shape.mla is None:
        return shape.head_dim, shape.head_dim
    return shape.mla.qk_nope_head_dim + shape.mla.qk_rope_head_dim, shape.mla.v_head_dim
