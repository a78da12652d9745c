"""Published numbers that these formulas must give, each with its source.

A: Li, Li, Gong, Zhang 2026, arXiv 2603.04716 (Kingsoft Cloud), text and the authors' demo.py at f57c47c.
B: Zhong et al. 2024 (DistServe, OSDI), arXiv 2401.09670v3. C05: DeepSeek-V3/R1 inference system overview,
2025-03-01. C12: arXiv 2505.09343, table 1. D01: Yang, Xu, Jiao 2024 (WiOpt), arXiv 2407.05347. E: config.json
of the models. F01: a course lab on the economics of disaggregation.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.latency.parameters import kv_bytes_per_token
from pdplan.latency.shape import MlaShape, ModelShape
from pdplan.queueing import MG1, Atoms
from pdplan.serving.decode import DecodeTable
from pdplan.serving.economics import (
    colocated_itl_worst,
    disagg_ttft_penalty,
    kv_payload_bytes,
    pd_counts,
    pd_ratio,
    transfer_seconds,
)
from pdplan.serving.kv import kv_bytes_in_dtype
from pdplan.serving.prefill import (
    effective_prefill_throughput,
    mean_ttft_inter_op_s,
    mean_ttft_intra_op_s,
    mean_ttft_s,
    smallest_ttft_s,
)
from pdplan.serving.transfer import link_utilization

# A02: figure 2 of arXiv 2603.04716, DeepSeek-V3.1-Terminus on 8 x H200, 6144 in, 512 out, milliseconds
BATCH_6K = (10, 20, 30, 40, 50, 60)
TPOT_6K_MS = (12.8, 16.4, 18.8, 21.6, 23.9, 26.2)
TABLE_6K = DecodeTable.from_mapping({b: t / 1e3 for b, t in zip(BATCH_6K, TPOT_6K_MS, strict=True)})
# A09: the same figure, 12288 in, read off to 2%
BATCH_12K = (10, 15, 20, 25, 30, 35, 40)
TPOT_12K_MS = (13.9, 15.5, 17.4, 19.5, 21.2, 22.4, 24.3)


def test_a01_effective_prefill_throughput() -> None:
    assert effective_prefill_throughput(28309, 6144, 2.0, 0.1) == pytest.approx(25075.3158, rel=1e-6)
    # the text takes 28300 and rounds to "approximately 25000"
    assert effective_prefill_throughput(28300, 6144, 2.0, 0.1) == pytest.approx(25000, rel=0.005)


def test_a02_throughput_of_the_table() -> None:
    published = (781.25, 1219.5122, 1595.7447, 1851.8519, 2092.0502, 2290.0763)
    assert np.allclose(TABLE_6K.throughput(BATCH_6K), published, rtol=1e-6)


def test_a03_throughput_at_20_ms() -> None:
    assert TABLE_6K.quadratic_throughput(0.020) == pytest.approx(1690.9547, rel=1e-4)
    assert TABLE_6K.largest_batch(0.020) == pytest.approx(34.2857, rel=1e-4)
    assert TABLE_6K.throughput(TABLE_6K.largest_batch(0.020)) == pytest.approx(1714.2857, rel=1e-4)
    assert TABLE_6K.quadratic_throughput(0.020) == pytest.approx(1700, rel=0.01)  # the text


@pytest.mark.parametrize(
    ("prefill", "decode", "need"),
    [(25075, 1690, (3.06772, 3.793051, 0.808774)), (25000, 1700, (3.076923, 3.770739, 0.816))],
    ids=["A04 demo.py", "A05 text"],
)
def test_a04_a05_counts(prefill: float, decode: float, need: tuple[float, float, float]) -> None:
    counts = pd_counts(5e6 / 60, 6144, 512, prefill, decode)
    assert counts.prefill == pytest.approx(need[0], rel=1e-5)
    assert counts.decode == pytest.approx(need[1], rel=1e-5)
    assert pd_ratio(6144, 512, prefill, decode) == pytest.approx(need[2], rel=1e-5)
    # 3P4D, which the paper chose, carries 97.5 to 97.8% of the demand
    assert 0.97 < counts.carried_fraction(3, 4) < 0.98


def test_a07_least_ttft() -> None:
    """demo.py resets a target below 0.95 (overhead + bare prefill) to that; here the full sum is refused."""
    bare = smallest_ttft_s(28309, 6144, 0.1)
    assert 0.95 * bare == pytest.approx(0.301182, rel=1e-5)
    with pytest.raises(InfeasibleError):
        effective_prefill_throughput(28309, 6144, bare, 0.1)


def test_a09_longer_prompts_leave_smaller_batches() -> None:
    table = DecodeTable.from_mapping({b: t / 1e3 for b, t in zip(BATCH_12K, TPOT_12K_MS, strict=True)})
    for batch, tpot_ms in zip(BATCH_12K, TPOT_12K_MS, strict=True):
        assert table.largest_batch(tpot_ms / 1e3) == pytest.approx(batch, rel=1e-9)
    assert 26 < table.largest_batch(0.020) < 27
    assert table.largest_batch(0.020) < TABLE_6K.largest_batch(0.020)


@pytest.mark.parametrize(
    ("rate", "single", "inter", "intra"),
    [
        (1, 0.225, 0.20555555555555557, 0.14358974358974358),
        (2, 0.2666666666666667, 0.21250000000000002, 0.1575757575757576),
        (4, 0.6000000000000002, 0.23333333333333334, 0.20952380952380956),
        (6, None, 0.275, 0.40000000000000024),
    ],
)
def test_b01_equations_1_to_3(rate: float, single: float | None, inter: float, intra: float) -> None:
    """D = 0.2 s, K = 1.5; None is unstable."""
    if single is None:
        with pytest.raises(UnstableError):
            mean_ttft_s(rate, 0.2)
    else:
        assert mean_ttft_s(rate, 0.2) == pytest.approx(single, rel=1e-9)
    assert mean_ttft_inter_op_s(rate, 0.2) == pytest.approx(inter, rel=1e-9)
    assert mean_ttft_intra_op_s(rate, 0.2, 1.5) == pytest.approx(intra, rel=1e-9)


def test_b02_opt_66b_freight() -> None:
    """Section 3.3: 512 tokens are "1.13 GB" (1.125 GiB), and 10 req/s need "90 Gbps" (96.6 in decimal)."""
    per_token = 2 * 64 * 9216 * 2
    payload = kv_payload_bytes(512, per_token)
    assert payload == 1207959552
    assert payload / 2**30 == pytest.approx(1.13, rel=0.01)
    assert link_utilization(10, payload, 1, 90e9 / 8) == pytest.approx(1.0, rel=0.08)
    assert transfer_seconds(10 * payload, 96.636764) == pytest.approx(1.0, rel=1e-6)


def test_c05_deepseek_production() -> None:
    """24 h: 608e9 tokens in (hits included), 168e9 out, 73.7k and 14.8k tok/s a node, 226.75 nodes."""
    tokens_in, tokens_out, day = 608e9, 168e9, 86400.0
    counts = pd_counts((tokens_in + tokens_out) / day, tokens_in, tokens_out, 73700, 14800)
    assert counts.prefill == pytest.approx(95.48218503442385, rel=1e-9)
    assert counts.decode == pytest.approx(131.38138138138137, rel=1e-9)
    assert counts.prefill + counts.decode == pytest.approx(226.75, rel=0.01)
    assert (counts.prefill + counts.decode) * 8 * 2.0 * 24 == pytest.approx(87072, rel=0.01)  # USD a day


def _mla(layers: int) -> ModelShape:
    return ModelShape(layers, 7168, 128, 128, 128, 18432, 129280, mla=MlaShape(512, 64, 128, 128))


def _gqa(layers: int, kv_heads: int, head_dim: int = 128) -> ModelShape:
    return ModelShape(layers, 4096, 64, kv_heads, head_dim, 14336, 128256)


@pytest.mark.parametrize(
    ("shape", "published"),
    [
        (_mla(61), 70272),  # DeepSeek-V3/R1, Kimi-K2: 61 x (512 + 64) x 2
        (_gqa(80, 8), 327680),  # Qwen2.5-72B, Llama-3.1-70B
        (_gqa(126, 8), 516096),  # Llama-3.1-405B
        (_gqa(32, 8), 131072),  # Llama-3.1-8B, Mixtral-8x7B
        (_gqa(28, 8), 114688),  # Qwen3-0.6B
        (_gqa(36, 8), 147456),  # Qwen3-8B
        (_gqa(64, 8), 262144),  # Qwen3-32B
        (_gqa(48, 4), 98304),  # Qwen3-30B-A3B
        (_gqa(94, 4), 192512),  # Qwen3-235B-A22B
        (_gqa(62, 8), 253952),  # Qwen3-Coder-480B-A35B
        (_gqa(56, 8), 229376),  # Mixtral-8x22B
        (_gqa(24, 8, 64), 49152),  # gpt-oss-20b, all layers at full length
        (_gqa(36, 8, 64), 73728),  # gpt-oss-120b, all layers at full length
        (_gqa(92, 8), 376832),  # GLM-4.5
        (_gqa(46, 8), 188416),  # GLM-4.5-Air
        (_gqa(62, 16), 507904),  # Gemma-3-27B, all layers at full length
        (_gqa(40, 40), 819200),  # OPT-13B
        (_gqa(64, 72), 2359296),  # OPT-66B
        (_gqa(96, 96), 4718592),  # OPT-175B
    ],
)
def test_c12_e01_e02_kv_bytes_per_token(shape: ModelShape, published: int) -> None:
    assert kv_payload_bytes(1, kv_bytes_per_token(shape)) == published
    assert kv_bytes_in_dtype(kv_bytes_per_token(shape), "fp8") == published / 2


@pytest.mark.parametrize(
    ("clip", "mean_s", "rho", "wait_s"),
    [
        (800, 16.072, 0.4018, 5.653),
        (1000, 18.827, 0.4707, 9.013),
        (1600, 24.372, 0.6093, 22.34),
        (2400, 27.996, 0.6999, 42.308),
        (3000, 29.353, 0.7338, 55.365),
    ],
)
def test_d01_clipping_long_outputs(clip: float, mean_s: float, rho: float, wait_s: float) -> None:
    """S = 0.0225 s min(n, clip), n lognormal (7, 0.7), 0.025 req/s: Pollaczek-Khinchine."""
    p = (np.arange(20_000) + 0.5) / 20_000
    n = np.minimum(np.exp(7 + 0.7 * special.ndtri(p)), clip)
    law = MG1(0.025, Atoms(0.0225 * n, np.full(p.size, 1 / p.size)))
    assert law.utilization / 0.025 == pytest.approx(mean_s, rel=0.01)
    assert law.utilization == pytest.approx(rho, rel=0.01)
    assert law.mean_wait_s == pytest.approx(wait_s, rel=0.01)


def test_f01_lab_numbers() -> None:
    """The lab's punchline: 256 MiB, 10.7 and 214.7 ms, 5% and over 100%, 35 ms, 2.5x, 70,272 bytes."""
    payload = kv_payload_bytes(2048, 131072)
    times = [transfer_seconds(payload, rate) for rate in (200, 10)]
    assert payload == 268435456
    assert times == pytest.approx([0.01073741824, 0.2147483648], rel=1e-9)
    assert [disagg_ttft_penalty(t, 0.205) for t in times] == pytest.approx(
        [0.05237764995121951, 1.0475529990243904], rel=1e-9
    )
    assert colocated_itl_worst(0.010, 0.025) == pytest.approx(0.035)
    assert 327680 / 131072 == 2.5
    assert 70272 / 1024 == 68.625
