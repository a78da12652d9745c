"""Closed network: limits that are known exactly, exact mean-value analysis, and a closed-loop simulation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving.closed_network import ClosedNetwork, closed_throughput
from pdplan.serving.demand import ClassDemand
from pdplan.trust import Trust

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
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
    assert 1 / one.throughput == pytest.approx(cycle, rel=3e-3)
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
    n = net(200, prefill_instances=8, max_batch=16)
    assert n.throughput == pytest.approx(16 / (200 * (0.008 + 1.6e-3)), rel=1e-6)
    assert n.parts["admission"] > 0
    assert n.mean_batch == pytest.approx(16, rel=1e-6)


def test_against_exact_mean_value_analysis():
    # Decode alone with t(b) = a + beta b and prefill, think as delays: exact MVA for a state-dependent
    # station by its normalisation constants, p(j) ~ Z^(N-j)/(N-j)! prod_k G t(k)/k.
    users, steps, delay = 24, 200.0, 3.0
    logs = np.zeros(users + 1)
    for j in range(users + 1):
        free = users - j
        logs[j] = free * np.log(delay) - np.sum(np.log(np.arange(1, free + 1)))
        k = np.arange(1, j + 1)
        logs[j] += np.sum(np.log(steps * (0.008 + 1e-4 * k) / k))
    p = np.exp(logs - logs.max())
    p /= p.sum()
    busy = p @ np.arange(users + 1)
    exact = (users - busy) / delay
    # the network with prefill of (almost) no length and the same delay as think time
    fast = Fitted(PrefillFit(0.0, 1e-9), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
    n = ClosedNetwork(users, BENCH, fast, MODEL, think_s=delay, step_factor=1.0, first_token_from="prefill")
    without_join = users / (users / n.throughput - n.parts["join"])
    assert without_join == pytest.approx(exact, rel=2e-3)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 200), st.integers(1, 4))
def test_more_users_more_throughput_longer_times(users, instances):
    a, b = net(users, prefill_instances=instances), net(users + 10, prefill_instances=instances)
    assert b.throughput >= a.throughput * (1 - 1e-6)
    assert b.mean_ttft_s >= a.mean_ttft_s * (1 - 1e-6)
    assert b.mean_tpot_s >= a.mean_tpot_s * (1 - 1e-6)


def test_fixed_point_and_errors():
    assert closed_throughput(6, lambda x: 1 + x, 10.0) == pytest.approx(2.0)
    with pytest.raises(InputError, match="mm1"):
        net(4, discipline="mm1")
    with pytest.raises(InputError):
        net(0)


@pytest.mark.slow
@pytest.mark.parametrize("discipline", ["one_at_a_time", "batched"])
@pytest.mark.parametrize(("users", "n_p", "n_d"), [(16, 1, 1), (64, 4, 2), (256, 4, 2)])
def test_against_a_closed_loop_simulation(users, n_p, n_d, discipline):
    # Limits are those of docs/validation/closed_network.md
    sys.path.insert(0, str(BENCHMARKS))
    from closed_network import cell

    c = cell(users, n_p, n_d, 1000, discipline, 30_000)
    assert c["x"] == pytest.approx(c["x_sim"], rel=0.04)
    assert c["tpot"] == pytest.approx(c["tpot_sim"], rel=0.04)
    assert c["ttft"] == pytest.approx(c["ttft_sim"], rel=0.20)
