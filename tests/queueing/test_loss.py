"""M/M/c/K: a library value, its limits, the birth-death chain, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.queueing.erlang import erlang_b
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.loss import MMcK
from pdplan.queueing.mmc import MMc
from pdplan.trust import Trust


def _chain(load: float, servers: int, capacity: int) -> np.ndarray:
    """Stationary law of the birth-death chain, by products (the second formula)."""
    n = np.arange(1, capacity + 1)
    weights = np.r_[1.0, np.cumprod(load / np.minimum(n, servers))]
    return weights / weights.sum()


def test_blocking_of_most_queue() -> None:
    # most_queue 2.9 (MIT), MMnrCalc: 4 servers, 20 places to wait, lam = 3.6, mu = 1
    assert MMcK(3.6, 1.0, 4, 24).blocking == pytest.approx(0.010480619377157186, rel=1e-6)


@given(st.floats(0.05, 40.0), st.integers(1, 12), st.integers(0, 30))
def test_the_chain_and_little(load: float, servers: int, places: int) -> None:
    law, p = MMcK(load / 0.2, 0.2, servers, servers + places), _chain(load, servers, servers + places)
    assert isinstance(law, WaitingLaw)
    assert law.trust is Trust.EXACT
    assert law.blocking == pytest.approx(p[-1], rel=1e-10)
    n = np.arange(p.size)
    assert law.mean_in_system == pytest.approx(float(p @ n), rel=1e-9)
    waiting = float(p @ np.maximum(n - servers, 0))
    assert law.mean_queue_length == pytest.approx(waiting, rel=1e-9, abs=1e-12)


def test_its_limits() -> None:
    assert MMcK(5.0, 1.0, 6, 6).blocking == pytest.approx(erlang_b(6, 5.0), rel=1e-12)
    assert MMcK(5.0, 1.0, 6, 6).wait_quantile_s(0.99) == 0.0
    long, endless = MMcK(5.0, 1.0, 6, 400), MMc(5.0, 1.0, 6)
    p = np.array([0.5, 0.9, 0.99])
    assert long.mean_wait_s == pytest.approx(endless.mean_wait_s, rel=1e-9)
    np.testing.assert_allclose(long.wait_quantile_s(p), endless.wait_quantile_s(p), rtol=1e-9)
    np.testing.assert_allclose(long.response_quantile_s(p), endless.response_quantile_s(p), rtol=1e-9)
    single = MMcK(0.5, 1.0, 1, 300)
    np.testing.assert_allclose(single.response_quantile_s(p), -2 * np.log(1 - p), rtol=1e-9)


def test_overload_and_enormous_stations_stay_finite() -> None:
    assert MMcK(1e6, 1.0, 10, 1000).blocking == pytest.approx(1 - 1e-5, rel=1e-6)
    big = MMcK(99_000.0, 1.0, 100_000, 100_500)
    assert 0 < big.blocking < 1e-2
    assert np.isfinite(big.wait_quantile_s(0.9999))
    # twice the load: the queue stays full, and so a job let in waits for 500 departures
    full = MMcK(2000.0, 1.0, 1000, 1500)
    assert full.mean_wait_s == pytest.approx(0.5, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 3.0), st.integers(1, 8), st.integers(1, 20))
def test_tails_integrate_to_means_and_quantiles_invert(rho: float, servers: int, places: int) -> None:
    law = MMcK(rho * servers, 1.0, servers, servers + places)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.r_[0.0, np.geomspace(1e-3, 40.0 + 4 * places, 80)]
    t = edges[:-1, None] + np.diff(edges)[:, None] * 0.5 * (1 + nodes)
    scale = 0.5 * np.diff(edges)[:, None] * weights
    assert (law.wait_sf(t) * scale).sum() == pytest.approx(law.mean_wait_s, rel=1e-7, abs=1e-12)
    assert (law.response_sf(t) * scale).sum() == pytest.approx(law.mean_response_s, rel=1e-7)
    p = np.array([0.2, 0.9, 0.9999])
    q, r = law.wait_quantile_s(p), law.response_quantile_s(p)
    assert (np.diff(q) >= 0).all()
    assert (r >= q).all()
    np.testing.assert_allclose(law.wait_sf(q)[q > 0], (1 - p)[q > 0], rtol=1e-9)
    np.testing.assert_allclose(law.response_sf(r), 1 - p, rtol=1e-9)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="capacity is 3"):
        MMcK(1.0, 1.0, 4, 3)
    with pytest.raises(InputError, match="use MMc"):
        MMcK(1.0, 1.0, 4, 3_000_000)
