"""The price of splitting: the numbers of the course lab on the disaggregation trade, and where they flip."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.serving.economics import (
    MAX_TTFT_PENALTY,
    MIN_ITL_GAIN,
    colocated_itl_worst,
    disagg_ttft_penalty,
    disagg_wins,
    effective_transfer,
    kv_payload_bytes,
    needed_overlap,
    pd_counts,
    pd_ratio,
    transfer_seconds,
)

MIB = 2**20
KV_8B = 131072  # 2 (K and V) x 32 layers x 8 KV heads x 128 x 2 bytes
KV_70B = 327680
KV_MLA = 70272  # 61 layers x (512 + 64) x 2 bytes
PREFILL_S = 0.205

positive = st.floats(1e-4, 1e3)


def test_payload_is_real_freight() -> None:
    assert kv_payload_bytes(2048, KV_8B) == 256 * MIB


def test_bits_and_bytes() -> None:
    payload = kv_payload_bytes(2048, KV_8B)
    assert transfer_seconds(payload, 200) * 1e3 == pytest.approx(10.73741824, rel=1e-12)  # 2^31 / 2e11
    assert transfer_seconds(payload, 10) * 1e3 == pytest.approx(214.7483648, rel=1e-12)
    assert transfer_seconds(1e9 / 8, 1) == 1.0  # a gigabit over one gigabit per second


def test_penalty_qualifies_the_link() -> None:
    payload = kv_payload_bytes(2048, KV_8B)
    fast = disagg_ttft_penalty(transfer_seconds(payload, 200), PREFILL_S)
    slow = disagg_ttft_penalty(transfer_seconds(payload, 10), PREFILL_S)
    assert 0.05 < fast < 0.06
    assert slow > 1


def test_worst_gap_is_step_plus_chunk() -> None:
    assert colocated_itl_worst(0.010, 0.025) == pytest.approx(0.035)
    assert colocated_itl_worst(0.010, 0.025) / 0.010 == pytest.approx(3.5)


def test_three_verdicts() -> None:
    payload = kv_payload_bytes(2048, KV_8B)
    fast, slow = transfer_seconds(payload, 200), transfer_seconds(payload, 10)
    split = disagg_wins(0.010, 0.025, fast, PREFILL_S)
    too_slow = disagg_wins(0.010, 0.025, slow, PREFILL_S)
    healthy = disagg_wins(0.010, 0.001, fast, PREFILL_S)
    assert split
    assert (split.reason, too_slow.reason, healthy.reason) == ("split", "slow_link", "no_interference")
    assert not too_slow
    assert not healthy
    # interference is tested first: a slow link does not hide that there is nothing to cure
    assert disagg_wins(0.010, 0.001, slow, PREFILL_S).reason == "no_interference"
    assert split.margin > 0 > too_slow.margin
    assert healthy.margin < 0


def test_the_note_reads_as_one() -> None:
    text = str(disagg_wins(0.010, 0.025, 0.2147, PREFILL_S))
    assert text.startswith("keep colocated, the link is too slow: transfer 104.7% of prefill")
    assert "flips at 4.19x the link bandwidth" in text
    assert "flips when a chunk takes 5 ms" in str(disagg_wins(0.010, 0.001, 0.0107, PREFILL_S))


@given(step=positive, chunk=positive, transfer=positive, prefill=positive)
def test_verdict_flips_at_its_crossover(step: float, chunk: float, transfer: float, prefill: float) -> None:
    verdict = disagg_wins(step, chunk, transfer, prefill)
    at = verdict.crossover
    if verdict.reason != "no_interference":
        assert disagg_wins(step, chunk, at.transfer_s * 0.999, prefill).reason == "split"
        assert disagg_wins(step, chunk, at.transfer_s * 1.001, prefill).reason == "slow_link"
        # a link faster by the factor brings the transfer to the crossover
        assert transfer / at.link_factor == pytest.approx(at.transfer_s)
    assert disagg_wins(step, at.chunk_s * 0.999, transfer, prefill).reason == "no_interference"
    assert disagg_wins(step, at.chunk_s * 1.001, transfer, prefill).reason != "no_interference"
    assert bool(verdict) == (verdict.margin >= 0)


def test_thresholds_are_the_callers() -> None:
    assert disagg_wins(0.010, 0.025, 0.0107, PREFILL_S, max_ttft_penalty=0.01).reason == "slow_link"
    assert disagg_wins(0.010, 0.025, 0.0107, PREFILL_S, min_itl_gain=4).reason == "no_interference"
    assert (MIN_ITL_GAIN, MAX_TTFT_PENALTY) == (1.5, 0.25)
    with pytest.raises(InputError, match="at least 1"):
        disagg_wins(0.010, 0.025, 0.0107, PREFILL_S, min_itl_gain=0.5)


def test_model_and_cache_design_scale_the_freight() -> None:
    assert KV_70B / KV_8B == 2.5
    assert kv_payload_bytes(2048, KV_70B) / kv_payload_bytes(2048, KV_8B) == 2.5
    assert kv_payload_bytes(1, KV_MLA) == 70272
    assert kv_payload_bytes(1, KV_MLA) < 0.54 * kv_payload_bytes(1, KV_8B)


def test_overlap_that_makes_25_gbe_viable() -> None:
    transfer = transfer_seconds(kv_payload_bytes(2048, KV_8B), 25)
    for target, overlap in ((0.05, 0.369), (0.10, 0.319)):  # 0.0859 s / 0.205 s - target
        assert needed_overlap(transfer, PREFILL_S, target) == pytest.approx(overlap, abs=5e-4)
        visible = effective_transfer(transfer, PREFILL_S, needed_overlap(transfer, PREFILL_S, target))
        assert disagg_ttft_penalty(visible, PREFILL_S) == pytest.approx(target)


@given(transfer=positive, prefill=positive, overlap=st.floats(0, 1), layers=st.integers(1, 200))
def test_overlap_only_helps_down_to_the_last_layer(
    transfer: float, prefill: float, overlap: float, layers: int
) -> None:
    visible = effective_transfer(transfer, prefill, overlap, layers=layers)
    assert transfer / layers * (1 - 1e-12) <= visible <= transfer
    assert effective_transfer(transfer, prefill, overlap) <= visible
    assert effective_transfer(transfer, prefill, 0.0) == transfer


def test_arrays_and_symbols() -> None:
    tokens = np.array([128.0, 32768.0])
    assert np.allclose(transfer_seconds(kv_payload_bytes(tokens, KV_8B), 200), tokens * KV_8B * 8 / 2e11)
    assert np.allclose(effective_transfer(np.array([0.1, 0.5]), 0.4, 0.5), [0.0, 0.3])
    t, p, o, n, k = sympy.symbols("t p o n k", positive=True)
    assert effective_transfer(t, p, o) == sympy.Max(0, t - o * p)
    assert effective_transfer(t, p, o, layers=n).subs({t: 1, p: 4, o: 1, n: 10}) == sympy.Rational(1, 10)
    assert sympy.simplify(
        disagg_ttft_penalty(transfer_seconds(kv_payload_bytes(n, k), t), p)
    ) == sympy.simplify(8 * n * k / (sympy.Float(1e9) * t * p))


def test_pd_sizing_agrees_with_itself() -> None:
    counts = pd_counts(5e6 / 60, 6144, 512, 25075, 1690)
    assert counts.ratio == pytest.approx(pd_ratio(6144, 512, 25075, 1690))
    a, b, c, d, e = sympy.symbols("a b c d e", positive=True)
    need = pd_counts(a, b, c, d, e)
    assert sympy.simplify(need.prefill / need.decode - pd_ratio(b, c, d, e)) == 0


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_bad_input_is_one_line(bad: float) -> None:
    for call in (
        lambda: kv_payload_bytes(bad, KV_8B),
        lambda: transfer_seconds(1.0, bad),
        lambda: colocated_itl_worst(bad, 0.1),
        lambda: disagg_ttft_penalty(0.1, bad),
        lambda: effective_transfer(bad, 1.0, 0.5),
        lambda: disagg_wins(0.01, bad, 0.1, 0.1),
        lambda: pd_ratio(bad, 1, 1, 1),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"overlap_fraction is 1\.2"):
        effective_transfer(0.1, 0.2, 1.2)
