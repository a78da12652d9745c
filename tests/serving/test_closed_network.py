"""Closed network: limits that are known exactly, exact solutions of special cases, and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving.closed_network import ClosedNetwork, closed_throughput
from pdplan.serving.closed_station import solve_station
from pdplan.serving.closed_steps import one_at_a_time
from pdplan.serving.demand import ClassDemand
from pdplan.trust import Trust

ONE = np.ones(1)
MODEL = Fitted(PrefillFit(0.01, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
BENCH = ClassDemand("bench", 1.0, ONE * 1000, ONE * 201, ONE)


def net(users: int, **kw) -> ClosedNetwork:
    return ClosedNetwork(users, BENCH, MODEL, MODEL, step_factor=1.0, first_token_from="prefill", **kw)


def test_one_user_waits_for_nobody():
    # prefill 0.06 s, then 200 steps of t(1) = 8.1 ms; the join finds no step running but one's own share
    one = net(1)
    cycle = 0.06 + 200 * 0.0081
    assert one.mean_ttft_s == pytest.approx(0.06)
    assert 1 / one.throughput == pytest.approx(cycle, rel=1e-9)
    assert one.trust is Trust.APPROXIMATE


def test_littles_law_of_the_whole():
    for users in (4, 32, 200):
        n = net(users, think_s=0.5, prefill_instances=2, decode_instances=2)
        cycle = n.mean_ttft_s + 200 * n.mean_tpot_s + 0.5
        assert n.throughput * cycle == pytest.approx(users, rel=1e-5)


def test_prefill_limits_and_the_rest_queues_there():
    # D = 0.06 s: never above 16.67/s per instance, approached from below as users grow
    n = net(400, decode_instances=20)
    assert n.throughput == pytest.approx(1 / 0.06, rel=0.02)
    assert n.throughput < 1 / 0.06
    assert n.parts["queue"] > 10 * n.parts["prefill"]


def test_a_capped_decode_limits_and_the_rest_waits_for_admission():
    # A place is held from admission on, so half a step of it is spent waiting for the step under way:
    # 16 places hold 16 x 200/200.5 = 15.96 requests in the batch.
    n = net(200, prefill_instances=8, max_batch=16)
    batch = 16 * 200 / 200.5
    assert n.throughput == pytest.approx(16 / (200.5 * (0.008 + 1e-4 * batch)), rel=1e-5)
    assert n.parts["admission"] > 0
    assert n.mean_batch == pytest.approx(batch, rel=1e-4)


def variable(users: int, **kw) -> ClosedNetwork:
    """Prompts of two lengths, so that users do not fall into step."""
    two = np.array([500.0, 1500.0])
    lengths = ClassDemand("bench", 1.0, two, np.full(2, 201.0), np.full(2, 0.5))
    defaults = {"step_factor": 1.0, "first_token_from": "prefill"}
    return ClosedNetwork(users, lengths, MODEL, MODEL, **{**defaults, **kw})


def test_against_exact_mean_value_analysis():
    # Decode alone with t(b) = a + beta b and think time as a delay: p(j) ~ Z^(N-j)/(N-j)! prod_k G t(k)/k,
    # prefill of next to no length.
    users, steps, delay = 24, 200.0, 3.0
    logs = np.zeros(users + 1)
    for j in range(users + 1):
        free = users - j
        logs[j] = free * np.log(delay) - np.sum(np.log(np.arange(1, free + 1)))
        k = np.arange(1, j + 1)
        # half a step to join while another is under way, which is not spent in the batch
        stay = np.where(k > 1, steps + 0.5, steps)
        batch = np.maximum(1.0, k * steps / stay)
        logs[j] += np.sum(np.log(stay * (0.008 + 1e-4 * batch) / k))
    p = np.exp(logs - logs.max())
    p /= p.sum()
    exact = (users - p @ np.arange(users + 1)) / delay
    fast = Fitted(PrefillFit(0.0, 1e-9), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
    n = ClosedNetwork(
        users, variable(users).demand, fast, MODEL, think_s=delay, step_factor=1.0, first_token_from="prefill"
    )
    assert n.throughput == pytest.approx(exact, rel=1e-5)


def test_machine_repair_with_general_service_against_simulation_by_hand():
    # One step of 1 s for every request in decode of one token (rate n/t), i.e. 5 users who think 1 s on
    # average and one server of 0.5 s or 1.5 s: M/G/1//5, simulated below with exponential thinking.
    rates = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    service = np.array([0.5, 1.5])
    found = solve_station(rates, one_at_a_time(service, np.full(2, 0.5), 5))
    rng = np.random.default_rng(3)
    n, t, area, spans = 0, 0.0, np.zeros(6), 30_000
    for _ in range(spans):
        if n == 0:
            wait = rng.exponential(1 / 5.0)
            area[0] += wait
            t += wait
            n = 1
        left = rng.choice(service)
        while True:
            gap = rng.exponential(1 / rates[n]) if n < 5 else np.inf
            if gap >= left:
                area[n] += left
                t += left
                break
            area[n] += gap
            t += gap
            left -= gap
            n += 1
        n -= 1
    assert found.throughput == pytest.approx(spans / t, rel=0.005)
    assert found.number == pytest.approx(area / t, abs=0.006)


def test_a_batching_instance_keeps_all_tokens():
    # Tokens of all steps are those of all prompts: at 1 ms a token and no fixed part, seconds of work a
    # prompt are its mean tokens in ms.
    tokens = np.array([100.0, 900.0, 3000.0])
    weight = np.array([0.5, 0.3, 0.2])
    demand = ClassDemand("mix", 1.0, tokens, np.full(3, 50.0), weight)
    model = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
    n = ClosedNetwork(40, demand, model, model, discipline="batched", max_batch_tokens=4000)
    # prefill binds: 0.92 s a prompt
    assert n.solved.prefill_busy > 0.999
    assert n.throughput == pytest.approx(1 / 0.92, rel=0.01)


def test_equal_requests_fall_into_step():
    # One decode instance, everything locked to its steps: S + T = 60 ms, t(4) ~ 8.4 ms: 8 steps, then 200.
    n = net(4)
    step = n.step_s
    assert 0.0083 < step < 0.0084
    cycle = 8 * step + 200 * step
    assert 1 / n.throughput == pytest.approx(cycle / 4, rel=1e-6)
    assert n.mean_ttft_s == pytest.approx(0.06)
    assert "step" in n.accuracy


def test_routers_are_ordered():
    ttft = {
        router: variable(64, prefill_instances=4, router=router, decode_instances=2).mean_ttft_s
        for router in ("random", "round_robin", "least_work")
    }
    assert ttft["least_work"] < ttft["round_robin"] < ttft["random"]


def test_many_users_meet_the_state_by_state_solution():
    few, many = variable(640, decode_instances=40), variable(641, decode_instances=40)
    assert many.throughput == pytest.approx(few.throughput, rel=0.01)
    assert many.mean_ttft_s == pytest.approx(few.mean_ttft_s, rel=0.03)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 120), st.integers(1, 4))
def test_more_users_more_throughput_longer_times(users, instances):
    a, b = variable(users, prefill_instances=instances), variable(users + 10, prefill_instances=instances)
    assert b.throughput >= a.throughput * (1 - 1e-6)
    assert b.mean_ttft_s >= a.mean_ttft_s * (1 - 1e-6)
    assert b.mean_tpot_s >= a.mean_tpot_s * (1 - 1e-6)


def test_fixed_point_and_errors():
    assert closed_throughput(6, lambda x: 1 + x, 10.0) == pytest.approx(2.0)
    with pytest.raises(InputError, match="mm1"):
        net(4, discipline="mm1")
    with pytest.raises(InputError):
        net(0)
