"""deep-ml.com problem 440 in both forms: cases worked by hand, the published cases, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.sim import disaggregated_serving_sim

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "deepml440_cases.json"
FIELDS = ("avg_ttft", "avg_total_latency", "throughput", "prefill_utilization", "decode_utilization")

# name: requests (arrival_time, prompt_tokens, output_tokens), pools, in arrival order, in KV-ready order.
# Source: deep-ml.com problem 440 and variants of it, computed by independent solutions in both orders.
CASES = {
    "official": (
        [(0.0, 1024, 256), (0.1, 512, 128), (0.2, 2048, 512)],
        (2, 1, 10000, 200, 0.0005),
        [1.5811, 3.0744, 175.8794, 0.0352, 0.8794],
        [1.1605, 2.6539, 183.3361, 0.0367, 0.9167],
    ),
    "first arrival not at zero": (
        [(5, 1000, 100)],
        (1, 1, 10000, 100, 0.0001),
        [0.2, 1.2, 83.3333, 0.0833, 0.8333],
        [0.2, 1.2, 83.3333, 0.0833, 0.8333],
    ),
    "ties": (
        [(0, 100, 10)] * 3,
        (1, 2, 1000, 10, 0.0),
        [0.4667, 1.4667, 14.2857, 0.1429, 0.7143],
        [0.4667, 1.4667, 14.2857, 0.1429, 0.7143],
    ),
    "empty prompt": (
        [(0, 0, 100), (0, 1000, 100)],
        (1, 1, 10000, 100, 0.0001),
        [0.5, 1.5, 100.0, 0.05, 1.0],
        [0.5, 1.5, 100.0, 0.05, 1.0],
    ),
    "late KV blocks decode": (
        [(0, 10000, 10), (0.001, 10, 10)],
        (2, 1, 10000, 100, 0.001),
        [11.0495, 11.1495, 1.7857, 0.0447, 0.0179],
        [5.5055, 5.6055, 1.8018, 0.0451, 0.018],
    ),
    "overtaking on two decode GPUs": (
        [(0, 4096, 64), (0, 64, 64), (0, 64, 640)],
        (3, 2, 10000, 100, 0.0005),
        [1.0581, 3.6181, 108.4991, 0.0199, 0.5425],
        [0.8448, 3.4048, 119.2843, 0.0219, 0.5964],
    ),
}


def averages_form(rows):
    return [dict(zip(("arrival_time", "prompt_tokens", "output_tokens"), r, strict=True)) for r in rows]


def own_form(rows):
    return [dict(zip(("arrival_ms", "prompt_length", "output_length"), r, strict=True)) for r in rows]


@pytest.mark.parametrize("name", CASES)
def test_averages_in_both_orders(name):
    rows, pools, in_arrival_order, in_kv_order = CASES[name]
    default = disaggregated_serving_sim(averages_form(rows), *pools)
    assert [default[f] for f in FIELDS] == in_arrival_order
    kv = disaggregated_serving_sim(averages_form(rows), *pools, decode_order="kv_ready")
    assert [kv[f] for f in FIELDS] == in_kv_order


def test_the_cases_typed_in_are_the_shared_ones():
    if not SHARED.exists():
        pytest.skip("the shared case file is not beside this checkout")
    for case in json.loads(SHARED.read_text()).values():
        names = ("num_prefill", "num_decode", "prefill_rate", "decode_rate", "kv_transfer_rate")
        pools = {name: case[name] for name in names}
        for order, expected in (("arrival", "arrival_list_order"), ("kv_ready", "kv_ready_order")):
            got = disaggregated_serving_sim(case["requests"], **pools, decode_order=order)
            assert [got[f] for f in case["fields"]] == case[expected]


# Worked by hand; times in ms. (latency, prefill, decode) of each request, and tokens over the span in s.
OWN = {
    # prefill 0-100, KV at 105, decode 105-1105; 100 tokens in 1.105 s
    "one request": (
        [(0, 1000, 100)],
        (1, 1, 10000, 100, 5.0),
        "arrival",
        [(1105.0, 100.0, 1000.0)],
        90.50,
    ),
    # prefills 0-100 and 100-200 on one GPU; KV at 105, 205; decode 105-605, 605-1105; 100 tokens in 1.105 s
    "both wait": (
        [(0, 1000, 50), (0, 1000, 50)],
        (1, 1, 10000, 100, 5.0),
        "arrival",
        [(605.0, 100.0, 500.0), (1105.0, 100.0, 500.0)],
        90.50,
    ),
    # two GPUs in each pool: no waits. 0-200 +10, 210-310; 0-100 +10, 110-210 from arrival 20: 20-120, 130-230
    "nobody waits": (
        [(0, 2000, 10), (20, 1000, 10)],
        (2, 2, 10000, 100, 10.0),
        "arrival",
        [(310.0, 200.0, 100.0), (210.0, 100.0, 100.0)],
        64.52,
    ),
    # the short one's KV is there at 10 and waits for the long one's (at 1000): decode 1000-1100, 1100-1200
    "arrival order blocks": (
        [(0, 10000, 10), (0, 100, 10)],
        (2, 1, 10000, 100, 0.0),
        "arrival",
        [(1100.0, 1000.0, 100.0), (1200.0, 10.0, 100.0)],
        16.67,
    ),
    # ... and does not wait in the order of KV: 10-110, then 1000-1100
    "KV order does not": (
        [(0, 10000, 10), (0, 100, 10)],
        (2, 1, 10000, 100, 0.0),
        "kv_ready",
        [(1100.0, 1000.0, 100.0), (110.0, 10.0, 100.0)],
        18.18,
    ),
    # no prompt, no output: prefill at once, decode at once; the transfer remains. 7 ms, no tokens
    "nothing to do": ([(3, 0, 0)], (1, 1, 10, 10, 7), "arrival", [(7, 0.0, 0.0)], 0.0),
    # zero makespan: the span counts as 1 s, so the throughput is the number of tokens, here none
    "zero makespan": ([(4, 0, 0)], (1, 1, 10, 10, 0), "arrival", [(0, 0.0, 0.0)], 0.0),
    # the order of the list, arrivals not sorted: 50-60, 60-160; then arrival 0 starts at 60: 60-70, 160-260.
    # The span starts at the first of the list: 260 - 50 = 210 ms for 20 tokens
    "unsorted arrivals": (
        [(50, 100, 10), (0, 100, 10)],
        (1, 1, 10000, 100, 0),
        "arrival",
        [(110.0, 10.0, 100.0), (260.0, 10.0, 100.0)],
        95.24,
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_own_form_by_hand(name):
    rows, pools, order, expected, throughput = OWN[name]
    got = disaggregated_serving_sim(own_form(rows), *pools, decode_order=order)
    keys = ("latency_ms", "prefill_ms", "decode_ms")
    assert got["per_request"] == [
        {**dict(zip(keys, e, strict=True)), "kv_transfer_ms": pools[4]} for e in expected
    ]
    assert got["throughput_tok_per_sec"] == throughput
    assert list(got) == ["per_request", "throughput_tok_per_sec"]


def by_scanning(rows, prefill_gpus, decode_gpus, prefill_rate, decode_rate, transfer_ms):
    """Second witness: list of free times, scanned for the least, request by request."""
    free_p, free_d, latencies = [0.0] * prefill_gpus, [0.0] * decode_gpus, []
    for arrival, prompt, output in rows:
        p = min(range(prefill_gpus), key=free_p.__getitem__)
        free_p[p] = max(arrival, free_p[p]) + prompt / prefill_rate * 1000
        d = min(range(decode_gpus), key=free_d.__getitem__)
        free_d[d] = max(free_p[p] + transfer_ms, free_d[d]) + output / decode_rate * 1000
        latencies.append(round(free_d[d] - arrival, 2))
    return latencies


rows_of_any_order = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 3000), st.integers(0, 300)), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(rows_of_any_order, st.integers(1, 4), st.integers(1, 4), st.sampled_from([0, 5.0, 40]))
def test_own_form_against_a_scan(rows, prefill_gpus, decode_gpus, transfer_ms):
    pools = (prefill_gpus, decode_gpus, 7000.0, 90.0, transfer_ms)
    got = disaggregated_serving_sim(own_form(rows), *pools)
    assert [r["latency_ms"] for r in got["per_request"]] == by_scanning(rows, *pools)


@settings(max_examples=100, deadline=None)
@given(rows_of_any_order.filter(bool), st.integers(1, 3), st.integers(1, 3))
def test_averages_do_not_depend_on_the_order_of_the_list(rows, num_prefill, num_decode):
    rows = [(a + i / 16, p, o) for i, (a, p, o) in enumerate(rows)]  # no ties
    pools = (num_prefill, num_decode, 7000.0, 90.0, 1e-4)
    forwards = disaggregated_serving_sim(averages_form(rows), *pools)
    assert disaggregated_serving_sim(averages_form(rows[::-1]), *pools) == forwards


def test_no_requests():
    empty = disaggregated_serving_sim([], 2, 1, 10000, 200, 5.0)
    assert empty == {"per_request": [], "throughput_tok_per_sec": 0.0}
    assert all(empty[f] == 0.0 for f in FIELDS)
    with pytest.raises(KeyError):
        empty["something else"]
    pools = {"num_prefill": 2, "num_decode": 1, "prefill_rate": 1.0, "decode_rate": 1.0}
    assert disaggregated_serving_sim([], **pools, kv_transfer_rate=0) == dict.fromkeys(FIELDS, 0.0)


def test_zero_makespan_of_the_averages():
    got = disaggregated_serving_sim(averages_form([(2, 0, 0)]), 1, 1, 10, 10, 0.1)
    assert got == dict.fromkeys(FIELDS, 0.0)


ONE = own_form([(0, 10, 10)])


@pytest.mark.parametrize(
    ("requests", "pools", "named", "says"),
    [
        (ONE, (0, 1, 1, 1, 0), {}, "prefill_gpus is 0: it must be a whole number of at least 1"),
        (ONE, (1, 1.5, 1, 1, 0), {}, "decode_gpus is 1.5: it must be a whole number"),
        (ONE, (1, 1, 0, 1, 0), {}, "prefill_tok_per_sec is 0: it must be a finite number greater than 0"),
        (ONE, (1, 1, 1, float("nan"), 0), {}, "decode_tok_per_sec is nan"),
        (ONE, (1, 1, 1, 1, -1), {}, "kv_transfer_ms is -1: it must be a finite number at least 0"),
        (ONE, (1, 1, 1e-320, 1, 0), {}, "take longer than a number can hold"),
        (ONE, (1, 1, 1, 1), {}, "kv_transfer_ms missing"),
        (ONE, (1, 1, 1, 1, 0, 9), {}, "6 values after the requests: there are 5"),
        (ONE, (1, 1, 1, 1), {"kv_transfer_rate": 0}, "kv_transfer_rate is not known here"),
        (ONE, (1, 1, 1, 1, 0), {"prefill_gpus": 1}, "prefill_gpus is given twice"),
        (own_form([(0, -1, 1)]), (1, 1, 1, 1, 0), {}, "prompt_length of request 0 is -1"),
        ([*ONE, {"arrival_ms": 1}], (1, 1, 1, 1, 0), {}, "request 1 has no prompt_length"),
        ([*ONE, 7], (1, 1, 1, 1, 0), {}, "request 1 is a int"),
        ([{"arrival": 0}], (1, 1, 1, 1, 0), {}, "it needs the keys arrival_ms"),
        ([{"arrival_ms": 0, "prompt_tokens": 1}], (1, 1, 1, 1, 0), {}, "it needs the keys"),
        (own_form([(True, 1, 1)]), (1, 1, 1, 1, 0), {}, "arrival_ms of request 0 is True"),
        ({"arrival_ms": 0}, (1, 1, 1, 1, 0), {}, "requests is a dict: it must be a list"),
        (ONE, (1, 1, 1, 1, 0), {"decode_order": "kv"}, "decode_order is 'kv'"),
    ],
)
def test_bad_input_is_one_clear_line(requests, pools, named, says):
    with pytest.raises(InputError) as error:
        disaggregated_serving_sim(requests, *pools, **named)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
