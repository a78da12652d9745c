"""What one token, one pair of tokens, or all weights once take: a step's terms, worked out in advance."""

from __future__ import annotations

from dataclasses import dataclass

from pdplan.latency import terms
from pdplan.latency.rates import Rates
from pdplan.latency.workcount import ACTIVATION_BYTES, WorkCount


@dataclass(frozen=True, slots=True)
class UnitTimes:
    """Coefficients of the time of a step on one GPU.

    Parameters
    ----------
    dense_s, expert_s, head_s : float
        Computing of one token in projections, in its experts, in the output head [s/tok].
    dense_weights_s, expert_weights_s, head_weights_s : float
        Reading all of their weights [s].
    prompt_pair_s, decode_context_s : float
        Computing of attention in one layer, for a squared prompt token and for a token of context [s].
    kv_s : float
        Reading a token of context in one layer [s/tok].
    activation_s, routed_s : float
        Memory time of element-wise kernels for a token, in all layers, and of a routed one's experts [s/tok].
    """

    dense_s: float
    expert_s: float
    head_s: float
    dense_weights_s: float
    expert_weights_s: float
    head_weights_s: float
    prompt_pair_s: float
    decode_context_s: float
    kv_s: float
    activation_s: float
    routed_s: float

    @classmethod
    def of(cls, w: WorkCount, r: Rates, layers: int, hidden: int) -> UnitTimes:
        """Divide operations and bytes by the rates that kernels reach."""
        prompt = terms.prefill_attention_flops(1.0, w.heads, w.prefill_qk_dim, w.prefill_v_dim)
        decode = terms.decode_attention_flops(1.0, w.heads, w.decode_qk_dim, w.decode_v_dim)
        moved = terms.activation_bytes(
            1.0, hidden, w.qkv_width, w.ffn_width, ACTIVATION_BYTES, w.routed_width
        )
        return cls(
            terms.linear_flops(1.0, w.dense_parameters) / r.gemm_flops_per_s,
            terms.linear_flops(1.0, w.expert_parameters) / r.gemm_flops_per_s,
            terms.linear_flops(1.0, w.head_parameters) / r.gemm_flops_per_s,
            w.dense_bytes / r.memory_bytes_per_s,
            w.expert_bytes / r.memory_bytes_per_s,
            w.head_bytes / r.memory_bytes_per_s,
            prompt / r.attention_flops_per_s,
            decode / r.attention_flops_per_s,
            w.kv_layer_bytes / r.memory_bytes_per_s,
            layers * moved / r.memory_bytes_per_s,
            w.expert_values * ACTIVATION_BYTES / r.memory_bytes_per_s,
        )
