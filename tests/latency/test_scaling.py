"""TP gains less than its degree, and prefill saturates where the ridge of the roofline says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from latency_shapes import A100, H100, LLAMA_8B, LLAMA_70B, OPT_66B, QWEN_235B

from pdplan.latency import ModelShape, Roofline, prefill_saturation_tokens, speedup
from pdplan.latency.terms import expert_hit_fraction


@given(st.sampled_from([LLAMA_8B, LLAMA_70B, QWEN_235B]), st.sampled_from([2, 4, 8]), st.floats(1, 3e4))
def test_speedup_stays_below_its_degree(shape: ModelShape, tp: int, n: float) -> None:
    assert 0.5 < float(speedup(Roofline(shape, H100), tp, n)) < tp


def test_speedup_grows_with_the_link() -> None:
    model = Roofline(OPT_66B, A100, tp=1)
    slow = Roofline(OPT_66B, type(A100)(A100.flops_per_s, A100.memory_bytes, A100.memory_bytes_per_s, 30e9))
    assert float(speedup(slow, 2, 2048)) < float(speedup(model, 2, 2048)) < 2


@pytest.mark.parametrize(("device", "shape"), [(H100, LLAMA_70B), (A100, LLAMA_8B)])
def test_dense_saturation_is_the_ridge(device: object, shape: ModelShape) -> None:
    # 2 P n / F = 2 P / M in bf16: n = F / M, rates as achieved.
    model = Roofline(shape, device)  # type: ignore[arg-type]
    ridge = model.rates.gemm_flops_per_s / model.rates.memory_bytes_per_s
    assert ridge <= prefill_saturation_tokens(model) < ridge + 1


def test_saturation_of_experts_by_search() -> None:
    model = Roofline(QWEN_235B, H100, tp=8)
    w, r = model.work, model.rates
    bound = [
        2 * n * (w.dense_parameters + w.expert_parameters) / r.gemm_flops_per_s
        >= (w.dense_bytes + w.expert_bytes * expert_hit_fraction(n, 128, 8)) / r.memory_bytes_per_s
        for n in range(1, 8000)
    ]
    assert prefill_saturation_tokens(model) == bound.index(True) + 1
    assert prefill_saturation_tokens(model) > 5 * prefill_saturation_tokens(Roofline(LLAMA_70B, H100, tp=8))
