"""What a transformer weighs: parameters, weight bytes and KV bytes, counted from its dimensions.

Counts leave out norms, biases and positional tables (below 0.2% of every model of the catalog), vision
towers and multi-token-prediction layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.latency.parameter_groups import ParameterGroups
from pdplan.latency.shape import BYTES_PER_VALUE, MlaShape, ModelShape


def gqa_attention_parameters(hidden: Any, heads: Any, kv_heads: Any, head_dim: Any) -> Any:
    """Projections Q, K, V and O of one layer: ``2 h d (heads + kv_heads)`` [parameters].

    Source: Ainslie et al., "GQA" (2023), section 2.

    Examples
    --------
    >>> gqa_attention_parameters(4096, 32, 8, 128)
    41943040
    """
    return 2 * hidden * head_dim * (heads + kv_heads)


def mla_attention_parameters(hidden: int, heads: int, mla: MlaShape) -> int:
    """Projections of one layer of multi-head latent attention [parameters].

    Query (through its latent where there is one), key-value latent with the rotary key, the two
    expansions of the latent, and the output.

    Source: DeepSeek-V2 (arXiv 2405.04434), section 2.1, equations 9-19.

    Examples
    --------
    >>> mla_attention_parameters(7168, 128, MlaShape(512, 64, 128, 128, 1536))
    187105280
    """
    query_width = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    query = (
        hidden * query_width
        if mla.q_lora_rank is None
        else hidden * mla.q_lora_rank + mla.q_lora_rank * query_width
    )
    latent = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
    expand = mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim)
    return query + latent + expand + heads * mla.v_head_dim * hidden


def ffn_parameters(hidden: int, intermediate: int, matrices: int) -> int:
    """Feed-forward of one layer or one expert: ``matrices x h x width`` [parameters].

    Three matrices where gated (Shazeer 2020, "GLU variants improve Transformer"), else two.

    Examples
    --------
    >>> ffn_parameters(4096, 14336, 3)
    176160768
    """
    return matrices * hidden * intermediate


def parameter_groups(shape: ModelShape) -> ParameterGroups:
    """Count the matrix parameters of ``shape`` by kind.

    Examples
    --------
    >>> groups = parameter_groups(ModelShape(32, 4096, 32, 8, 128, 14336, 128256))
    >>> groups.attention_per_layer, groups.dense_ffn_per_layer, groups.experts
    (41943040, 176160768, 0)
    """
    matrices = 3 if shape.gated_ffn else 2
    moe = shape.moe
    attention = (
        gqa_attention_parameters(shape.hidden, shape.heads, shape.kv_heads, shape.head_dim)
        if shape.mla is None
        else mla_attention_parameters(shape.hidden, shape.heads, shape.mla)
    )
    return ParameterGroups(
        input_embedding=shape.vocab * shape.hidden,
        output_head=shape.vocab * shape.hidden,
        tied_embeddings=shape.tied_embeddings,
        attention_per_layer=attention,
        dense_ffn_per_layer=ffn_parameters(shape.hidden, shape.intermediate, matrices),
        shared_ffn_per_layer=ffn_parameters(shape.hidden, moe.shared_intermediate, matrices) if moe else 0,
        router_per_layer=shape.hidden * moe.experts if moe else 0,
        expert=ffn_parameters(shape.hidden, moe.expert_intermediate, matrices) if moe else 0,
        experts_per_layer=moe.experts if moe else 0,
        experts_per_token=moe.experts_per_token if moe else 0,
        dense_layers=moe.dense_layers if moe else shape.layers,
        moe_layers=shape.layers - moe.dense_layers if moe else 0,
    )


def total_parameters(shape: ModelShape) -> int:
    """Parameters that are stored [parameters].

    Examples
    --------
    >>> total_parameters(ModelShape(32, 4096, 32, 8, 128, 14336, 128256)) / 1e9
    8.02...
    """
    g = parameter_groups(shape)
    return g.embeddings + g.attention + g.ffn_shared + g.router + g.experts


def active_parameters(shape: ModelShape) -> int:
    """Parameters that one token is multiplied with [parameters].

    The output head counts and the input embedding, a table look-up, does not (as OpenAI counts, gpt-oss
    model card 2025, table 1).

    Examples
    --------
    >>> active_parameters(ModelShape(32, 4096, 32, 8, 128, 14336, 128256)) / 1e9
    7.50...
    """
    g = parameter_groups(shape)
    return g.output_head + g.attention + g.ffn_shared + g.router + g.experts_active


def bytes_per_value(dtype: str) -> float:
    """Bytes of one stored value of ``dtype`` [B].

    Raises
    ------
    InputError
        An unknown dtype.

    Examples
    --------
    >>> bytes_per_value("bf16")
    2.0
    """
    if dtype not in BYTES_PER_VALUE:
        raise InputError(f"dtype is {dtype!r}: it must be one of {', '.join(BYTES_PER_VALUE)}")
    return BYTES_PER_VALUE[dtype]


def weight_bytes(shape: ModelShape, weights_dtype: str) -> float:
    """Memory of all weights of one replica [B].

    Embeddings, output head and routers stay at 16 bits or more under every quantisation; ``mxfp4``
    quantises the feed-forward alone. So were DeepSeek-V3 (arXiv 2412.19437, section 3.3.1) and gpt-oss
    (model card 2025, section 2.1) released.

    Examples
    --------
    >>> weight_bytes(ModelShape(32, 4096, 32, 8, 128, 14336, 128256), "bf16") / 1e9
    16.059...
    """
    g = parameter_groups(shape)
    narrow = bytes_per_value(weights_dtype)
    wide = max(narrow, bytes_per_value("bf16"))
    attention = wide if weights_dtype == "mxfp4" else narrow
    return (g.embeddings + g.router) * wide + g.attention * attention + (g.ffn_shared + g.experts) * narrow


def kv_values_per_layer(shape: ModelShape) -> int:
    """Values that one layer keeps for one token: ``2 kv_heads d``, or MLA's latent and rotary key [-].

    Source: DeepSeek-V2 (arXiv 2405.04434), table 1.

    Examples
    --------
    >>> kv_values_per_layer(ModelShape(32, 4096, 32, 8, 128, 14336, 128256))
    2048
    """
    if shape.mla is not None:
        return shape.mla.kv_lora_rank + shape.mla.qk_rope_head_dim
    return 2 * shape.kv_heads * shape.head_dim


def kv_bytes_per_token(shape: ModelShape, kv_dtype: str = "bf16") -> float:
    """KV cache of one token, every layer counted at full length [B/token].

    Examples
    --------
    >>> kv_bytes_per_token(ModelShape(32, 4096, 32, 8, 128, 14336, 128256))
    131072.0
    """
    return shape.layers * kv_values_per_layer(shape) * bytes_per_value(kv_dtype)


def kv_bytes(shape: ModelShape, context_tokens: Any, kv_dtype: str = "bf16") -> Any:
    """KV cache of one sequence: sliding layers keep at most their window [B].

    Parameters
    ----------
    shape : ModelShape
        The model.
    context_tokens : float or array
        Tokens in the context [tok], >= 0.
    kv_dtype : str
        Dtype of the cache.

    Examples
    --------
    >>> kv_bytes(ModelShape(32, 4096, 32, 8, 128, 14336, 128256), 2048)
    268435456.0
    """
    require_positive("context_tokens", context_tokens, "tok", zero_ok=True)
    per_layer = kv_values_per_layer(shape) * bytes_per_value(kv_dtype)
    if shape.sliding_window is None or shape.sliding_layers == 0:
        return shape.layers * per_layer * context_tokens
    kept = np.minimum(context_tokens, shape.sliding_window)
    full_layers = shape.layers - shape.sliding_layers
    return per_layer * (full_layers * context_tokens + shape.sliding_layers * kept)


def kv_shards(shape: ModelShape, tp: int) -> int:
    """Ranks among which TP divides the KV of one token; beyond that they hold copies [-].

    Grouped-query attention divides by whole KV heads, so at most ``kv_heads`` ways; MLA has one latent
    for all heads and does not divide.

    Raises
    ------
    InputError
        ``tp`` is not a positive whole number.

    Examples
    --------
    >>> kv_shards(ModelShape(32, 4096, 32, 8, 128, 14336, 128256), 16)
    8
    """
    require_positive("tp", tp)
    if tp != int(tp):
        raise InputError(f"tp is {tp}: it must be a whole number")
    return 1 if shape.mla is not None else min(int(tp), shape.kv_heads)


def kv_bytes_per_token_per_gpu(shape: ModelShape, tp: int, kv_dtype: str = "bf16") -> float:
    """KV cache of one token on each of ``tp`` GPUs, every layer at full length [B/token].

    Examples
    --------
    >>> llama = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
    >>> kv_bytes_per_token_per_gpu(llama, 8), kv_bytes_per_token_per_gpu(llama, 16)
    (16384.0, 16384.0)
    """
    return kv_bytes_per_token(shape, kv_dtype) / kv_shards(shape, tp)
