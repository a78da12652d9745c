"""Erlang-A: LINE's value, sums over the birth-death chain in mpmath, integrals of its tails, limits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.queueing.abandonment import ErlangA
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.loss import MMcK
from pdplan.queueing.mmc import MMc
from pdplan.trust import Trust

CELLS = [  # arrival rate, servers, patience; service 1
    (9.5, 10, 2.0),
    (0.5, 1, 0.3),
    (8.0, 10, 1000.0),
    (0.8, 1, 1e5),
    (15.0, 10, 4.0),
    (100.0, 10, 3.0),
    (950.0, 1000, 0.5),
    (1200.0, 1000, 20.0),
    (50.0, 100, 1000.0),
]


def _chain(rate: float, servers: int, patience: float) -> tuple[float, float]:
    """P(W > 0) and P(abandon) from the birth-death chain, term by term in 40 digits."""
    with mpmath.workdps(40):
        weight, total, waiting, late = mpmath.mpf(1), mpmath.mpf(1), mpmath.mpf(0), mpmath.mpf(0)
        n = 0
        while True:
            n += 1
            weight *= mpmath.mpf(rate) / (min(n, servers) + max(n - servers, 0) / mpmath.mpf(patience))
            total += weight
            if n >= servers:
                late += weight
                waiting += (n - servers) * weight
                if n > rate and weight < total * mpmath.mpf(10) ** -25:
                    break
        return float(late / total), float(waiting / total / patience / rate)


def test_abandonment_of_line() -> None:
    # LINE 3.0.8.0 qsys_erlanga: lam = 9.5, mu = 1, c = 10, theta = 0.5
    assert ErlangA(9.5, 1.0, 10, 2.0).abandon_probability == pytest.approx(0.08445200900074135, rel=1e-10)


@pytest.mark.parametrize(("rate", "servers", "patience"), CELLS)
def test_the_chain(rate: float, servers: int, patience: float) -> None:
    law, (late, abandon) = ErlangA(rate, 1.0, servers, patience), _chain(rate, servers, patience)
    assert law.wait_probability == pytest.approx(late, rel=1e-10)
    assert law.abandon_probability == pytest.approx(abandon, rel=1e-10)


def _integral(tail: object, last: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(10)
    edges = np.r_[0.0, np.geomspace(1e-5 * last, last, 120)]
    t = edges[:-1, None] + np.diff(edges)[:, None] * 0.5 * (1 + nodes)
    return float((tail(t) * 0.5 * np.diff(edges)[:, None] * weights).sum())  # type: ignore[operator]


@pytest.mark.parametrize(("rate", "servers", "patience"), CELLS)
def test_tails_integrate_to_means(rate: float, servers: int, patience: float) -> None:
    law = ErlangA(rate, 1.0, servers, patience)
    last = law.wait_quantile_s(1 - 1e-14 * law.wait_probability) if law.wait_probability > 1e-2 else 50.0
    assert _integral(law.wait_sf, max(last, 1.0)) == pytest.approx(law.mean_wait_s, rel=1e-6)
    # a wait offered and met by patience: d/dt P(served after t) = e^(-t/patience) d/dt P(V > t)
    t, h = 0.3 * law.mean_wait_s + 0.01, 1e-5
    served = law.served_wait_sf(np.array([t - h, t + h])) * (1 - law.abandon_probability)
    offered = law.offered_wait_sf(np.array([t - h, t + h]))
    assert np.diff(served)[0] == pytest.approx(np.exp(-t / patience) * np.diff(offered)[0], rel=1e-4)
    assert law.served_wait_sf(0.0) * (1 - law.abandon_probability) == pytest.approx(
        law.wait_probability - law.abandon_probability, rel=1e-8
    )


def test_endless_patience_is_mmc_and_none_is_a_loss_system() -> None:
    p = np.array([0.5, 0.9, 0.99])
    patient, endless = ErlangA(8.0, 1.0, 10, 1e9), MMc(8.0, 1.0, 10)
    assert patient.mean_wait_s == pytest.approx(endless.mean_wait_s, rel=1e-6)
    np.testing.assert_allclose(patient.wait_quantile_s(p), endless.wait_quantile_s(p), rtol=1e-6)
    np.testing.assert_allclose(patient.response_quantile_s(p), endless.response_quantile_s(p), rtol=1e-4)
    hasty, loss = ErlangA(8.0, 1.0, 10, 1e-9), MMcK(8.0, 1.0, 10, 10)
    assert hasty.abandon_probability == pytest.approx(loss.blocking, rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 3.0), st.integers(1, 200), st.floats(0.05, 500.0))
def test_invariants(rho: float, servers: int, patience: float) -> None:
    law = ErlangA(rho * servers, 1.0, servers, patience)
    assert isinstance(law, WaitingLaw)
    assert law.trust is Trust.EXACT
    # conservation: servers are busy for those who are served
    busy = law.mean_in_system - law.mean_queue_length
    assert busy == pytest.approx(law.throughput, rel=1e-9)
    assert 0 <= law.abandon_probability <= law.wait_probability <= 1
    p = np.array([0.1, 0.5, 0.9, 0.999])
    q, s = law.wait_quantile_s(p), law.served_wait_quantile_s(p)
    assert (np.diff(q) >= 0).all()
    np.testing.assert_allclose(law.wait_sf(q)[q > 0], (1 - p)[q > 0], rtol=1e-8)
    np.testing.assert_allclose(law.served_wait_sf(s)[s > 0], (1 - p)[s > 0], rtol=1e-8)
    busier = ErlangA(rho * servers * 1.01, 1.0, servers, patience)
    roomier = ErlangA(rho * servers, 1.0, servers + 1, patience)
    for name in ("abandon_probability", "wait_probability", "mean_wait_s"):
        values = [getattr(x, name) for x in (roomier, law, busier)]
        assert values == sorted(values)


def test_a_million_servers_cost_the_same() -> None:
    law = ErlangA(1e6, 1.0, 1_000_000, 1.0)
    assert law.wait_probability == pytest.approx(0.5, abs=0.01)  # critically loaded, theta = mu (Palm)
    assert np.isfinite(law.wait_quantile_s(0.9999))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="patience_s is 0"):
        ErlangA(1.0, 1.0, 2, 0.0)
