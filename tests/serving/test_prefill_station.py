"""The prefill pool: against textbook laws, DistServe's equations, brute-force simulation and invariants."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError, UnknownNameError, UnstableError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.queueing.md1 import MD1
from pdplan.queueing.service import Atoms
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_bounds import decay_rate, exponential_bounds_s
from pdplan.serving.prefill_queue import RouterBracket, service_atoms
from pdplan.serving.prefill_station import PrefillStation
from pdplan.trust import Trust

ONE = np.ones(1)
LINEAR = Fitted(PrefillFit(0.0, 2e-4), (DecodeFit(0.01, 0.0),), (1, 1e6), (1, 512), "made for tests")
AFFINE = Fitted(PrefillFit(0.02, 1e-4, 1e-9), (DecodeFit(0.01, 0.0),), (1, 1e6), (1, 512), "made for tests")
LENGTHS = np.exp(np.linspace(-2.0, 2.0, 41)) * 600


def fixed(rate: float, prompt: float = 1000.0, cached: float = 0.0) -> ClassDemand:
    return ClassDemand("fixed", rate, ONE * prompt, ONE * 10, ONE, ONE * cached)


def varied(rate: float) -> ClassDemand:
    return ClassDemand("varied", rate, LENGTHS, np.full(41, 10.0), np.full(41, 1 / 41))


def fcfs_waits(rate, values, n, servers, router, seed):
    """Waits of n customers by the recursion of each router, no law used."""
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.exponential(1 / rate, n))
    s = rng.choice(values, n)
    pick = rng.integers(0, servers, n)
    free = [0.0] * servers
    waits = np.empty(n)
    for i in range(n):
        if router == "least_work":
            start = max(t[i], heapq.heappop(free))
            heapq.heappush(free, start + s[i])
        else:
            k = pick[i] if router == "random" else i % servers
            start = max(t[i], free[k])
            free[k] = start + s[i]
        waits[i] = start - t[i]
    return waits[n // 20 :]


def test_distserve_equation_1():
    # DistServe (OSDI 2024) eq. 1: D + R D^2/(2 (1 - R D)), R = 4, D = 0.2: 0.2 + 0.16/0.4 = 0.6
    s = PrefillStation([fixed(4.0)], LINEAR)
    assert s.ttft().mean_s == pytest.approx(0.6, rel=1e-12)
    assert s.trust is Trust.EXACT
    assert s.ttft().quantile_s(0.99) == pytest.approx(0.2 + MD1(4.0, 0.2).wait_quantile_s(0.99), rel=1e-3)
    assert s.max_rate == pytest.approx(5.0)


def test_distserve_equation_2_pipeline():
    # eq. 2 (two-way inter-op): D + R D^2/(4 (2 - R D)) = 0.2 + 4 x 0.04/(4 x 1.2)
    s = PrefillStation([fixed(4.0)], LINEAR, pipeline_stages=2)
    assert s.ttft().mean_s == pytest.approx(0.2 + 0.16 / 4.8, rel=1e-12)
    assert s.trust is Trust.EXACT
    assert PrefillStation([varied(1.0)], AFFINE, pipeline_stages=2).trust is Trust.APPROXIMATE


def test_pollaczek_khinchine_and_classes():
    a, b = fixed(2.0, 500.0), ClassDemand("long", 1.0, ONE * 1500, ONE, ONE)
    s = PrefillStation([a, b], LINEAR)
    second = 2.0 * 0.1**2 + 1.0 * 0.3**2  # lam E S^2
    wait = second / (2 * (1 - 0.5))
    assert s.mean_wait_s == pytest.approx(wait, rel=1e-12)
    assert s.ttft("long").mean_s == pytest.approx(wait + 0.3)
    assert s.ttft("fixed").parts == pytest.approx({"queue": wait, "prefill": 0.1})
    assert s.ttft().mean_s == pytest.approx(wait + 0.5 / 3)
    with pytest.raises(InputError, match="did you mean long"):
        s.ttft("lnog")


def test_prefix_hits_shorten_prefill():
    # 1000 tokens, 600 cached: 400 new tokens, attention 1000^2 - 600^2
    s = PrefillStation([fixed(1.0, 1000.0, 600.0)], AFFINE)
    assert s.prefill_s()[0] == pytest.approx(0.02 + 0.04 + 1e-9 * (1000**2 - 600**2), rel=1e-12)
    whole = PrefillStation([fixed(1.0, 1000.0, 1000.0)], AFFINE)  # everything cached: one token is computed
    assert whole.prefill_s()[0] == pytest.approx(0.02 + 1e-4, rel=0.1)


@pytest.mark.parametrize("router", ["random", "round_robin", "least_work"])
def test_one_at_a_time_against_simulation(router):
    s = PrefillStation([varied(24.0)], AFFINE, 4, router)
    values = s.prefill_s()
    waits = fcfs_waits(24.0, values, 400_000, 4, router, seed=11)
    tolerance = 0.08 if router == "least_work" else 0.05
    assert s.mean_wait_s == pytest.approx(waits.mean(), rel=tolerance)
    assert s.wait_quantile_s(0.99) == pytest.approx(np.quantile(waits, 0.99), rel=tolerance + 0.03)


def test_routers_are_ordered():
    by = {r: PrefillStation([varied(24.0)], AFFINE, 4, r) for r in ("random", "round_robin", "least_work")}
    assert by["least_work"].mean_wait_s < by["round_robin"].mean_wait_s < by["random"].mean_wait_s
    for router in ("jsq", "power_of_two"):
        s = PrefillStation([varied(24.0)], AFFINE, 4, router)
        assert isinstance(s.queue, RouterBracket)
        low, high = s.queue.mean_wait_bounds_s
        assert (low, high) == pytest.approx((by["least_work"].mean_wait_s, by["random"].mean_wait_s))
        assert s.trust is Trust.APPROXIMATE
    assert PrefillStation([fixed(12.0)], LINEAR, 4, "round_robin").mean_wait_s == pytest.approx(
        PrefillStation([fixed(12.0)], LINEAR, 4, "least_work").mean_wait_s, rel=1e-9
    )


def test_mm1_is_the_papers_formula():
    # arXiv 2603.04716: TTFT - T_overhead = 1/(mu - lam); mu = 28309/6144 req/s
    model = Fitted(PrefillFit(0.0, 1 / 28309), (DecodeFit(0.01, 0.0),), (1, 1e6), (1, 512), "paper")
    d = ClassDemand("paper", 4.0, ONE * 6144, ONE * 512, ONE)
    s = PrefillStation([d], model, discipline="mm1", overhead_s=0.1)
    rest = 1 / (28309 / 6144 - 4.0)
    assert s.ttft().mean_s == pytest.approx(0.1 + rest, rel=1e-9)
    assert s.ttft().quantile_s(0.95) == pytest.approx(0.1 - math.log(0.05) * rest, rel=2e-3)
    assert s.trust is Trust.APPROXIMATE


def test_batched_one_prompt_per_step_is_md1_and_packing_helps():
    # Budget of one prompt: nothing can be shared, M/D/1: wait rho D/(2 (1 - rho))
    d = fixed(6.0)
    s = PrefillStation([d], LINEAR, discipline="batched", max_batch_tokens=1000.0, instances=2)
    assert s.utilization == pytest.approx(0.6)
    assert s.mean_wait_s == pytest.approx(0.6 * 0.2 / 0.8, rel=2e-3)
    packed = PrefillStation([varied(16.0)], AFFINE, 4, "random", "batched")
    alone = PrefillStation([varied(16.0)], AFFINE, 4, "random")
    assert packed.utilization < alone.utilization
    assert packed.trust is Trust.APPROXIMATE
    assert packed.ttft().mean_s < 1.1 * alone.ttft().mean_s


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 0.95), st.floats(0.5, 0.999), st.integers(1, 16))
def test_cheap_bounds_hold_the_law(rho, p, n):
    # M/D/1 exactly, and any router from above by random
    law = MD1(rho, 1.0)
    low, high = exponential_bounds_s(rho, Atoms([1.0], [1.0]), 1, p)
    assert low <= law.wait_quantile_s(p) * (1 + 1e-9) + 1e-9
    assert law.wait_quantile_s(p) <= high * (1 + 1e-9)
    service = Atoms([0.5, 1.0, 4.0], [0.5, 0.4, 0.1])
    rate = rho / service.mean_s
    theta = decay_rate(rate, service, n)
    mgf = float(service.weights @ np.exp(theta * service.values_s))
    assert mgf * (n * rate / (n * rate + theta)) ** n == pytest.approx(1.0, rel=1e-7)


def test_round_robin_law_lies_within_its_bounds():
    s = PrefillStation([varied(24.0)], AFFINE, 4, "round_robin")
    for p in (0.9, 0.99, 0.999):
        low, high = s.wait_quantile_bounds_s(p)
        assert low <= s.wait_quantile_s(p) * 1.02
        assert s.wait_quantile_s(p) <= high


def test_errors():
    with pytest.raises(UnstableError, match="prefill pool is offered"):
        PrefillStation([fixed(6.0)], LINEAR)
    with pytest.raises(UnknownNameError, match="did you mean round_robin"):
        PrefillStation([fixed(1.0)], LINEAR, router="roundrobin")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean batched"):
        PrefillStation([fixed(1.0)], LINEAR, discipline="batch")  # type: ignore[arg-type]
    with pytest.raises(InputError):
        PrefillStation([fixed(1.0)], LINEAR, instances=0)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.9), st.integers(1, 6))
def test_more_load_waits_longer_more_instances_wait_less(rho, n):
    rate = rho * n * 5.0
    here = PrefillStation([fixed(rate)], LINEAR, n, "least_work")
    assert PrefillStation([fixed(rate * 1.05)], LINEAR, n, "least_work").mean_wait_s > here.mean_wait_s
    assert here.with_instances(n + 1).mean_wait_s < here.mean_wait_s
    q = [here.wait_quantile_s(p) for p in (0.5, 0.9, 0.99)]
    assert q == sorted(q)


def test_service_atoms_keep_two_moments():
    values = np.random.default_rng(1).lognormal(0, 1, 20_000)
    weight = np.full(values.size, 1 / values.size)
    law = service_atoms(values, weight)
    assert law.values_s.size <= 256
    assert law.mean_s == pytest.approx(values.mean(), rel=1e-12)
    assert law.second_moment_s2 == pytest.approx(float(np.mean(values**2)), rel=3e-4)
