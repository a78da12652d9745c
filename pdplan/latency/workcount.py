"""What one GPU of an instance does per token: the coefficients of the roofline, counted once."""

from __future__ import annotations

from dataclasses import dataclass

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


def count_work(shape: ModelShape, tp: int, weights_dtype: str, kv_dtype: str) -> WorkCount:
    """Count the work of one GPU at tensor-parallel degree ``tp``.

    Projections, experts and the output head divide by ``tp``; KV divides by `kv_shards` only. Embeddings,
    output head and routers are read in 16 bits under every quantisation (see `parameters.weight_bytes`).

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
    )


def _prefill_head_dims(shape: ModelShape) -> tuple[int, int]:
    """Widths of one head in scores and values during prefill."""
    if shape.mla is None:
        return shape.head_dim, shape.head_dim
    return shape.mla.qk_nope_head_dim + shape.mla.qk_rope_head_dim, shape.mla.v_head_dim
