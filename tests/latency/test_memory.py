"""DistServe's measured KV capacities, and the arithmetic of what fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from latency_shapes import DEEPSEEK_V3, LLAMA_8B, LLAMA_70B, OPT_13B, OPT_66B, OPT_175B

from pdplan.errors import InfeasibleError, InputError
from pdplan.latency import load_profile, memory_fit, smallest_tp
from pdplan.latency.memory import prefill_activation_bytes
from pdplan.latency.parameters import kv_bytes_per_token, weight_bytes

GIB = 2**30
LATENCY = Path(__file__).parents[2] / "models" / "latency"
# github.com/LLMServe/DistServe max_num_tokens.csv, A100 80 GiB, fp16.
CAPACITIES = [
    (OPT_13B, 1, 1, 66144),
    (OPT_13B, 2, 1, 163008),
    (OPT_13B, 4, 1, 356736),
    (OPT_66B, 2, 1, 11600),
    (OPT_66B, 3, 1, 45056),
    (OPT_66B, 4, 1, 78496),
    (OPT_66B, 8, 1, 212304),
    (OPT_175B, 3, 3, 76192),
    (OPT_175B, 4, 3, 126160),
]


@pytest.mark.parametrize(("shape", "tp", "pp", "tokens"), CAPACITIES)
def test_distserve_capacities(shape: object, tp: int, pp: int, tokens: int) -> None:
    assert memory_fit(shape, 80 * GIB, tp, pp).kv_capacity_tokens == pytest.approx(tokens, rel=0.1)


def test_capacities_in_the_profiles() -> None:
    profile = load_profile(LATENCY / "distserve-opt-13b-a100.yaml")
    assert profile.kv_capacity_tokens(1) == 66144
    assert profile.kv_capacity_tokens(2) == 163008
    assert profile.kv_capacity_tokens(4, 8) == 3069088
    assert profile.kv_capacity_tokens(3) is None


@given(
    st.sampled_from([1, 2, 4, 8]), st.floats(0, 8 * GIB), st.floats(0, 4 * GIB), st.sampled_from([1, 16, 64])
)
def test_parts_add_up(tp: int, reserve: float, activation: float, block: int) -> None:
    fit = memory_fit(
        LLAMA_8B, 80e9, tp, reserve_bytes=reserve, activation_bytes=activation, block_tokens=block
    )
    total = fit.weights_bytes + fit.activation_bytes + fit.reserve_bytes + fit.kv_bytes
    assert total == pytest.approx(fit.usable_bytes)
    assert fit.kv_capacity_tokens % block == 0
    used = fit.kv_capacity_tokens * fit.kv_bytes_per_token_per_gpu
    assert used <= fit.kv_bytes < used + (block + 1) * fit.kv_bytes_per_token_per_gpu


def test_capacity_by_hand() -> None:
    # 0.92 x 80 GB - 16.06 GB of weights = 57.54 GB over 131072 B a token = 438,995, in blocks of 16.
    by_hand = (0.92 * 80e9 - weight_bytes(LLAMA_8B, "bf16")) / 131072 // 16 * 16
    assert memory_fit(LLAMA_8B, 80e9, 1).kv_capacity_tokens == by_hand


def test_latent_kv_is_replicated() -> None:
    # MLA: 70,272 B a token on every rank, so eight GPUs hold no more tokens than their weights free up.
    fit = memory_fit(DEEPSEEK_V3, 141e9, 8, weights_dtype="fp8")
    assert fit.kv_bytes_per_token_per_gpu == kv_bytes_per_token(DEEPSEEK_V3) == 70272


def test_infeasible_names_the_smallest_tp() -> None:
    with pytest.raises(InfeasibleError, match="use tp 2 or more"):
        memory_fit(LLAMA_70B, 80e9, 1)
    with pytest.raises(InfeasibleError, match=r"leave no room for KV in .* usable of"):
        memory_fit(LLAMA_8B, 80e9, 1, reserve_bytes=60e9)
    assert smallest_tp(LLAMA_70B, 80e9) == 2
    # 72.65 of 73.6 GB usable: it fits, with room for 5,800 tokens.
    assert smallest_tp(LLAMA_70B, 80e9, weights_dtype="fp8") == 1
    assert smallest_tp(LLAMA_70B, 1e9) is None


def test_activations_shrink_with_tp_to_the_residual() -> None:
    one, eight = (prefill_activation_bytes(LLAMA_70B, 8192, tp) for tp in (1, 8))
    assert 2 * 2 * 8192 * 8192 < eight < one


@pytest.mark.parametrize("fraction", [0.0, 1.2, float("nan")])
def test_fraction_is_checked(fraction: float) -> None:
    with pytest.raises(InputError):
        memory_fit(LLAMA_8B, 80e9, 1, fraction=fraction)


@pytest.mark.parametrize("tp", [0, -1, 1.5])
def test_degree_is_checked(tp: float) -> None:
    with pytest.raises(InputError):
        memory_fit(LLAMA_8B, 80e9, tp)


def test_ledger_reads_well() -> None:
    text = str(memory_fit(LLAMA_8B, 80 * GIB, 1, reserve_bytes=4 * GIB))
    assert text.startswith("weights 15 GiB + reserve 4 GiB + KV 54.6 GiB = 73.6 GiB a GPU: ")
