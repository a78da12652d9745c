"""Prefill at attention ranks: by hand, in limits, against the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import UnstableError
from pdplan.latency.roofline import Roofline
from pdplan.latency.shape import Device, ModelShape, MoeShape
from pdplan.queueing import MD1
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_station import PrefillStation
from pdplan.serving.rank_pieces import full_step_s, levels_of, pieces_of
from pdplan.serving.rank_wait import RankedPrefill

ONE, NONE = np.ones(1), np.zeros(1)


def plane(tokens: Any, squares: Any, together: Any) -> Any:
    """10 ms, and a share for tokens and attention of the slowest rank and for tokens of all."""
    return 0.01 + 5e-5 * tokens + 1e-9 * squares + 1e-5 * together


def equal(rate: float, ranks: int, tokens: float = 1000.0, **others: Any) -> RankedPrefill:
    return RankedPrefill(rate, ONE * tokens, NONE, ONE, 2048.0 * ranks, ranks, plane, **others)


def test_pieces_of_a_prompt_by_hand() -> None:
    # 3000 tokens in pieces of 1024: (3000 - 1024) / 1024 full ones and a last, of half a budget on average.
    # Their attention adds up to that of the prompt but for what the last one's length does.
    p = pieces_of(np.array([3000.0]), NONE, ONE, 1024.0)
    assert p.steps == pytest.approx([1.0 + 1976 / 1024])
    assert float((p.number * p.tokens).sum()) == pytest.approx(1976 + 512)
    assert float((p.number * p.attention_sq).sum()) == pytest.approx(3000**2, rel=0.15)


def test_a_cached_prefix_is_attended_to() -> None:
    p = pieces_of(np.array([100.0, 100.0]), np.array([0.0, 8000.0]), np.full(2, 0.5), 1024.0)
    # the usual token attends to (100^2 + 100 x 16,100) / 200 = 8,100; the second prompt to twice that
    assert p.usual_attention == 8100.0
    assert p.attention_sq[p.number > 0].max() == 100.0 * 16_100


def test_capacity_of_equal_prompts_by_hand() -> None:
    # 4 ranks of 2048 tokens of prompts of 1000: 10 + 102.4 + 81.92 ms and 2048 x 1000 ns
    full = 0.01 + 0.1024 + 0.08192 + 0.002048
    assert equal(1.0, 4).full_step_s == pytest.approx(full)
    assert equal(1.0, 4).max_rate == pytest.approx(8.192 / full)


def test_one_long_prompt_holds_all_ranks_up() -> None:
    # one prompt in a thousand has 40,000 tokens: its last full piece attends to 2048 x 77,952
    tokens, weight = np.array([1000.0, 40_000.0]), np.array([0.999, 0.001])
    with_it = pieces_of(tokens, np.zeros(2), weight, 2048.0)
    mean = float(weight @ tokens)
    assert full_step_s(plane, with_it, 2048.0, mean, 32) > 1.05 * full_step_s(
        plane, pieces_of(ONE * mean, NONE, ONE, 2048.0), 2048.0, mean, 32
    )
    # 32 full ranks take 63 prompts a step, and so have 0.063 x 18.5 full and 0.063 last pieces of a long one:
    # no such piece holds them up with the chance exp(-0.063 x 19.5) = 0.29
    levels = levels_of(plane, with_it, 2048.0, np.array([0.0, 1.0]), 32 * 2048 / mean, 32)
    assert levels.chance[1, levels.at_units[1]] == pytest.approx(np.exp(-0.06308 * 19.53), rel=0.01)


def test_idle_and_alone() -> None:
    quiet = equal(1e-6, 8, 5000.0)
    # 2048 + 2048 + 904 tokens, one after another, alone on one rank
    by_hand = 3 * 0.01 + 6e-5 * 5000 + 1e-9 * 5000**2
    assert float(quiet.own_s(ONE * 5000, NONE)[0]) == pytest.approx(by_hand)
    assert quiet.mean_wait_s == float(quiet.wait_quantile_s(0.99)) == 0.0
    assert float(equal(0.1, 8, 500.0).own_s(ONE * 500, NONE)[0]) == pytest.approx(
        float(quiet.alone_s(ONE * 500, NONE)[0]), rel=0.05
    )


def test_many_ranks_of_one_prompt_a_step_are_near_one_queue() -> None:
    # steps of 100 ms whatever is in them, one prompt a rank and step: a slotted queue at each rank, in which
    # a prompt waits half a step more than in M/D/1
    def slot(tokens: Any, squares: Any, together: Any) -> Any:
        return 0.1 + 0.0 * (tokens + squares + together)

    law = RankedPrefill(16 * 6.0, ONE * 512, NONE, ONE, 512.0 * 16, 16, slot)
    seen = law.mean_wait_s + float(law.own_s(ONE * 512, NONE)[0])
    assert seen == pytest.approx(MD1(6.0, 0.1).mean_wait_s + 0.1 + 0.05, rel=0.02)


def test_too_much_is_refused() -> None:
    shape = ModelShape(4, 512, 8, 8, 64, 1024, 1000, moe=MoeShape(16, 2, 256))
    device = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
    model = Roofline(shape, device, dp_attention=8, ep=8)
    demand = ClassDemand("all", 1e7, ONE * 1000, ONE, ONE)
    with pytest.raises(UnstableError, match="prefill pool"):
        PrefillStation([demand], model, discipline="batched")


def test_waits_and_percentiles_are_in_order() -> None:
    low, high = (equal(load * equal(1.0, 8).max_rate, 8) for load in (0.4, 0.8))
    assert low.mean_wait_s < high.mean_wait_s
    assert high.wait_quantile_s(0.5) <= high.wait_quantile_s(0.99)
    in_turn = equal(0.8 * high.max_rate, 8, lanes=8)
    assert in_turn.mean_wait_s < high.mean_wait_s


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.8), st.sampled_from([2, 8, 32]), st.floats(100, 6000), st.sampled_from([1, 64]))
def test_more_traffic_never_waits_less(load: float, ranks: int, tokens: float, lanes: int) -> None:
    top = equal(1.0, ranks, tokens).max_rate
    less, more = (equal(x * top, ranks, tokens, lanes=lanes) for x in (load, 1.15 * load))
    means = [law.mean_wait_s + float(law.own_s(ONE * tokens, NONE)[0]) for law in (less, more)]
    assert means[0] <= means[1] * 1.01
    assert float(more.wait_sf(0.0)) <= 1.0
    assert more.wait_quantile_s(0.5) <= more.wait_quantile_s(0.99)
    assert less.own_s(ONE * tokens, NONE)[0] > 0
