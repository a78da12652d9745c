"""Invariants of parameter and KV counts; published totals are in tests/spec/test_catalog_models.py."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency.parameters import (
    active_parameters,
    bytes_per_value,
    gqa_attention_parameters,
    kv_bytes,
    kv_bytes_per_token,
    kv_bytes_per_token_per_gpu,
    kv_shards,
    total_parameters,
    weight_bytes,
)
from pdplan.latency.shape import BYTES_PER_VALUE, MlaShape, ModelShape, MoeShape


@st.composite
def shapes(draw: st.DrawFn) -> ModelShape:
    layers = draw(st.integers(1, 100))
    kv_heads = draw(st.integers(1, 16))
    dim = draw(st.sampled_from([64, 128, 256]))
    moe = None
    if draw(st.booleans()):
        experts = draw(st.integers(1, 256))
        moe = MoeShape(
            experts=experts,
            experts_per_token=draw(st.integers(1, experts)),
            expert_intermediate=draw(st.integers(1, 4096)),
            shared_intermediate=draw(st.integers(0, 4096)),
            dense_layers=draw(st.integers(0, layers)),
        )
    return ModelShape(
        layers=layers,
        hidden=draw(st.integers(64, 16384)),
        heads=kv_heads * draw(st.integers(1, 16)),
        kv_heads=kv_heads,
        head_dim=dim,
        intermediate=draw(st.integers(64, 65536)),
        vocab=draw(st.integers(1000, 300_000)),
        gated_ffn=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
        mla=MlaShape(512, 64, 128, 128, draw(st.sampled_from([None, 1536]))) if draw(st.booleans()) else None,
        moe=moe,
        sliding_window=draw(st.integers(1, 10_000)),
        sliding_layers=draw(st.integers(0, layers)),
    )


@given(shapes())
def test_a_token_uses_no_more_than_is_stored_and_the_head(shape: ModelShape) -> None:
    assert 0 < active_parameters(shape) <= total_parameters(shape)


@given(shapes())
def test_narrow_weights_lie_between_all_narrow_and_all_16_bit(shape: ModelShape) -> None:
    total = total_parameters(shape)
    for dtype in BYTES_PER_VALUE:
        narrow = bytes_per_value(dtype)
        assert (
            narrow * total * (1 - 1e-12)
            <= weight_bytes(shape, dtype)
            <= max(2.0, narrow) * total * (1 + 1e-12)
        )
    assert weight_bytes(shape, "bf16") == 2 * total


@given(shapes(), st.integers(0, 200_000), st.integers(0, 200_000))
def test_kv_grows_with_context_and_never_beyond_full_layers(shape: ModelShape, a: int, b: int) -> None:
    low, high = sorted((a, b))
    per_token = kv_bytes_per_token(shape)
    assert kv_bytes(shape, low) <= kv_bytes(shape, high) <= per_token * high
    full_share = (shape.layers - shape.sliding_layers) / shape.layers
    assert kv_bytes(shape, high) >= per_token * high * full_share * (1 - 1e-12)
    np.testing.assert_array_equal(
        kv_bytes(shape, np.array([low, high])), [kv_bytes(shape, low), kv_bytes(shape, high)]
    )


@given(shapes(), st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_kv_shards_stop_at_the_kv_heads(shape: ModelShape, tp: int) -> None:
    assert kv_shards(shape, tp) == (1 if shape.mla else min(tp, shape.kv_heads))
    assert kv_bytes_per_token_per_gpu(shape, tp) * kv_shards(shape, tp) == pytest.approx(
        kv_bytes_per_token(shape)
    )


def test_attention_count_is_an_expression() -> None:
    h, n, k, d = sympy.symbols("h n k d", positive=True)
    expanded = sympy.expand(gqa_attention_parameters(h, n, k, d))
    assert expanded == sympy.expand(h * n * d + 2 * h * k * d + n * d * h)


@pytest.mark.parametrize("tp", [0, -1, 1.5])
def test_tp_is_a_positive_whole_number(tp: float) -> None:
    with pytest.raises(InputError, match="tp is"):
        kv_shards(ModelShape(2, 64, 4, 2, 16, 128, 1000), tp)  # type: ignore[arg-type]


def test_unknown_dtype_and_negative_context_are_refused() -> None:
    shape = ModelShape(2, 64, 4, 2, 16, 128, 1000)
    with pytest.raises(InputError, match="dtype is 'fp7'"):
        kv_bytes_per_token(shape, "fp7")
    with pytest.raises(InputError, match="context_tokens is -1"):
        kv_bytes(shape, -1)
