"""One reader per way of writing down a transformer in a Hugging Face ``config.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from pdplan.errors import UnsupportedError
from pdplan.latency.shape import MlaShape, ModelShape, MoeShape
from pdplan.spec.hf_fields import ConfigFields

#: keys of attention that keeps something else than whole KV heads
_FOREIGN: Final = (
    "kv_lora_rank",
    "index_topk",
    "attention_chunk_size",
    "compress_ratios",
    "num_kv_shared_layers",
    "linear_num_key_heads",
)


def _grouped(f: ConfigFields) -> ModelShape:
    """Llama and its kin: gated feed-forward, grouped-query attention, perhaps sliding layers."""
    f.refuse_keys(*_FOREIGN)
    window, sliding = f.sliding()
    heads = f.count("num_attention_heads")
    return ModelShape(
        layers=f.count("num_hidden_layers"),
        hidden=f.count("hidden_size"),
        heads=heads,
        kv_heads=f.count("num_key_value_heads", default=heads),
        head_dim=f.head_dim(),
        intermediate=f.count("intermediate_size"),
        vocab=f.count("vocab_size"),
        tied_embeddings=f.flag("tie_word_embeddings"),
        sliding_window=window,
        sliding_layers=sliding,
        max_context_tokens=f.optional_count("max_position_embeddings"),
    )


def _gemma2(f: ConfigFields) -> ModelShape:
    """Gemma 2: every second layer slides, tied embeddings unless said otherwise."""
    return _gemma(f, every=2)


def _gemma3(f: ConfigFields) -> ModelShape:
    """Gemma 3: every sixth layer is full; its config leaves out what the class defaults say."""
    defaults = {"vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}
    return _gemma(ConfigFields({**defaults, **f.values}, f.where), every=6)


def _gemma(f: ConfigFields, *, every: int) -> ModelShape:
    tied = f.flag("tie_word_embeddings", default=True)
    if f.layer_types() is not None:
        return replace(_grouped(f), tied_embeddings=tied)
    layers = f.count("num_hidden_layers")
    window = f.count("sliding_window")
    full = layers // f.count("sliding_window_pattern", default=every)
    shape = _grouped(ConfigFields({**f.values, "sliding_window": None}, f.where))
    return replace(shape, tied_embeddings=tied, sliding_window=window, sliding_layers=layers - full)


def _local_experts(f: ConfigFields) -> ModelShape:
    """Mixtral, gpt-oss, MiniMax-M2: every layer routed, ``intermediate_size`` is the expert's width."""
    moe = MoeShape(
        experts=f.count("num_local_experts"),
        experts_per_token=f.count("num_experts_per_tok", "experts_per_token"),
        expert_intermediate=f.count("intermediate_size"),
        shared_intermediate=f.count_or_zero("shared_intermediate_size"),
    )
    return replace(_grouped(f), moe=moe)


def _qwen_moe(f: ConfigFields) -> ModelShape:
    """Qwen2 and Qwen3 mixtures: dense layers by list or by step, perhaps one shared expert."""
    layers, step = f.count("num_hidden_layers"), f.count("decoder_sparse_step", default=1)
    listed = f.values.get("mlp_only_layers") or []
    dense = [i for i in range(layers) if i in listed or (i + 1) % step]
    moe = MoeShape(
        experts=f.count("num_experts"),
        experts_per_token=f.count("num_experts_per_tok"),
        expert_intermediate=f.count("moe_intermediate_size"),
        shared_intermediate=f.count_or_zero("shared_expert_intermediate_size"),
        dense_layers=len(dense),
    )
    return replace(_grouped(f), moe=moe)


def _routed_experts(f: ConfigFields) -> MoeShape | None:
    """DeepSeek's keys for a mixture: leading dense layers, shared experts of the routed width."""
    if f.values.get("n_routed_experts") is None:
        return None
    if f.count("moe_layer_freq", default=1) != 1:
        raise UnsupportedError(f"{f.where}: key 'moe_layer_freq' other than 1 is not modelled")
    width = f.count("moe_intermediate_size")
    return MoeShape(
        experts=f.count("n_routed_experts"),
        experts_per_token=f.count("num_experts_per_tok"),
        expert_intermediate=width,
        shared_intermediate=f.count_or_zero("n_shared_experts") * width,
        dense_layers=f.count_or_zero("first_k_dense_replace"),
    )


def _glm4_moe(f: ConfigFields) -> ModelShape:
    """GLM-4.5: grouped-query attention with DeepSeek's keys for the mixture."""
    return replace(_grouped(f), moe=_routed_experts(f))


def _deepseek(f: ConfigFields) -> ModelShape:
    """DeepSeek-V2, V3, Kimi-K2: latent attention, where ``num_key_value_heads`` says nothing."""
    f.refuse_keys(*(key for key in _FOREIGN if key != "kv_lora_rank"))
    heads = f.count("num_attention_heads")
    mla = MlaShape(
        kv_lora_rank=f.count("kv_lora_rank"),
        qk_rope_head_dim=f.count("qk_rope_head_dim"),
        qk_nope_head_dim=f.count("qk_nope_head_dim"),
        v_head_dim=f.count("v_head_dim"),
        q_lora_rank=f.optional_count("q_lora_rank"),
    )
    return ModelShape(
        layers=f.count("num_hidden_layers"),
        hidden=f.count("hidden_size"),
        heads=heads,
        kv_heads=heads,
        head_dim=mla.qk_nope_head_dim,
        intermediate=f.count("intermediate_size"),
        vocab=f.count("vocab_size"),
        tied_embeddings=f.flag("tie_word_embeddings"),
        mla=mla,
        moe=_routed_experts(f),
        max_context_tokens=f.optional_count("max_position_embeddings"),
    )


def _opt(f: ConfigFields) -> ModelShape:
    """OPT: two-matrix feed-forward, every head keeps its own KV, tied embeddings."""
    hidden, heads = f.count("hidden_size"), f.count("num_attention_heads")
    if f.count("word_embed_proj_dim", default=hidden) != hidden:
        raise UnsupportedError(f"{f.where}: key 'word_embed_proj_dim' other than hidden_size is not modelled")
    return ModelShape(
        layers=f.count("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=f.head_dim(),
        intermediate=f.count("ffn_dim"),
        vocab=f.count("vocab_size"),
        gated_ffn=False,
        tied_embeddings=f.flag("tie_word_embeddings", default=True),
        max_context_tokens=f.optional_count("max_position_embeddings"),
    )


def _bloom(f: ConfigFields) -> ModelShape:
    """BLOOM: as OPT with GPT-2's keys, and a feed-forward four times the hidden width."""
    hidden, heads = f.count("hidden_size", "n_embed"), f.count("num_attention_heads", "n_head")
    return ModelShape(
        layers=f.count("num_hidden_layers", "n_layer"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=f.head_dim(),
        intermediate=4 * hidden,
        vocab=f.count("vocab_size"),
        gated_ffn=False,
        tied_embeddings=f.flag("tie_word_embeddings", default=True),
        max_context_tokens=f.optional_count("seq_length"),
    )


#: architecture without its suffix -> reader
READERS: Final[Mapping[str, Callable[[ConfigFields], ModelShape]]] = {
    "Bloom": _bloom,
    "DeepseekV2": _deepseek,
    "DeepseekV3": _deepseek,
    "Gemma2": _gemma2,
    "Gemma3": _gemma3,
    "Glm4Moe": _glm4_moe,
    "GptOss": _local_experts,
    "KimiK25": _deepseek,
    "Llama": _grouped,
    "MiniMaxM2": _local_experts,
    "Mistral": _grouped,
    "Mistral3": _grouped,
    "Mixtral": _local_experts,
    "OPT": _opt,
    "Phi3": _grouped,
    "Qwen2": _grouped,
    "Qwen2Moe": _qwen_moe,
    "Qwen3": _grouped,
    "Qwen3Moe": _qwen_moe,
}
