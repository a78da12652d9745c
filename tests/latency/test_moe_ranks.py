"""How full the fullest attention rank is, and how far tokens travel, against counting and DeepEP's tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.latency.all_to_all import all_to_all_s, distinct_groups, low_latency_copies, throughput_copies
from pdplan.latency.expert_parallel import context_excess, fullest_decode_share, fullest_prefill_share

# DeepEP V1 (docs/legacy.md), low-latency kernels on H800, 128 tokens of 7168 values a GPU, top-8:
# EP, dispatch [us], combine [us].
LOW_LATENCY = [(8, 77, 114), (16, 118, 195), (32, 155, 273), (64, 173, 314), (128, 192, 369), (256, 194, 360)]


@pytest.mark.parametrize(("ep", "dispatch_us", "combine_us"), LOW_LATENCY)
def test_low_latency_kernels_of_deepep(ep: int, dispatch_us: float, combine_us: float) -> None:
    # 0.8 of 200 GB/s within the node, 0.8 of 50 GB/s beyond, 20 us a start: the defaults of RooflineFactors
    copies = low_latency_copies(8, ep, 8)
    both = all_to_all_s(128, copies, 7168 * 3.03125, 160e9, 40e9, 20e-6)
    assert both * 1e6 == pytest.approx(dispatch_us + combine_us, rel=0.2)


@pytest.mark.parametrize(("choices", "groups"), [(8, 4), (8, 32), (4, 2)])
def test_distinct_groups_by_counting(choices: int, groups: int) -> None:
    drawn = np.random.default_rng(1).integers(groups, size=(20_000, choices))
    seen = np.array([len(set(row)) for row in drawn.tolist()])
    error = 4 * seen.std() / np.sqrt(seen.size)
    assert abs(seen.mean() - distinct_groups(choices, groups)) < error


def test_copies_stay_inside_the_domain() -> None:
    assert throughput_copies(8, 32, 72).nic == low_latency_copies(8, 32, 72).nic == 0.0
    assert throughput_copies(8, 1, 8).scale_up == low_latency_copies(8, 1, 8).scale_up == 0.0


@given(st.integers(1, 16), st.integers(1, 320), st.sampled_from([4, 8, 72]))
def test_throughput_kernels_never_send_more(k: int, ep: int, domain: int) -> None:
    assert throughput_copies(k, ep, domain).nic <= low_latency_copies(k, ep, domain).nic + 1e-12


@pytest.mark.parametrize(("batch", "ranks"), [(256, 8), (640, 32)])
def test_context_of_the_fullest_rank_by_sampling(batch: int, ranks: int) -> None:
    # exponential contexts (SCV 1) dealt evenly: the largest sum over the mean one
    contexts = np.random.default_rng(7).exponential(size=(4000, ranks, batch // ranks)).sum(axis=2)
    seen = (contexts.max(axis=1) / contexts.mean(axis=1)).mean()
    assert float(context_excess(float(batch), ranks, 1.0)) == pytest.approx(seen, rel=0.05)


def test_prompts_dealt_to_the_emptiest_rank() -> None:
    # 64 lognormal prompts on 8 ranks, each to the emptiest: the fullest against the share that is assumed
    rng = np.random.default_rng(3)
    seen, assumed = [], []
    for _ in range(300):
        prompts = rng.lognormal(7, 0.8, size=64)
        loads = np.zeros(8)
        for n in prompts:
            loads[loads.argmin()] += n
        seen.append(loads.max() / prompts.sum())
        assumed.append(float(fullest_prefill_share(prompts.sum(), (prompts**2).sum(), 8)))
    # perfect dealing is assumed: the emptiest-first rule is a quarter fuller at eight prompts a rank
    assert 1.0 <= np.mean(seen) / np.mean(assumed) < 1.35


@given(st.floats(1, 1e5), st.integers(1, 128))
def test_shares_lie_between_even_and_all(batch: float, ranks: int) -> None:
    share = float(fullest_decode_share(batch, ranks))
    assert 1 / ranks - 1e-12 <= share <= 1.0
    assert float(np.asarray(fullest_prefill_share(batch, batch**2, ranks))) == 1.0


def test_no_rank_no_excess() -> None:
    assert fullest_decode_share(5.0, 1) == fullest_prefill_share(5.0, 5.0, 1) == 1.0
    assert context_excess(5.0, 1, 1.0) == context_excess(64.0, 8, 0.0) == 1.0
