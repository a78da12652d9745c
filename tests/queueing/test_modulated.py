"""Modulated arrivals: the slow limit bounds the mean, the extreme phases bound the quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from queueing_witness import lindley

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import MG1, Exponential, SlowModulated

RATES = [0.2, 0.8]


def modulated_waits(sojourn_s: float, total_s: float, seed: int) -> np.ndarray:
    """Two phases of equal exponential length, Poisson arrivals inside each."""
    rng = np.random.default_rng(seed)
    times, now, phase = [], 0.0, 0
    while now < total_s:
        length = rng.exponential(sojourn_s)
        count = rng.poisson(RATES[phase] * length)
        times.append(now + np.sort(rng.uniform(0, length, count)))
        now, phase = now + length, 1 - phase
    arrivals = np.concatenate(times)
    return lindley(np.diff(arrivals, prepend=0.0), rng.exponential(1.0, arrivals.size))


@pytest.mark.slow
@pytest.mark.parametrize("sojourn_s", [2.0, 50.0, 2000.0])
def test_bounds_hold_simulation(sojourn_s: float) -> None:
    law = SlowModulated([0.5, 0.5], RATES, Exponential(1.0))
    waits = modulated_waits(sojourn_s, min(5e4 * sojourn_s, 2e6), seed=4)
    fast, slow = law.mean_wait_bounds_s
    assert fast < waits.mean() * 1.02
    assert waits.mean() < slow * 1.05
    p = np.array([0.5, 0.9, 0.99])
    low, high = law.wait_quantile_bounds_s(p)
    q = np.quantile(waits, p)
    assert (low <= q).all()
    assert (q <= high * 1.02).all()
    assert (q <= law.wait_quantile_s(p) * 1.05).all()


def test_slow_limit_is_reached() -> None:
    law = SlowModulated([0.5, 0.5], RATES, Exponential(1.0))
    waits = modulated_waits(20_000.0, 6e6, seed=5)
    assert waits.mean() == pytest.approx(law.mean_wait_s, rel=0.1)
    assert np.quantile(waits, 0.99) == pytest.approx(law.wait_quantile_s(0.99), rel=0.1)


def test_one_phase_is_m_g_1() -> None:
    law, plain = SlowModulated([1.0], [0.7], Exponential(1.0)), MG1(0.7, Exponential(1.0))
    p = np.array([0.2, 0.5, 0.99])
    assert law.wait_quantile_s(p) == pytest.approx(plain.wait_quantile_s(p), rel=1e-9)
    assert law.response_quantile_s(p) == pytest.approx(plain.response_quantile_s(p), rel=1e-9)
    assert law.mean_wait_s == pytest.approx(plain.mean_wait_s)


def test_a_silent_phase_is_allowed() -> None:
    law = SlowModulated([0.5, 0.5], [0.0, 0.8], Exponential(1.0))
    assert law.mean_wait_s == pytest.approx(MG1(0.8, Exponential(1.0)).mean_wait_s)
    assert law.wait_quantile_bounds_s(0.99)[0] == 0.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(UnstableError, match="busiest"):
        SlowModulated([0.9, 0.1], [0.2, 1.1], Exponential(1.0))
    with pytest.raises(InputError):
        SlowModulated([0.9, 0.2], [0.2, 0.5], Exponential(1.0))
    with pytest.raises(InputError):
        SlowModulated([1.0], [0.2, 0.5], Exponential(1.0))
    with pytest.raises(InputError):
        SlowModulated([1.0], [0.0], Exponential(1.0))
