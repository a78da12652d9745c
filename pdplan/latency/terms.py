"""The terms of a step time, one function each: operations, bytes, all-reduce.

All are plain arithmetic on floats and numpy arrays (and, but for the two with a window, sympy symbols).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def linear_flops(tokens: Any, parameters: Any) -> Any:
    """Operations of matrix multiplications: ``2 P n`` [FLOP].

    Source: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1: one multiply and one add per parameter.

    Examples
    --------
    >>> linear_flops(1000, 7.5e9)
    15000000000000.0
    """
    return 2 * parameters * tokens


def prefill_attention_flops(attention_tokens_sq: Any, heads: Any, qk_dim: Any, v_dim: Any) -> Any:
    """Operations of causal attention in one layer: ``heads (d_qk + d_v) sum n^2`` [FLOP].

    Scores and weighted values take ``2 d`` each per pair of tokens, and causality halves the ``n^2`` pairs.

    Parameters
    ----------
    attention_tokens_sq : float or array
        Sum over prompts of ``(new + cached)^2 - cached^2`` [tok^2].
    heads, qk_dim, v_dim : float
        Query heads, and widths of a head in scores and values [-].

    Source: Dao 2023 (arXiv 2307.08691), section 4.1, halved for causality.

    Examples
    --------
    >>> prefill_attention_flops(2048**2, 32, 128, 128) / 1e9
    34.359738368
    """
    return heads * (qk_dim + v_dim) * attention_tokens_sq


def sliding_attention_tokens_sq(attention_tokens_sq: Any, new_tokens: Any, window: Any) -> Any:
    """Twice the pairs that a sliding-window layer attends: at most ``2 window`` per new token [tok^2].

    An upper bound (it counts a full window from the first token on), off by at most ``window^2`` a prompt.

    Examples
    --------
    >>> float(sliding_attention_tokens_sq(8192.0**2, 8192.0, 1024)) / 1e6
    16.777216
    """
    return np.minimum(attention_tokens_sq, 2.0 * window * new_tokens)


def decode_attention_flops(context_tokens: Any, heads: Any, qk_dim: Any, v_dim: Any) -> Any:
    """Operations of attention of new tokens over their contexts, one layer [FLOP].

    ``2 heads (d_qk + d_v) sum(contexts)``.

    For latent attention in its absorbed form ``d_qk = rank + rope`` and ``d_v = rank``.

    Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1.2.

    Examples
    --------
    >>> decode_attention_flops(1000, 128, 576, 512) / 1e6
    278.528
    """
    return 2 * heads * (qk_dim + v_dim) * context_tokens


def sliding_context_tokens(context_tokens: Any, batch: Any, window: Any) -> Any:
    """Context that a sliding-window layer reads for a batch: at most ``window`` each [tok].

    Contexts enter by their sum; the cap applies to their mean, which overstates a mix of short and long.

    Examples
    --------
    >>> float(sliding_context_tokens(100_000.0, 10.0, 1024))
    10240.0
    """
    return np.minimum(context_tokens, window * batch)


def expert_hit_fraction(tokens: Any, experts: Any, experts_per_token: Any) -> Any:
    """Share of the experts that at least one of ``tokens`` visits: ``1 - (1 - k/E)^B`` [-].

    Validity: routing uniform and independent between tokens; real routing is more skewed, so this is high.

    Source: expectation of an occupancy problem; Yun et al. 2024 (arXiv 2402.16363), section 4.

    Examples
    --------
    >>> round(expert_hit_fraction(64, 128, 8), 4)
    0.9839
    """
    return 1 - (1 - experts_per_token / experts) ** tokens


def all_reduce_bytes(tokens: Any, hidden: Any, bytes_per_value: Any, tp: Any) -> Any:
    """Bytes each GPU sends in one all-reduce of activations: ``2 (tp-1)/tp n h b`` [B].

    Source: Shoeybi et al. 2019 (arXiv 1909.08053), section 3 (two per layer); ring factor: Patarasuk and
    Yuan 2009.

    Examples
    --------
    >>> all_reduce_bytes(1024, 8192, 2, 8) / 1e6
    29.360128
    """
    return 2 * (tp - 1) / tp * tokens * hidden * bytes_per_value


def all_reduce_s(sent_bytes: Any, link_bytes_per_s: Any, latency_s: Any, count: Any) -> Any:
    """Time of ``count`` all-reduces that send ``sent_bytes`` each: ``count (t0 + bytes / rate)`` [s].

    Source: Hockney's model, as in Isaev et al. 2023 (Calculon).

    Examples
    --------
    >>> round(all_reduce_s(29.360128e6, 360e9, 10e-6, 160) * 1e3, 2)
    14.65
    """
    return count * (latency_s + sent_bytes / link_bytes_per_s)


def activation_bytes(
    tokens: Any, hidden: Any, qkv_width: Any, ffn_width: Any, bytes_per_value: Any, routed_width: Any = 0
) -> Any:
    """Bytes that the element-wise kernels of one layer move on one GPU [B].

    Two residual norms read and write two tensors each (``8 h``), rotary embedding and KV write read and
    write the projections (``2 qkv``), the activation reads two and writes one of the feed-forward width
    (``3 ffn``); with experts, each visited one has its input gathered and its output written, read and summed
    (``4 k h``, on every rank whole: tensor parallelism divides the inner width, not the hidden one).

    Source: count of the kernels of a vLLM Llama layer and of its fused_moe; LLMServingSim times the former at
    137 us a layer for 2048 tokens on RTX PRO 6000, this count at 0.8 of its memory rate gives 250 us without
    cache hits.

    Examples
    --------
    >>> activation_bytes(2048, 4096, 6144, 14336, 2) / 1e6
    360.710144
    """
    return tokens * bytes_per_value * (8 * hidden + 2 * qkv_width + 3 * ffn_width + 4 * routed_width)
