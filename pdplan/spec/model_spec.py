"""A model as the catalog knows it: its name, its dimensions, and the dtype it was released in."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from pdplan.errors import InputError
from pdplan.latency.shape import Dtype, ModelShape
from pdplan.spec.items import NamedItem

#: dimension -> (least, most) that a decoder-only transformer can have
LIMITS: Final = {
    "layers": (1, 2_000),
    "hidden": (1, 1_000_000),
    "heads": (1, 10_000),
    "kv_heads": (1, 10_000),
    "head_dim": (1, 65_536),
    "intermediate": (1, 10_000_000),
    "vocab": (1, 100_000_000),
    "sliding_window": (1, 1_000_000_000),
    "sliding_layers": (0, 2_000),
    "max_context_tokens": (1, 1_000_000_000),
    "mla.kv_lora_rank": (1, 1_000_000),
    "mla.qk_rope_head_dim": (1, 65_536),
    "mla.qk_nope_head_dim": (1, 65_536),
    "mla.v_head_dim": (1, 65_536),
    "mla.q_lora_rank": (1, 1_000_000),
    "moe.experts": (1, 100_000),
    "moe.experts_per_token": (1, 100_000),
    "moe.expert_intermediate": (1, 10_000_000),
    "moe.shared_intermediate": (0, 10_000_000),
    "moe.dense_layers": (0, 2_000),
}


class ModelSpec(NamedItem):
    """One model of the catalog, or one read from a Hugging Face ``config.json``."""

    family: str = Field(min_length=1, description="llama, qwen3, deepseek-v3, ...")
    shape: ModelShape
    weights_dtype: Dtype = Field(description="dtype of the released weights")

    @field_validator("shape")
    @classmethod
    def _shape_can_exist(cls, shape: ModelShape) -> ModelShape:
        require_shape(shape)
        return shape


def require_shape(shape: ModelShape) -> None:
    """Raise `InputError` unless the dimensions are in range and agree with each other.

    Examples
    --------
    >>> require_shape(ModelShape(32, 4096, 32, 8, 128, 14336, 128256))
    >>> require_shape(ModelShape(32, 4096, 32, 7, 128, 14336, 128256))
    Traceback (most recent call last):
    pdplan.errors.InputError: kv_heads is 7 and heads is 32: heads must be a multiple of kv_heads
    """
    for key, (least, most) in LIMITS.items():
        holder, _, name = key.rpartition(".")
        owner = getattr(shape, holder) if holder else shape
        value = None if owner is None else getattr(owner, name)
        if value is not None and not least <= value <= most:
            raise InputError(f"{key} is {value}: it must lie between {least} and {most}")
    if shape.heads % shape.kv_heads:
        raise InputError(
            f"kv_heads is {shape.kv_heads} and heads is {shape.heads}: heads must be a multiple of kv_heads"
        )
    if shape.sliding_layers > shape.layers:
        raise InputError(f"sliding_layers is {shape.sliding_layers}: there are only {shape.layers} layers")
    if shape.sliding_layers and shape.sliding_window is None:
        raise InputError(f"sliding_layers is {shape.sliding_layers} and sliding_window is missing")
    moe = shape.moe
    if moe is not None and moe.experts_per_token > moe.experts:
        raise InputError(f"moe.experts_per_token is {moe.experts_per_token} of {moe.experts} experts")
    if moe is not None and moe.dense_layers > shape.layers:
        raise InputError(f"moe.dense_layers is {moe.dense_layers}: there are only {shape.layers} layers")
