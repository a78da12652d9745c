"""The step-by-step cluster: hand-worked runs, a plain second witness, and the statements of its example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.sim.cluster import KvWire, ServingInstance
from pdplan.sim.pool_sim import simulate_cluster

#: a prefill step: 10 ms + 0.1 ms a token; a decode step: 20 ms + 1 ms a sequence + 0.01 ms a context token
STEPS = Fitted(PrefillFit(0.010, 1e-4), (DecodeFit(0.020, 1e-3, 1e-5),), (1, 4096), (1, 64), "made up")
PREFILL = ServingInstance("prefill", STEPS, 100_000)
DECODE = ServingInstance("decode", STEPS, 100_000)
BOTH = ServingInstance("combined", STEPS, 100_000)
WIRE = KvWire(1e9, 0.005, 1e5)


def decode_s(*contexts: int) -> float:
    return 0.020 + 1e-3 * len(contexts) + 1e-5 * sum(contexts)


def test_one_request_through_both_pools():
    run = simulate_cluster([1.0], [1000], [3], [PREFILL, DECODE], WIRE)
    # prefill 10 + 100 ms; transfer 5 ms + 1e8 B / 1e9 B/s = 105 ms; steps with contexts 1001 and 1002
    first, ready = 1.110, 1.215
    second = ready + decode_s(1001)
    np.testing.assert_allclose(run.token_s[0], [first, second, second + decode_s(1002)])
    np.testing.assert_allclose(run.kv_ready_s, [ready])
    assert (run.entry[0], run.exit[0]) == (0, 1)


def test_one_output_token_never_moves():
    run = simulate_cluster([0.0], [1000], [1], [PREFILL, DECODE], WIRE)
    assert not run.moved[0]
    assert np.isnan(run.kv_ready_s[0])
    assert (run.entry[0], run.exit[0], len(run.tpot_s)) == (0, 0, 0)


def test_prompts_share_a_step_and_long_ones_are_cut():
    # Budget 2048: the first step takes 1500 and 548 of the 1000; the second the remaining 452.
    run = simulate_cluster([0.0, 0.0], [1500, 1000], [1, 1], [PREFILL, DECODE], WIRE)
    np.testing.assert_allclose(run.first_token_s, [0.010 + 0.2048, 0.020 + 0.2500])
    np.testing.assert_allclose(run.scheduled_s, [0.0, 0.0])


def test_a_combined_instance_mixes_decodes_with_a_chunk():
    run = simulate_cluster([0.0, 0.1], [500, 100], [4, 2], [BOTH])
    # 0-60 ms: the first prompt. 60-86.01: a decode at context 501. 86.01-112.03: the next, at 502. The second
    # request came at 100 and joins the third decode: the larger fixed part (20 ms) once, and the rest.
    t1 = 0.060
    t2 = t1 + decode_s(501)
    t3 = t2 + decode_s(502)
    t4 = t3 + decode_s(503) + 1e-4 * 100
    np.testing.assert_allclose(run.token_s[0], [t1, t2, t3, t4])
    np.testing.assert_allclose(run.token_s[1], [t4, t4 + decode_s(101)])
    assert run.scheduled_s[1] == pytest.approx(t3)


def test_decode_waits_for_room_and_prefill_keeps_the_kv_meanwhile():
    # Room for one prompt of 160 tokens and its outputs (11 blocks of 16) at decode, for two at prefill.
    prefill, decode = ServingInstance("prefill", STEPS, 320), ServingInstance("decode", STEPS, 176)
    run = simulate_cluster([0.0] * 4, [160] * 4, [5] * 4, [prefill, decode], WIRE)
    assert max(run.peak_kv_tokens[:1]) <= 320
    assert run.peak_kv_tokens[1] <= 176
    # One after the other at decode: each is pulled when the one before it is done.
    order = np.argsort(run.kv_ready_s)
    assert (run.kv_ready_s[order][1:] >= run.end_s[order][:-1] + 0.005 + 0.016 - 1e-12).all()
    # Back-pressure: prefill could have served all four in one step; it had to wait for the KV to leave.
    assert run.first_token_s.max() > run.end_s.min()
    assert run.preemptions == 0


def test_preemption_recomputes_and_finishes():
    # 20 blocks: two prompts of 8 blocks fit, and grow by 5 blocks each; the later one is sent back.
    engine = ServingInstance("combined", STEPS, 320)
    run = simulate_cluster([0.0, 0.0], [128, 128], [80, 80], [engine])
    assert run.preemptions >= 1
    assert [len(t) for t in run.token_s] == [80, 80]
    assert run.peak_kv_tokens[0] <= 320
    assert run.end_s[1] > run.end_s[0]


def test_the_router_looks_at_waiting_and_running():
    # Four prompts at once on two instances: two each, ties to the lower number.
    run = simulate_cluster([0.0] * 4, [2048] * 4, [1] * 4, [PREFILL, PREFILL, DECODE], WIRE)
    assert run.entry.tolist() == [0, 1, 0, 1]


def test_the_link_of_an_instance_carries_one_prompt_at_a_time():
    run = simulate_cluster([0.0, 0.0], [1000, 1000], [2, 2], [PREFILL, DECODE], WIRE)
    # Both prefilled in one step of 210 ms; 105 ms of wire each.
    np.testing.assert_allclose(np.sort(run.kv_ready_s), [0.315, 0.420])


def token_by_token(arrival, prompt, output):
    """Second witness for one combined instance without limits: one loop over steps, no queues or blocks."""
    order = sorted(range(len(arrival)), key=lambda i: arrival[i])
    now, done, times = 0.0, dict.fromkeys(order, 0), {i: [] for i in order}
    while any(len(times[i]) < output[i] for i in order):
        alive = [i for i in order if arrival[i] <= now and len(times[i]) < output[i]]
        if not alive:
            now = min(arrival[i] for i in order if not times[i])
            continue
        decoding = [i for i in alive if times[i]]
        budget, chunks = 2048 - len(decoding), {}
        for i in (i for i in alive if not times[i]):
            chunks[i] = min(prompt[i] - done[i], budget)
            budget -= chunks[i]
        contexts = [prompt[i] + len(times[i]) for i in decoding]
        fixed = max([0.010] * any(chunks.values()) + [0.020] * bool(decoding))
        now += fixed + 1e-3 * len(decoding) + 1e-5 * sum(contexts) + 1e-4 * sum(chunks.values())
        for i in decoding:
            times[i].append(now)
        for i, tokens in chunks.items():
            done[i] += tokens
            if done[i] == prompt[i]:
                times[i].append(now)
    return [times[i] for i in range(len(arrival))]


traces = st.lists(
    st.tuples(st.floats(0, 2, allow_subnormal=False), st.integers(2, 5000), st.integers(1, 30)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(traces)
def test_combined_against_a_plain_loop(rows):
    arrival, prompt, output = map(list, zip(*rows, strict=True))
    run = simulate_cluster(arrival, prompt, output, [BOTH])
    for mine, theirs in zip(run.token_s, token_by_token(arrival, prompt, output), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(traces, st.integers(1, 3), st.integers(1, 2))
def test_ttft_depends_on_the_prefill_pool_alone(rows, prefills, decodes):
    arrival, prompt, output = map(list, zip(*rows, strict=True))
    slow = ServingInstance(
        "decode", Fitted(PrefillFit(1, 1), (DecodeFit(5.0, 1.0),), (1, 2), (1, 2), ""), 100_000
    )
    pool = [PREFILL] * prefills
    run = simulate_cluster(arrival, prompt, output, [*pool, *[DECODE] * decodes], WIRE)
    other = simulate_cluster(arrival, prompt, output, [*pool, slow], KvWire(1e6, 1.0, 1e5))
    np.testing.assert_array_equal(run.ttft_s, other.ttft_s)
    assert [len(t) for t in run.token_s] == output
    assert run.preemptions == 0


@settings(max_examples=30, deadline=None)
@given(traces, st.integers(330, 700), st.integers(330, 700))
def test_every_token_comes_in_order_whatever_the_memory(rows, entry_room, exit_room):
    rows = [(a, min(p, 280), o) for a, p, o in rows]
    arrival, prompt, output = map(list, zip(*rows, strict=True))
    cluster = [ServingInstance("prefill", STEPS, entry_room), ServingInstance("decode", STEPS, exit_room)]
    run = simulate_cluster(arrival, prompt, output, cluster, WIRE)
    for tokens, wanted in zip(run.token_s, output, strict=True):
        assert len(tokens) == wanted
        assert (np.diff(tokens) > 0).all()
    assert (run.kv_ready_s[run.moved] > run.first_token_s[run.moved]).all()
    assert run.peak_kv_tokens[0] <= entry_room
    assert run.peak_kv_tokens[1] <= exit_room


def test_intervals_count_every_token_once():
    seen = []
    run = simulate_cluster(
        [0.0, 0.3, 2.0],
        [1000, 500, 700],
        [30, 5, 9],
        [PREFILL, DECODE],
        WIRE,
        interval_s=0.25,
        on_interval=seen.append,
    )
    assert [i.number for i in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].end_s >= run.end_s.max() > seen[-1].end_s - 0.25 - 1e-12
    assert sum(i.prompt_tokens_per_s for i in seen) * 0.25 == pytest.approx(2200)
    assert sum(i.generated_tokens_per_s for i in seen) * 0.25 == pytest.approx(44)
    assert seen[-1].running == (0, 0)
    assert seen[-1].kv_tokens == (0, 0)


@pytest.mark.parametrize(
    ("trace", "cluster", "more", "says"),
    [
        (([0.0], [10], [1]), [PREFILL], {}, "has prefill instances and no decode instance"),
        (([0.0], [10], [1]), [DECODE], {}, "has decode instances and no prefill instance"),
        (([0.0], [10], [1]), [], {}, "the cluster has no instance"),
        (([0.0], [10], [1]), [PREFILL, DECODE], {}, "no link: give its bandwidth"),
        (([0.0], [10], [0]), [BOTH], {}, "request 0 has 10 prompt and 0 output tokens"),
        (([-1.0], [10], [1]), [BOTH], {}, "arrival of request 0 is -1.0 s"),
        (([0.0], [99_990], [20]), [BOTH], {}, "request 0 needs KV for 100010 tokens"),
        (([0.0, 1.0], [10], [1]), [BOTH], {}, "2 arrivals, 1 prompts and 1 outputs"),
        (([0.0], [10], [1]), [BOTH], {"interval_s": 0.0}, "log interval is 0 s"),
        (([1e9], [10], [1]), [BOTH], {"interval_s": 0.5}, "fewer than 1,000,000 lines"),
        (([0.0], [10], [1]), [BOTH], {"block_tokens": 0}, "block_tokens is 0"),
    ],
)
def test_what_cannot_be_served(trace, cluster, more, says):
    with pytest.raises(InputError) as error:
        simulate_cluster(*trace, cluster, **more)
    assert says in str(error.value)


def test_instances_and_links_check_their_figures():
    with pytest.raises(InputError, match="role is 'both'"):
        ServingInstance("both", STEPS, 100)
    with pytest.raises(InputError, match="kv_capacity_tokens is 0"):
        ServingInstance("decode", STEPS, 0)
    with pytest.raises(InputError, match="link bandwidth is -1"):
        KvWire(-1, 0, 1)
