"""The roofline against arithmetic by hand, its limits, and its promises to the planner."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latency_shapes import A100, DEEPSEEK_V3, GPT_OSS_20B, H100, LLAMA_8B, LLAMA_70B, QWEN_235B

from pdplan.errors import InputError
from pdplan.latency import LatencyModel, ModelShape, Roofline, RooflineFactors, prompt_prefill_s
from pdplan.latency.factors import efficiency_at, matrix_flops_per_s
from pdplan.trust import Trust

IDEAL = RooflineFactors(
    compute_efficiency=0.95,
    compute_efficiency_per_decade=0.0,
    attention_efficiency=0.95,
    attention_efficiency_per_decade=0.0,
    memory_efficiency=1.0,
    scale_up_efficiency=1.0,
    all_reduce_latency_s=0.0,
    kernel_floor_s=0.0,
    layer_launch_s=0.0,
    step_overhead_s=0.0,
    sequence_overhead_s=0.0,
)
SHAPES = st.sampled_from([LLAMA_8B, LLAMA_70B, QWEN_235B, DEEPSEEK_V3, GPT_OSS_20B])
DEGREES = st.sampled_from([1, 2, 4, 8])


def test_ideal_decode_reads_weights_and_kv() -> None:
    # Llama-3.1-8B in bf16: 6.979e9 parameters of layers + 0.525e9 of the head, 2 B each, over 3.35 TB/s;
    # KV 131072 B a token; element-wise kernels 180 kB a layer and sequence.
    model = Roofline(LLAMA_8B, H100, efficiency=IDEAL)
    weights = 2 * (6_979_321_856 + 128256 * 4096)
    kv = 16 * 1000 * 131072
    small = 16 * 32 * 2 * (8 * 4096 + 2 * 6144 + 3 * 14336)
    assert float(model.decode_step_s(16, 16_000)) == pytest.approx((weights + kv + small) / 3.35e12, rel=1e-9)


def test_ideal_prefill_computes_layers_and_attention() -> None:
    n = 8192.0
    model = Roofline(LLAMA_8B, H100, efficiency=IDEAL)
    linear = 2 * 6_979_321_856 * n
    attention = 32 * 32 * 256 * n * n
    head = 2 * 128256 * 4096 / 3.35e12
    small = n * 32 * 2 * (8 * 4096 + 2 * 6144 + 3 * 14336) / 3.35e12
    expected = (linear + attention) / (0.95 * 989.4e12) + head + small
    assert float(model.prefill_step_s(n, n * n)) == pytest.approx(expected, rel=1e-9)


def test_experts_read_and_computed() -> None:
    # Qwen3-235B-A22B: one token reads 8 of 128 experts, many tokens all; FLOPs stay those of 8.
    model = Roofline(QWEN_235B, H100, tp=8, efficiency=IDEAL)
    expert = 3 * 4096 * 1536
    assert model.work.expert_parameters * 8 == 94 * 8 * expert
    assert model.work.expert_bytes * 8 == 94 * 128 * expert * 2
    # At 200 tokens every expert is hit and reading still takes longer than computing. The other bytes are
    # those of element-wise kernels: gathered inputs and outputs of experts are whole on every rank.
    small = 94 * 2 * (8 * 4096 + 2 * (8 * 128 + 256) + 3 * 8 * 1536 / 8 + 4 * 8 * 4096)
    one, many = (float(model.decode_breakdown(b, 0.0).memory_s) for b in (1.0, 200.0))
    expected = model.work.expert_bytes * (1 - 1 / 16) + 199 * small
    assert many - one == pytest.approx(expected / 3.35e12, rel=1e-4)


def test_latent_attention_decodes_in_its_absorbed_form() -> None:
    work = Roofline(DEEPSEEK_V3, H100, tp=8, weights_dtype="fp8").work
    assert (work.decode_qk_dim, work.decode_v_dim) == (576, 512)
    assert (work.prefill_qk_dim, work.prefill_v_dim) == (192, 128)
    assert work.kv_layer_bytes == 2 * 576  # not divided by tp


def test_kv_divides_up_to_the_kv_heads() -> None:
    assert Roofline(QWEN_235B, H100, tp=8).work.kv_layer_bytes == 2 * 2 * 128  # one of 4 heads, twice held


def test_sliding_layers_read_at_most_their_window() -> None:
    plain = replace(GPT_OSS_20B, sliding_window=None, sliding_layers=0)
    sliding, full = (Roofline(s, H100) for s in (GPT_OSS_20B, plain))
    assert float(sliding.decode_step_s(8, 8 * 100)) == pytest.approx(float(full.decode_step_s(8, 8 * 100)))
    long = [
        float(m.decode_step_s(8, 8 * 32_000)) - float(m.decode_step_s(8, 8 * 128)) for m in (sliding, full)
    ]
    assert long[0] == pytest.approx(long[1] / 2, rel=1e-6)
    assert prompt_prefill_s(sliding, 16_000) < prompt_prefill_s(full, 16_000)


@given(SHAPES, DEGREES, st.floats(1, 2e4), st.floats(1.01, 3))
def test_prefill_grows_with_the_prompt(shape: ModelShape, tp: int, n: float, factor: float) -> None:
    model = Roofline(shape, H100, tp=tp)
    # A launch-bound step is flat, but for rounding.
    assert prompt_prefill_s(model, n * factor) >= prompt_prefill_s(model, n) * (1 - 1e-12)


@given(SHAPES, DEGREES, st.floats(1, 512), st.floats(1, 3e4), st.floats(1.01, 3))
def test_decode_grows_with_batch_and_context(
    shape: ModelShape, tp: int, batch: float, context: float, factor: float
) -> None:
    model = Roofline(shape, H100, tp=tp)
    step = float(model.decode_step_s(batch, batch * context))
    assert float(model.decode_step_s(batch * factor, batch * factor * context)) >= step * (1 - 1e-12)
    assert float(model.decode_step_s(batch, batch * context * factor)) >= step * (1 - 1e-12)


@given(SHAPES, st.floats(1, 256), st.floats(1, 2e4), st.floats(1, 8192))
def test_mixed_step_is_one_pass(shape: ModelShape, batch: float, context: float, chunk: float) -> None:
    model = Roofline(shape, H100, tp=4)
    decode = float(model.decode_step_s(batch, batch * context))
    prefill = float(model.prefill_step_s(chunk, chunk**2))
    mixed = float(model.mixed_step_s(batch, batch * context, chunk, chunk**2))
    assert max(decode, prefill) * (1 - 1e-9) <= mixed <= decode + prefill
    assert float(model.mixed_step_s(batch, batch * context, 0.0, 0.0)) == pytest.approx(decode)


@given(SHAPES, DEGREES, st.lists(st.floats(1, 1e4), min_size=1, max_size=6))
def test_arrays_and_numbers_agree(shape: ModelShape, tp: int, values: list[float]) -> None:
    model = Roofline(shape, H100, tp=tp)
    x = np.array(values)
    assert model.prefill_step_s(x, x**2) == pytest.approx(
        [float(model.prefill_step_s(v, v**2)) for v in values]
    )
    assert model.decode_step_s(x, x * 99) == pytest.approx(
        [float(model.decode_step_s(v, v * 99)) for v in values]
    )
    parts = model.decode_breakdown(x, x * 99)
    assert parts.total_s == pytest.approx(model.decode_step_s(x, x * 99))


def test_dominant_terms() -> None:
    model = Roofline(LLAMA_70B, H100, tp=4)
    assert model.prefill_breakdown(4096.0, 4096.0**2).dominant == "compute"
    assert model.decode_breakdown(32.0, 64e3).dominant == "memory"
    slow = replace(H100, scale_up_bytes_per_s=20e9)
    assert Roofline(LLAMA_70B, slow, tp=8).prefill_breakdown(4096.0, 4096.0**2).dominant == "communication"
    assert Roofline(LLAMA_8B, H100, tp=8).prefill_breakdown(16.0, 256.0).dominant == "overhead"
    assert "compute" in str(model.prefill_breakdown(4096.0, 4096.0**2))


def test_pipeline_passes_and_intervals() -> None:
    flat, piped = Roofline(LLAMA_70B, H100, tp=4), Roofline(LLAMA_70B, H100, tp=4, pp=2)
    n = 4096.0
    assert float(piped.prefill_step_s(n, n * n)) == pytest.approx(
        float(flat.prefill_step_s(n, n * n)), rel=0.01
    )
    assert float(piped.prefill_interval_s(n, n * n)) == pytest.approx(
        float(piped.prefill_step_s(n, n * n)) / 2, rel=1e-9
    )
    # A part of 32 sequences in each stage: the step of 64 is the pass of 32, plus hand-over.
    part = float(flat.decode_step_s(32.0, 64e3))
    assert part < float(piped.decode_step_s(64.0, 128e3)) < 1.1 * part


def test_narrow_weights_run_at_the_rate_the_device_has() -> None:
    assert matrix_flops_per_s(H100, "fp8") == 1978.9e12
    assert matrix_flops_per_s(A100, "fp8") == 312e12
    assert matrix_flops_per_s(H100, "mxfp4") == 989.4e12
    bf16, fp8 = (Roofline(LLAMA_8B, H100, weights_dtype=d) for d in ("bf16", "fp8"))
    assert float(fp8.decode_step_s(1, 1)) < float(bf16.decode_step_s(1, 1))


def test_efficiency_line_passes_its_sources() -> None:
    # Maximum achievable matmul FLOPS (ml-engineering, 2026-08) x 0.88: A100 0.869, H100 0.803, B200 0.776.
    f = RooflineFactors()
    for peak, measured in ((312e12, 0.869), (989.4e12, 0.803), (2250e12, 0.776)):
        line = efficiency_at(peak, f.compute_efficiency, f.compute_efficiency_per_decade)
        assert line == pytest.approx(0.88 * measured, abs=0.025)
    # FlashAttention-2 on A100 0.70; FlashAttention-3 on H100 0.62; H20 0.73 (2k tokens) to 0.88.
    for peak, low, high in ((312e12, 0.68, 0.75), (989.4e12, 0.60, 0.64), (148e12, 0.73, 0.88)):
        assert low <= efficiency_at(peak, f.attention_efficiency, f.attention_efficiency_per_decade) <= high


def test_model_says_what_it_is() -> None:
    model = Roofline(replace(LLAMA_8B, max_context_tokens=131072), H100)
    assert isinstance(model, LatencyModel)
    assert model.trust is Trust.APPROXIMATE
    assert model.prefill_range == (1.0, 131072.0)
    assert "roofline" in model.source
    # vLLM 0.19 at concurrency 1: 7, 15, 47 and 131 ms before the prefill of 1k, 8k, 32k and 100k tokens.
    tokens = np.array([1e3, 8e3, 32e3, 1e5])
    assert model.request_overhead_s(tokens) * 1e3 == pytest.approx([7, 15, 47, 131], rel=0.1)


@pytest.mark.parametrize(
    ("tp", "pp", "message"), [(16, 1, "scale-up domain"), (0, 1, "tp is 0"), (1, 99, "pp is 99")]
)
def test_degrees_are_checked(tp: int, pp: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Roofline(LLAMA_8B, H100, tp=tp, pp=pp)


@pytest.mark.parametrize(
    "bad", [{"memory_efficiency": 0.0}, {"compute_efficiency": 1.5}, {"step_overhead_s": -1.0}]
)
def test_factors_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        RooflineFactors(**bad)


@pytest.mark.speed
def test_planner_speed() -> None:
    batch, n = np.arange(1, 257.0), np.linspace(10, 9000, 2000)

    def best(repeat: int) -> float:
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            model = Roofline(LLAMA_70B, H100, tp=4)
            model.decode_step_s(batch, batch * 1000)
            model.prefill_step_s(n, n * n)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(50) < 1.5e-3  # three budgets of 0.5 ms; about 0.3 ms on an idle core
