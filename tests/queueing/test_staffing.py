"""Staffing and its inverse: against scans, at any size, checked at the answer and beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, InputError
from pdplan.queueing.erlang import erlang_b, erlang_c
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.mdc import MDc
from pdplan.queueing.mmc import MMc
from pdplan.queueing.staffing import largest_rate, smallest_servers
from pdplan.queueing.staffing_erlang import (
    erlang_b_servers,
    erlang_c_servers,
    mmc_servers_for_mean_wait,
    mmc_servers_for_wait_tail,
)


def _p99(law: WaitingLaw) -> float:
    return float(law.wait_quantile_s(0.99))


@given(st.floats(0.01, 500.0), st.floats(1e-6, 1.0))
def test_erlang_staffing_is_the_scan(load: float, target: float) -> None:
    answer = erlang_c_servers(load, target)
    assert answer.achieved == pytest.approx(erlang_c(answer.servers, load), rel=1e-12)
    assert answer.achieved <= target < answer.one_fewer
    fewest = math.floor(load) + 1
    servers = np.arange(fewest, fewest + 1000)
    assert answer.servers == servers[np.argmax(erlang_c(servers, load) <= target)]
    lost, servers = erlang_b_servers(load, target), np.arange(1000)
    assert lost.servers == servers[np.argmax(erlang_b(servers, load) <= target)]
    assert lost.achieved <= target < lost.one_fewer


@pytest.mark.parametrize("load", [10.0, 1e3, 1e5, 1e6])
def test_large_pools_follow_the_square_root_rule(load: float) -> None:
    answer = erlang_c_servers(load, 0.2)
    # Halfin & Whitt 1981: C -> 1/(1 + beta Phi(beta)/phi(beta)), which is 0.2 at beta = 1.0606
    spare = (answer.servers - load) / math.sqrt(load)
    assert spare == pytest.approx(1.0606, abs=1 / math.sqrt(load) + 0.01)


@settings(deadline=None)
@given(st.floats(0.5, 300.0), st.floats(0.01, 10.0), st.floats(0.5, 0.9999))
def test_wait_targets_of_mmc(load: float, target: float, p: float) -> None:
    answer = mmc_servers_for_wait_tail(load, 1.0, target, p)
    assert MMc(load, 1.0, answer.servers).wait_quantile_s(p) <= target * (1 + 1e-9)
    general = smallest_servers(
        lambda c: MMc(load, 1.0, c), lambda law: law.wait_sf(target), 1 - p, offered_erlangs=load
    )
    assert general.servers == answer.servers
    mean = mmc_servers_for_mean_wait(load, 1.0, target)
    assert mean.achieved == pytest.approx(MMc(load, 1.0, mean.servers).mean_wait_s, rel=1e-12)
    assert mean.achieved <= target < mean.one_fewer


def test_any_law_is_staffed_and_checked_beside_the_answer() -> None:
    answer = smallest_servers(lambda c: MDc(16.0, 1.0, c), _p99, 0.5, offered_erlangs=16.0)
    assert answer.achieved <= 0.5 < answer.one_fewer
    assert MDc(16.0, 1.0, answer.servers - 1).wait_quantile_s(0.99) == answer.one_fewer
    loose = smallest_servers(lambda c: MDc(1.5, 1.0, c), _p99, 1e3, offered_erlangs=1.5)
    assert loose.servers == 2
    assert math.isinf(loose.one_fewer)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.floats(0.01, 20.0))
def test_largest_rate_is_bracketed_and_inverts_staffing(servers: int, target: float) -> None:
    limit = largest_rate(lambda rate: MMc(rate, 1.0, servers), _p99, target, capacity=servers)
    assert _p99(MMc(limit.arrival_rate, 1.0, servers)) == limit.achieved <= target
    assert _p99(MMc(limit.first_failing_rate, 1.0, servers)) > target
    assert limit.first_failing_rate == pytest.approx(limit.arrival_rate, rel=1.1e-6)
    again = mmc_servers_for_wait_tail(limit.arrival_rate, 1.0, target, 0.99)
    assert again.servers == servers


def test_honest_refusals() -> None:
    with pytest.raises(InfeasibleError, match="almost idle station gives 1"):
        largest_rate(lambda r: MMc(r, 1.0, 2), lambda law: law.mean_response_s, 0.5, capacity=2.0)
    wobble = iter([5.0, 3.0, 4.0, 0.5, 0.6, 0.4, 0.3])
    with pytest.raises(InputError, match="must be monotone"):
        smallest_servers(lambda c: MMc(1.5, 1.0, c), lambda law: next(wobble), 1.0, offered_erlangs=1.5)
    with pytest.raises(InputError, match="wait_probability is 0"):
        erlang_c_servers(10.0, 0.0)
    with pytest.raises(InputError, match="target_s"):
        mmc_servers_for_mean_wait(10.0, 1.0, -1.0)
    easy = largest_rate(lambda r: MMc(r, 1.0, 2), lambda law: law.wait_probability, 1.0, capacity=2.0)
    assert easy.first_failing_rate == 2.0


def test_grid_of_loads_is_monotone() -> None:
    answers = np.array([erlang_c_servers(load, 0.1).servers for load in np.linspace(1, 60, 120)])
    assert (np.diff(answers) >= 0).all()
