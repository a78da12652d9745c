"""`simulate_disaggregated`: worked by hand, against deep-ml's problem, and its invariants."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.sim import disaggregated_serving_sim, simulate_disaggregated
from pdplan.trust import Trust

ROWS = [(0.0, 1000, 10), (0.0, 3000, 20), (0.05, 500, 5)]


def test_by_hand_with_a_link_that_queues():
    # One prefill instance at 10,000 tok/s: 0-0.1, 0.1-0.4, 0.4-0.45. Link at 1000 B/s for 1 B a token:
    # 0.1-1.1, 1.1-4.1, 4.1-4.6, and 0.5 s of latency each: KV at 1.6, 4.6, 5.1. Two slots at 10 tok/s:
    # 1.6-2.6, 4.6-6.6, 5.1-5.6.
    run = simulate_disaggregated(
        ROWS,
        1,
        1,
        10_000,
        10,
        decode_slots=2,
        kv_bytes_per_token=1,
        link_bytes_per_s=1000,
        link_latency_s=0.5,
    )
    np.testing.assert_allclose(run.prefill_end_s, [0.1, 0.4, 0.45])
    np.testing.assert_allclose(run.transfer_start_s, [0.1, 1.1, 4.1])
    np.testing.assert_allclose(run.kv_ready_s, [1.6, 4.6, 5.1])
    np.testing.assert_allclose(run.end_s, [2.6, 6.6, 5.6])
    np.testing.assert_allclose(run.ttft_s, [1.7, 4.7, 5.15])
    np.testing.assert_allclose(run.transfer_s, [1.5, 4.2, 4.65])
    np.testing.assert_allclose(run.decode_wait_s, 0, atol=1e-12)
    assert math.isclose(run.makespan_s, 6.6)
    assert math.isclose(run.output_tokens_per_s, 35 / 6.6)
    assert math.isclose(run.prefill_utilization, 0.45 / 6.6)
    assert math.isclose(run.decode_utilization, 3.5 / 13.2)
    assert run.trust is Trust.SIMULATED


def test_three_ways_to_give_the_requests():
    keys = ("arrival_s", "prompt_tokens", "output_tokens")
    table = simulate_disaggregated(np.array(ROWS), 1, 1, 1e4, 10)
    dicts = simulate_disaggregated([dict(zip(keys, r, strict=True)) for r in ROWS], 1, 1, 1e4, 10)
    arrays = simulate_disaggregated(dict(zip(keys, zip(*ROWS, strict=True), strict=True)), 1, 1, 1e4, 10)
    np.testing.assert_array_equal(table.end_s, dicts.end_s)
    np.testing.assert_array_equal(table.end_s, arrays.end_s)


def test_nothing_to_simulate():
    run = simulate_disaggregated([], 1, 1, 1e4, 10)
    assert (run.makespan_s, run.output_tokens_per_s, str(run)) == (0, 0, "no requests: nothing to simulate")


def test_summary_reads_well():
    text = str(simulate_disaggregated(ROWS, 1, 1, 10_000, 10))
    assert "3 requests in 3.6 s, 9.722 output tok/s" in text
    assert "simulated, not a steady state" in text
    assert max(map(len, text.splitlines())) <= 80


cases = st.lists(
    st.tuples(st.floats(0, 10), st.integers(0, 4000), st.integers(1, 400)), min_size=1, max_size=20
)


@settings(max_examples=100, deadline=None)
@given(cases, st.integers(1, 3), st.integers(1, 3), st.sampled_from(["arrival", "kv_ready"]))
def test_agrees_with_the_published_problem_where_both_apply(rows, prefills, decodes, order):
    # A wire that nobody shares is the published transfer; here it takes no time.
    run = simulate_disaggregated(rows, prefills, decodes, 9000, 80, decode_order=order)
    dicts = [dict(zip(("arrival_time", "prompt_tokens", "output_tokens"), r, strict=True)) for r in rows]
    other = disaggregated_serving_sim(dicts, prefills, decodes, 9000, 80, 0, decode_order=order)
    assert other["avg_total_latency"] == pytest.approx(run.latency_s.mean(), abs=6e-5)
    assert other["avg_ttft"] == pytest.approx((run.ttft_s - run.tpot_s).mean(), abs=6e-5)
    assert other["prefill_utilization"] == pytest.approx(run.prefill_utilization, abs=6e-5)


@settings(max_examples=100, deadline=None)
@given(cases, st.integers(1, 3), st.integers(1, 3))
def test_the_parts_add_up_and_nothing_runs_backwards(rows, prefills, decodes):
    run = simulate_disaggregated(
        rows, prefills, decodes, 9000, 80, kv_bytes_per_token=1e5, link_bytes_per_s=1e9, link_latency_s=0.01
    )
    chain = (
        run.arrival_s,
        run.prefill_start_s,
        run.prefill_end_s,
        run.transfer_start_s,
        run.kv_ready_s,
        run.decode_start_s,
        run.end_s,
    )
    for earlier, later in itertools.pairwise(chain):
        assert (later >= earlier).all()
    for instance in range(prefills):  # one prompt at a time, one transfer at a time
        mine = run.prefill_instance == instance
        order = np.argsort(run.prefill_start_s[mine], kind="stable")
        assert (run.prefill_start_s[mine][order][1:] >= run.prefill_end_s[mine][order][:-1]).all()
        wire = (run.prompt_tokens * 1e5 / 1e9)[mine][order]
        sent = run.transfer_start_s[mine][order]
        assert (sent[1:] >= sent[:-1] + wire[:-1] - 1e-12).all()


@settings(max_examples=50, deadline=None)
@given(cases)
def test_more_prefill_instances_are_never_later(rows):
    ends = [simulate_disaggregated(rows, n, 1, 900, 1e9).prefill_end_s for n in (1, 2, 3)]
    assert (ends[1] <= ends[0] + 1e-9).all()
    assert (ends[2] <= ends[1] + 1e-9).all()


@pytest.mark.parametrize(
    ("requests", "pools", "more", "says"),
    [
        (ROWS, (0, 1, 1, 1), {}, "prefill_instances is 0"),
        (
            ROWS,
            (1, 1, 0, 1),
            {},
            "prefill_tokens_per_s is 0 tok/s: it must be a finite number greater than 0",
        ),
        (ROWS, (1, 1, 1, 1e-320), {}, "take longer than a number can hold"),
        (ROWS, (1, 1, 1, 1), {"link_bytes_per_s": 0}, "link_bytes_per_s is 0"),
        (ROWS, (1, 1, 1, 1), {"decode_slots": 0}, "decode_slots is 0"),
        (ROWS, (1, 1, 1, 1), {"decode_order": "x"}, "decode_order is 'x'"),
        (
            [(0, 1, 0)],
            (1, 1, 1, 1),
            {},
            "output_tokens of request 0 is 0: it must be a finite number of at least 1",
        ),
        ([(float("nan"), 1, 1)], (1, 1, 1, 1), {}, "arrival_s of request 0 is nan"),
        ([(0, 1)], (1, 1, 1, 1), {}, "requests have the shape (1, 2)"),
        ([{"arrival": 0}], (1, 1, 1, 1), {}, "request 0 has no arrival_s; did you mean arrival?"),
        ({"arrival_s": [0]}, (1, 1, 1, 1), {}, "requests have no prompt_tokens"),
        (
            {"arrival_s": [0], "prompt_tokens": [1], "output_tokens": [1, 2]},
            (1, 1, 1, 1),
            {},
            "requests have 1, 1, 2 values",
        ),
        ([("a", 1, 1)], (1, 1, 1, 1), {}, "arrival_s of the requests are not numbers"),
    ],
)
def test_bad_input_is_one_clear_line(requests, pools, more, says):
    with pytest.raises(InputError) as error:
        simulate_disaggregated(requests, *pools, **more)
    assert says in str(error.value)


def test_import_is_light():
    code = "import sys, pdplan.sim; print([m for m in ('numba', 'sympy', 'scipy.stats') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
