"""Both ledgers over prompt lengths: flat in the linear model, bent by the real one, for stated reasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import SCENARIO

from pdplan.errors import InputError
from pdplan.planner.ledger_sweep import LedgerSweep, ledgers, linear_ledgers, pooled_waits
from pdplan.serving.economics import effective_transfer, needed_overlap, transfer_seconds
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.scenario import Scenario

EIGHT = {"kv_bytes_per_token": 131072, "prefill_s_per_token": 0.205 / 2048, "decode_step_s": 0.010}


@pytest.fixture(scope="module")
def real() -> LedgerSweep:
    """The sweep of docs/validation/wire.md: an 8B on A100 and 25 GbE, TP1."""
    return ledgers(Scenario.model_validate(SCENARIO))


class TestLinear:
    def test_the_penalty_is_one_number(self) -> None:
        s = linear_ledgers(link_gbit_per_s=25, chunk_tokens=2048, **EIGHT)
        assert s.prompt_tokens[0] == 128
        assert s.prompt_tokens[-1] == 32768
        # 2^28 B x 8 / 25e9 / s = 85.9 ms on 205 ms of prefill: 0.4190
        assert s.penalty == pytest.approx(2**28 * 8 / 25e9 / 0.205, rel=1e-12)
        assert np.ptp(s.penalty) / s.penalty[0] < 1e-12
        assert np.abs(s.bend).max() < 1e-12

    def test_the_gain_grows_until_the_chunk_caps_it(self) -> None:
        s = linear_ledgers(link_gbit_per_s=25, chunk_tokens=2048, **EIGHT)
        capped = s.prompt_tokens >= 2048
        assert np.all(np.diff(s.itl_gain[~capped]) > 0)
        # (10 ms + 205 ms) / 10 ms
        assert s.itl_gain[capped] == pytest.approx(21.5)
        # each doubling doubles what a chunk adds: (g - 1)
        assert np.diff(np.log2(s.itl_gain[:5] - 1)) == pytest.approx(1.0)

    @settings(max_examples=60)
    @given(
        st.floats(1e3, 1e6),
        st.floats(1, 1600),
        st.floats(1e-6, 1e-2),
        st.floats(1e-3, 0.1),
        st.floats(16, 1e5),
    )
    def test_it_is_flat_whatever_the_numbers(
        self, kv: float, gbit: float, token_s: float, step_s: float, chunk: float
    ) -> None:
        s = linear_ledgers(
            kv_bytes_per_token=kv,
            link_gbit_per_s=gbit,
            prefill_s_per_token=token_s,
            decode_step_s=step_s,
            chunk_tokens=chunk,
        )
        assert np.ptp(s.penalty) <= 1e-12 * s.penalty[0]
        assert np.all(np.diff(s.itl_gain) >= 0)

    def test_overlap_that_makes_25_gbe_viable(self) -> None:
        transfer = transfer_seconds(2048 * 131072, 25)
        assert needed_overlap(transfer, 0.205, 0.05) == pytest.approx(0.369, abs=5e-4)
        assert needed_overlap(transfer, 0.205, 0.10) == pytest.approx(0.319, abs=5e-4)
        assert effective_transfer(transfer, 0.205, 0.36903) / 0.205 == pytest.approx(0.05, abs=1e-4)


class TestRealModel:
    def test_it_bends_down_at_both_ends(self, real: LedgerSweep) -> None:
        top = int(np.argmax(real.penalty))
        assert 0 < top < real.penalty.size - 1
        assert np.all(real.bend[:top] > 0)
        assert np.all(real.bend[top:] < 0)

    def test_the_shares_say_why(self, real: LedgerSweep) -> None:
        """Without the squares of attention the long end is flat; the short end is nearly all fixed time."""
        long = real.prompt_tokens >= 1024
        flat = (real.penalty / (1 - real.attention_share))[long]
        assert np.ptp(flat) / flat.mean() < 0.03
        assert np.ptp(real.penalty[long]) / real.penalty[long].mean() > 0.3
        assert real.fixed_share[0] > 0.9
        assert np.all(np.diff(real.fixed_share) < 0)
        assert np.all(np.diff(real.attention_share) > 0)
        assert np.all(np.diff(real.startup_share) < 0)

    def test_gain_is_capped_by_the_chunk_but_for_attention(self, real: LedgerSweep) -> None:
        growth = np.diff(real.itl_gain)
        assert np.all(growth > 0)
        per_doubling = real.itl_gain[1:] / real.itl_gain[:-1]
        below = real.prompt_tokens[1:] <= real.chunk_tokens
        assert per_doubling[below][1:].min() > 1.5
        # past the cap only a chunk's attention to what came before it grows
        assert per_doubling[~below].max() < 1.4

    def test_a_short_last_chunk_is_not_the_worst(self, real: LedgerSweep) -> None:
        at = ledgers(builtin_scenario(), [4096, 4100])
        assert at.itl_colocated_s[1] == pytest.approx(at.itl_colocated_s[0])

    def test_document_is_plain(self, real: LedgerSweep) -> None:
        document = real.document()
        assert document["chunk_tokens"] == 2048
        assert len(document["penalty"]) == 9


class TestPooling:
    def test_erlang_c_by_hand(self) -> None:
        # c = 2, load 0.8: C = 0.7111, W = C / (2 (1 - 0.8)) = 1.7778 services; alone 4: 56% less
        w = pooled_waits(1.0, [1, 2], [0.8])
        assert w.memoryless_s.ravel() == pytest.approx([4.0, 1.77778], rel=1e-4)
        assert w.saved[1, 0] == pytest.approx(0.5556, abs=1e-4)
        # M/D/1 waits half as long
        assert w.equal_s[0, 0] == pytest.approx(2.0)

    def test_pooling_helps_at_every_load(self) -> None:
        w = pooled_waits(0.2, [1, 2, 4, 8], [0.2, 0.5, 0.9, 0.99])
        for waits in (w.memoryless_s, w.equal_s):
            assert np.all(np.diff(waits, axis=0) < 0)
            assert np.all(np.diff(waits, axis=1) > 0)


@pytest.mark.parametrize("bad", [[], [0.5], [2.0, 1.0], [float("nan")], [128.0, float("inf")]])
def test_lengths_that_are_none_are_refused(bad: list[float]) -> None:
    with pytest.raises(InputError, match="prompt_tokens"):
        linear_ledgers(bad, link_gbit_per_s=25, chunk_tokens=2048, **EIGHT)
