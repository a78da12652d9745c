"""The numbers of a transformer and of a device that step times are made of.

Plain frozen dataclasses: no names, no sources, no catalog. ``pdplan.spec`` wraps them with those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dtype = Literal["fp32", "bf16", "fp16", "fp8", "int8", "fp4", "mxfp4", "int4"]

#: Bytes of one stored value. mxfp4 shares one 8-bit scale among 32 values (OCP MX specification v1.0, 2023).
BYTES_PER_VALUE: Mapping[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
    "mxfp4": 0.53125,
    "int4": 0.5,
}


@dataclass(frozen=True, slots=True)
class MlaShape:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""

    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None


@dataclass(frozen=True, slots=True)
class MoeShape:
    """Mixture of experts: routed experts, of which each token visits ``experts_per_token``."""

    experts: int
    experts_per_token: int
    expert_intermediate: int
    shared_intermediate: int = 0  #: width of the shared expert(s), all together
    dense_layers: int = 0  #: leading layers with a dense feed-forward of width ``ModelShape.intermediate``


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Dimensions of a decoder-only transformer.

    ``sliding_layers`` of the ``layers`` attend (and keep KV) over at most ``sliding_window`` tokens.
    ``gated_ffn``: three matrices (gate, up, down) in the feed-forward; otherwise two (OPT, BLOOM).
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    gated_ffn: bool = True
    tied_embeddings: bool = False
    mla: MlaShape | None = None
    moe: MoeShape | None = None
    sliding_window: int | None = None
    sliding_layers: int = 0
    max_context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """Peak rates of one accelerator.

    ``flops_per_s``: dense matrix rate by dtype [FLOP/s]. ``scale_up_bytes_per_s``: one direction, to all
    peers of the scale-up domain together [bytes/s]. ``scale_up_gpus``: GPUs in that domain [-].
    """

    flops_per_s: Mapping[str, float] = field(hash=False)
    memory_bytes: float
    memory_bytes_per_s: float
    scale_up_bytes_per_s: float
    scale_up_gpus: int = 8
