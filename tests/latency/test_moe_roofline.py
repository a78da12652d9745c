"""Attention ranks and expert parallelism against arithmetic by hand, limits, and what must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latency_shapes import DEEPSEEK_V3, GPT_OSS_20B, H100, LLAMA_8B, LLAMA_70B, QWEN_235B

from pdplan.errors import InfeasibleError, InputError
from pdplan.latency import ModelShape, Roofline, RooflineFactors, memory_fit, prefill_saturation_tokens
from pdplan.latency.memory import weights_bytes_per_gpu
from pdplan.latency.parameters import parameter_groups, weight_bytes

NDR = 50e9
#: Step times before attention ranks and expert parallelism were modelled: prefill of 3000 tokens, decode of
#: 48 at a context of 1500, 20 decodes at 1500 with a chunk of 512 at 900 [s].
BEFORE = [
    (LLAMA_8B, 1, 1, "bf16", (0.07129926220241296, 0.010972373683582089, 0.015140200304046846)),
    (LLAMA_70B, 4, 2, "bf16", (0.2046862455231297, 0.018976422893532338, 0.03924991363083946)),
    (QWEN_235B, 8, 1, "bf16", (0.09515844467912321, 0.02918861379332255, 0.039257873744447655)),
    (DEEPSEEK_V3, 8, 1, "fp8", (0.11246079914697303, 0.03186190984491096, 0.04858278980900153)),
    (GPT_OSS_20B, 2, 1, "mxfp4", (0.02291174304605442, 0.005189027061307537, 0.0069939999999999985)),
]


def spread(gpus: int, tp: int = 1, ep: int | None = None, **factors: float) -> Roofline:
    """DeepSeek-V3 on so many H100, experts over all of them."""
    return Roofline(
        DEEPSEEK_V3,
        H100,
        tp=tp,
        weights_dtype="fp8",
        efficiency=RooflineFactors(**factors),
        dp_attention=gpus // tp,
        ep=gpus if ep is None else ep,
        nic_bytes_per_s=NDR,
    )


@pytest.mark.parametrize(("shape", "tp", "pp", "dtype", "before"), BEFORE)
def test_one_rank_is_what_it_was(
    shape: ModelShape, tp: int, pp: int, dtype: str, before: tuple[float, float, float]
) -> None:
    model = Roofline(shape, H100, tp=tp, pp=pp, weights_dtype=dtype)
    now = (
        float(model.prefill_step_s(3000.0, 3000.0**2)),
        float(model.decode_step_s(48.0, 48 * 1500.0)),
        float(model.mixed_step_s(20.0, 30e3, 512.0, 512.0 * 900)),
    )
    assert now == pytest.approx(before, rel=1e-14)


def test_work_of_a_rank_by_hand() -> None:
    # A rank holds what is not routed: 187,105,280 x 61 of attention, 3 x 7168 x 18432 x 3 of dense layers,
    # 3 x 7168 x 2048 x 58 of shared experts, 7168 x 256 x 58 of routers. Of 58 x 256 experts of 44,040,192 it
    # holds 288/256 over 32 GPUs; 8 of 256 are visited.
    work = spread(32).work
    dense = 187_105_280 * 61 + 3 * 396_361_728 + 58 * 44_040_192 + 58 * 7168 * 256
    assert work.dense_parameters == dense
    assert work.expert_parameters == 58 * 8 * 44_040_192 / 32
    assert work.expert_bytes == 58 * 288 * 44_040_192 / 32
    assert work.all_reduces == 0
    # Experts' kernels: 3 values of the inner width and 4 of the hidden one for each visit, 1/32 of them here.
    assert work.expert_values == pytest.approx(58 * 8 * (3 * 2048 + 4 * 7168) / 32)


def test_weights_and_kv_of_ranks_by_hand() -> None:
    groups = parameter_groups(DEEPSEEK_V3)
    experts = groups.experts * 1.0
    by_hand = weight_bytes(DEEPSEEK_V3, "fp8") - experts + experts * 1.125 / 32
    assert weights_bytes_per_gpu(DEEPSEEK_V3, "fp8", 1, 1, 32, 32) == pytest.approx(by_hand)
    fit = memory_fit(DEEPSEEK_V3, 80e9, 1, weights_dtype="fp8", dp_attention=32, ep=32)
    # one rank: (0.92 x 80e9 - weights) over 70,272 B a token in blocks of 16; 32 ranks hold 32 times that
    assert fit.kv_capacity_tokens == 32 * ((0.92 * 80e9 - by_hand) / 70272 // 16 * 16)


def test_too_few_gpus_say_so() -> None:
    with pytest.raises(InfeasibleError, match=r"dp_attention 8 ep 8.*spread the experts over more GPUs"):
        memory_fit(DEEPSEEK_V3, 80e9, 1, weights_dtype="fp8", dp_attention=8, ep=8)


def test_experts_within_tp_send_what_tp_sends() -> None:
    tp8 = Roofline(DEEPSEEK_V3, H100, tp=8, weights_dtype="fp8")
    ep8 = replace(tp8, ep=8)
    # decode at one token: experts' kernels have an eighth of the gathered rows, the rest is as it was
    assert ep8.decode_breakdown(1.0, 1e3).communication_s == tp8.decode_breakdown(1.0, 1e3).communication_s
    assert ep8.work.expert_bytes == tp8.work.expert_bytes
    even = replace(ep8, efficiency=RooflineFactors(expert_imbalance=1.0))
    assert float(even.prefill_step_s(8192.0, 8192.0**2)) <= float(tp8.prefill_step_s(8192.0, 8192.0**2))
    assert float(ep8.prefill_step_s(8192.0, 8192.0**2)) > float(even.prefill_step_s(8192.0, 8192.0**2))


def test_one_prompt_works_one_rank() -> None:
    model, rank = spread(32), 4096.0
    alone = float(model.prefill_step_s(rank, rank**2))
    full = float(model.prefill_step_s(32 * rank, 32 * rank**2))
    assert alone < full < 32 * alone
    # attention and dense layers of one rank are the same in both: only experts and exchange grow
    for tokens in (rank, 32 * rank):
        share = max(1 / 32, rank / tokens)
        assert tokens * share == rank


def test_exchange_of_decode_by_hand() -> None:
    # 32 ranks of 8 sequences, even experts: 8 tokens a GPU, 8 copies each of which 24/32 leave the node,
    # there in fp8 with scales (1.03125 B) and back in bf16, at 0.8 of 50 GB/s, and two starts of 20 us, in 58
    # layers; below 64 tokens nothing is hidden.
    model = spread(32, expert_imbalance=1.0)
    exchange = 58 * (2 * 20e-6 + 8 * 8 * (24 / 32) * 7168 * 3.03125 / 40e9)
    assert float(model.decode_breakdown(256.0, 256e3).communication_s) == pytest.approx(exchange)


def test_exchange_without_expert_parallelism_gathers_and_scatters() -> None:
    # 64 tokens of 7168 values in 16 bits, 7/8 of them from other GPUs, each way at 0.8 of 450 GB/s and 10 us
    model = spread(8, ep=1)
    by_hand = 58 * 2 * (10e-6 + 64 * 7168 * 2 * (7 / 8) / 360e9)
    assert float(model.decode_breakdown(64.0, 64e3).communication_s) == pytest.approx(by_hand)


def test_overlap_hides_at_most_its_share() -> None:
    open_, hidden = spread(32, all_to_all_overlap=0.0), spread(32, all_to_all_overlap=0.6)
    tokens, pairs = 32 * 8192.0, 32 * 8192.0 * 4096
    before, after = open_.prefill_breakdown(tokens, pairs), hidden.prefill_breakdown(tokens, pairs)
    shorter = min(float(before.communication_s), float(before.compute_s + before.memory_s))
    assert float(before.total_s - after.total_s) == pytest.approx(0.6 * shorter)
    # halves of 32 sequences a GPU are too small to gain
    assert float(open_.decode_step_s(1024.0, 1e6)) == float(hidden.decode_step_s(1024.0, 1e6))


@given(
    st.sampled_from([(8, 1), (16, 2), (32, 4), (32, 1), (72, 1)]), st.floats(1, 20_000), st.floats(64, 16_000)
)
def test_steps_grow_with_batch_and_context(gpus: tuple[int, int], batch: float, context: float) -> None:
    model = spread(*gpus)
    step = float(model.decode_step_s(batch, batch * context))
    assert float(model.decode_step_s(batch, batch * context * 1.1)) >= step
    assert float(model.decode_step_s(batch * 1.1, batch * 1.1 * context)) >= step * (1 - 1e-12)
    assert float(model.mixed_step_s(batch, batch * context, 100.0, 1e4)) >= step


@given(st.sampled_from([8, 32]), st.floats(1, 1e6), st.floats(16, 32_000))
def test_prefill_grows_with_tokens(gpus: int, tokens: float, prompt: float) -> None:
    model = spread(gpus)
    assert float(model.prefill_step_s(tokens * 1.1, tokens * 1.1 * prompt)) >= float(
        model.prefill_step_s(tokens, tokens * prompt)
    ) * (1 - 1e-12)


def test_arrays_are_what_numbers_are() -> None:
    model = spread(32)
    batch = np.array([1.0, 40.0, 4000.0])
    together = model.decode_step_s(batch, batch * 900)
    assert together.tolist() == pytest.approx(
        [float(model.decode_step_s(b, b * 900)) for b in batch.tolist()]
    )
    assert model.decode_range == (1.0, 1024.0 * 32)
    assert prefill_saturation_tokens(model) > prefill_saturation_tokens(spread(8, tp=8))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dp_attention": 8, "ep": 4}, "ep is 4 with tp 1 and dp_attention 8: it must be 1 or 8"),
        ({"tp": 8, "ep": 3}, "ep is 3 with tp 8 and dp_attention 1: it must divide tp"),
        ({"dp_attention": 16, "ep": 1}, "leaves the scale-up domain of 8 GPUs: set ep to 16"),
        ({"dp_attention": 16, "ep": 16}, "it needs a network"),
        ({"dp_attention": 512, "ep": 512, "nic_bytes_per_s": NDR}, "the model has 256 experts"),
        ({"dp_attention": 0}, "dp_attention is 0"),
        ({"ep": 1.5}, "ep is 1.5"),
        ({"shape": LLAMA_70B, "tp": 8, "dp_attention": 2}, "no experts to share"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Roofline(**({"shape": DEEPSEEK_V3, "device": H100, "weights_dtype": "fp8"} | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expert_imbalance": 0.9}, "expert_imbalance is 0.9"),
        ({"all_to_all_overlap": 1.1}, "all_to_all_overlap"),
        ({"nic_efficiency": 0.0}, "nic_efficiency"),
        ({"rank_context_scv": -1.0}, "rank_context_scv"),
        ({"overlap_from_tokens": 300.0}, "overlap_from_tokens is 300"),
        ({"all_to_all_latency_s": float("nan")}, "all_to_all_latency_s"),
        ({"expert_imbalance": float("nan")}, "expert_imbalance"),
    ],
)
def test_factors_out_of_range(change: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RooflineFactors(**change)
