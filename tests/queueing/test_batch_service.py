"""Batch service: B = 1 is M/D/1, constant steps against simulation, limits."""

from __future__ import annotations

import numpy as np
import pytest
from queueing_witness import batch_interval

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import MD1, BatchService

P = np.array([0.1, 0.5, 0.9, 0.99, 0.999])


@pytest.mark.parametrize("rho", [0.3, 0.8, 0.95])
def test_batches_of_one_are_md1(rho: float) -> None:
    law = BatchService(arrival_rate=rho, step_base_s=0.4, step_per_customer_s=0.6, max_batch=1)
    exact = MD1(arrival_rate=rho, service_s=1.0)
    assert law.mean_wait_s == pytest.approx(exact.mean_wait_s, rel=1e-9)
    assert law.mean_response_s == pytest.approx(exact.mean_response_s, rel=1e-9)
    assert law.wait_quantile_s(P) == pytest.approx(exact.wait_quantile_s(P), rel=1e-7, abs=1e-9)
    t = np.linspace(0, 30, 100)
    assert law.wait_sf(t) == pytest.approx(exact.wait_sf(t), abs=1e-10)
    assert law.idle_probability == pytest.approx(1 - rho, rel=1e-9)


def simulated(law: BatchService, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / law.arrival_rate, n)).tolist()
    waits, responses, i, now = [], [], 0, 0.0
    while i < n:
        now = max(now, arrivals[i])
        last = i + 1
        while last < n and last - i < law.max_batch and arrivals[last] <= now:
            last += 1
        step = law.step_s(last - i)
        for k in range(i, last):
            waits.append(now - arrivals[k])
            responses.append(waits[-1] + step)
        now, i = now + step, last
    return np.array(waits), np.array(responses)


@pytest.mark.parametrize(
    ("rho", "base", "per", "most"),
    [
        (0.5, 0.5, 0.1, 4),
        (0.8, 0.5, 0.1, 8),
        (0.85, 1.0, 0.05, 32),
        (0.7, 1.0, 0.0, 6),
        (0.7, 0.5, 0.1, 10**6),
    ],
)
def test_against_simulation(rho: float, base: float, per: float, most: int) -> None:
    """400,000 customers, 99% batch-means intervals; five statistics of each law."""
    rate = rho * most / (base + per * most)
    law = BatchService(arrival_rate=rate, step_base_s=base, step_per_customer_s=per, max_batch=most)
    waits, responses = simulated(law, 400_000, seed=3)
    mean, half = batch_interval(waits, lambda w: float(w.mean()))
    assert abs(law.mean_wait_s - mean) < half + 1e-12
    mean, half = batch_interval(responses, lambda w: float(w.mean()))
    assert abs(law.mean_response_s - mean) < half + 1e-12
    for p in (0.5, 0.9, 0.99):
        q, half = batch_interval(waits, lambda w, p=p: float(np.quantile(w, p)))
        assert abs(law.wait_quantile_s(p) - q) < half + 1e-9
        q, half = batch_interval(responses, lambda w, p=p: float(np.quantile(w, p)))
        assert abs(law.response_quantile_s(p) - q) < half + 0.003 * q


def test_batching_beats_serving_one_at_a_time() -> None:
    one = MD1(arrival_rate=0.9, service_s=1.0)
    law = BatchService(arrival_rate=0.9, step_base_s=0.5, step_per_customer_s=0.5, max_batch=8)
    assert law.mean_wait_s < one.mean_wait_s / 2
    assert 1 < law.mean_batch < 8


def test_bad_input_is_refused() -> None:
    with pytest.raises(UnstableError):
        BatchService(arrival_rate=8.0, step_base_s=0.5, step_per_customer_s=0.1, max_batch=8)
    for bad in ({"max_batch": 0}, {"step_base_s": -1.0}, {"step_base_s": 0.0, "step_per_customer_s": 0.0}):
        arguments = {
            "arrival_rate": 1.0,
            "step_base_s": 0.1,
            "step_per_customer_s": 0.1,
            "max_batch": 4,
        } | bad
        with pytest.raises(InputError):
            BatchService(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("rho", [0.95, 0.98])
def test_busy_server_is_resolved(rho: float) -> None:
    """The chain decays per customer as M/D/1 does per service at the same load: the roots are the same."""
    law = BatchService(arrival_rate=rho * 8 / 1.3, step_base_s=0.5, step_per_customer_s=0.1, max_batch=8)
    tail = law.wait_sf(np.array([8 * 1.3, 16 * 1.3]))
    one = MD1(arrival_rate=rho, service_s=1.0).wait_sf(np.array([64.0, 128.0]))
    assert np.log(tail[1] / tail[0]) == pytest.approx(np.log(one[1] / one[0]), rel=1e-5)
    assert law.mean_queue_length == pytest.approx(law.arrival_rate * law.mean_wait_s)
