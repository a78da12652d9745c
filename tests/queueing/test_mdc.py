"""M/D/c: LINE and most_queue values, Spitzer's sums, an embedded chain by dense LU, M/D/1, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from pdplan.errors import InputError, UnstableError
from pdplan.queueing._mdc_queue import _between_the_zeros, _zeros_divided_out, walk_decay
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.mdc import MDc
from pdplan.queueing.spitzer import mdc_wait_probability_and_mean
from pdplan.trust import Trust

LOADS = st.floats(0.05, 0.995)
SERVERS = st.integers(1, 60)


def _law(rho: float, servers: int, service_s: float = 1.0) -> MDc:
    return MDc(arrival_rate=rho * servers / service_s, service_s=service_s, servers=servers)


def _embedded_chain(rho: float, servers: int, size: int) -> tuple[float, float]:
    """P(W > 0), E W of M/D/c (D = 1) from the chain of the number in system at multiples of D, by dense LU.

    X' = (X - c)^+ + Poisson(c rho); its stationary law is that at any time (Crommelin 1932).
    """
    lam = servers * rho
    k = np.arange(size + 1)
    arrivals = np.exp(-lam + special.xlogy(k, lam) - special.gammaln(k + 1))
    step = np.zeros((size, size))
    for i in range(size):
        left = max(i - servers, 0)
        step[i, left:] = arrivals[: size - left]
        step[i, -1] += 1 - step[i].sum()
    system = np.vstack([(step.T - np.eye(size))[:-1], np.ones(size)])
    law = np.linalg.solve(system, np.r_[np.zeros(size - 1), 1.0])
    waiting = np.maximum(np.arange(size) - servers, 0)
    return float(law[servers:].sum()), float(law @ waiting) / lam


# LINE line-solver 3.0.8.0 (BSD-3), qsys_mdc_crommelin (embedded chain, dense LU)
@pytest.mark.parametrize(
    ("servers", "rho", "wait"),
    [
        (2, 0.5, 0.17674105711260252),
        (4, 0.7, 0.18970768535276122),
        (8, 0.8, 0.15195380264260544),
        (32, 0.95, 0.22350864814423205),
        (1, 0.9, 4.499999999997736),
        (2, 0.9, 2.146923214709173),
        (4, 0.9, 0.9999658855714935),
        (8, 0.9, 0.449973259432427),
        (10, 0.9, 0.3445820503746122),
        (32, 0.9, 0.07622166316909741),
    ],
)
def test_mean_wait_of_line(servers: int, rho: float, wait: float) -> None:
    assert _law(rho, servers).mean_wait_s == pytest.approx(wait, rel=1e-8)


# most_queue 2.9 (MIT), MDn
@pytest.mark.parametrize(
    ("servers", "rho", "wait"),
    [(2, 0.8, 0.7018983171757728), (4, 0.9, 0.7754365862653897), (10, 0.9, 0.6468612840262077)],
)
def test_wait_probability_of_most_queue(servers: int, rho: float, wait: float) -> None:
    assert _law(rho, servers).wait_probability == pytest.approx(wait, rel=1e-4)


@pytest.mark.parametrize("servers", [1, 2, 4, 8, 10, 32])
@pytest.mark.parametrize("rho", [0.3, 0.7, 0.9])
def test_mean_and_wait_probability_of_the_embedded_chain(servers: int, rho: float) -> None:
    law = _law(rho, servers)
    probability, mean = _embedded_chain(rho, servers, 300 + 4 * servers)
    assert law.wait_probability == pytest.approx(probability, rel=1e-8, abs=1e-13)
    assert law.mean_wait_s == pytest.approx(mean, rel=1e-8, abs=1e-13)


@pytest.mark.parametrize("servers", [1, 2, 4, 8, 10, 32, 1000, 100_000])
@pytest.mark.parametrize("rho", [0.1, 0.6, 0.9, 0.98, 0.999, 0.9999, 1 - 1e-6])
def test_the_factorised_queue_agrees_with_spitzers_sums(servers: int, rho: float) -> None:
    law = _law(rho, servers)
    probability, mean = mdc_wait_probability_and_mean(rho, servers)
    if probability > 1e-280:
        assert law.wait_probability == pytest.approx(probability, rel=1e-10)
        assert law.mean_wait_s == pytest.approx(mean, rel=1e-9)
    if probability > 1e-5:  # the factorised mean, absolute by nature
        assert law._queue.mean / (rho * servers) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("rho", [1e-9, 0.05, 0.5, 0.9, 0.99999, 1 - 1e-9])
def test_one_server_is_pollaczek_khinchine(rho: float) -> None:
    assert _law(rho, 1).mean_wait_s == pytest.approx(rho / (2 * (1 - rho)), rel=1e-8)
    assert _law(rho, 1).wait_probability == pytest.approx(rho, rel=1e-12)


# M/D/1 quantiles from the Erlang-Crommelin series in mpmath with 60 digits and more (Erlang 1909)
@pytest.mark.parametrize(
    ("rho", "p", "quantile"),
    [
        (0.3, 0.99, 1.8908734013981252),
        (0.3, 0.9999, 4.138664248280169),
        (0.5, 0.99, 3.336255957002198),
        (0.7, 0.999, 9.894353824428384),
        (0.8, 0.5, 1.2759398733762333),
        (0.9, 0.9, 10.782504956026882),
        (0.95, 0.99, 44.937765508380664),
        (0.95, 0.9999, 90.20883880301476),
    ],
)
def test_one_server_has_the_quantiles_of_erlangs_series(rho: float, p: float, quantile: float) -> None:
    assert _law(rho, 1).wait_quantile_s(p) == pytest.approx(quantile, rel=1e-9)


@pytest.mark.parametrize(("rho", "servers"), [(0.6, 2), (0.9, 4), (0.99, 8), (0.95, 100), (0.9999, 3)])
def test_the_tail_integrates_to_the_mean(rho: float, servers: int) -> None:
    law = _law(rho, servers)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    last = int(law.wait_quantile_s(1 - 1e-13)) + 2
    edges = np.linspace(0, last, 8 * last + 1 if last < 400 else 3000)  # the density jumps at k D
    t = edges[:-1, None] + np.diff(edges)[:, None] * 0.5 * (1 + nodes)
    total = (law.wait_sf(t) * weights * 0.5 * np.diff(edges)[:, None]).sum()
    assert total == pytest.approx(law.mean_wait_s, rel=1e-7)


@pytest.mark.parametrize(("rho", "servers"), [(0.55, 1), (0.85, 10), (0.95, 100), (0.97, 1000)])
def test_both_ways_of_factoring_meet(rho: float, servers: int) -> None:
    theta = walk_decay(rho)
    between = _between_the_zeros(rho, servers, theta)
    divided = _zeros_divided_out(rho, servers, theta)
    m = np.arange(min(between.head.size, 400))
    big = between.sf(m) > 1e-9
    np.testing.assert_allclose(between.sf(m)[big], divided.sf(m)[big], rtol=1e-7)
    assert between.mean == pytest.approx(divided.mean, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(LOADS, SERVERS, st.lists(st.floats(0, 0.999999), min_size=2, max_size=6))
def test_quantiles_are_ordered_and_invert_the_tail(rho: float, servers: int, ps: list[float]) -> None:
    law, p = _law(rho, servers), np.sort(ps)
    q = law.wait_quantile_s(p)
    assert (np.diff(q) >= 0).all()
    assert (q[p <= 1 - law.wait_probability] == 0).all()
    tail = law.wait_sf(q)
    np.testing.assert_allclose(tail[q > 0], 1 - p[q > 0], rtol=1e-8)
    assert (tail <= (1 - p) * (1 + 1e-9)).all()
    np.testing.assert_allclose(law.response_quantile_s(p), q + 1, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(LOADS, SERVERS, st.floats(1e-3, 1e3))
def test_little_scale_and_monotony(rho: float, servers: int, unit: float) -> None:
    base, scaled = _law(rho, servers), _law(rho, servers, unit)
    assert isinstance(base, WaitingLaw)
    assert base.trust is Trust.EXACT
    assert base.mean_in_system - base.mean_queue_length == pytest.approx(rho * servers, rel=1e-9)
    assert scaled.mean_wait_s == pytest.approx(unit * base.mean_wait_s, rel=1e-6)
    assert scaled.wait_quantile_s(0.99) == pytest.approx(
        unit * base.wait_quantile_s(0.99), rel=1e-6, abs=1e-9
    )
    busier = MDc(base.arrival_rate * 1.001, 1.0, servers)
    roomier = MDc(base.arrival_rate, 1.0, servers + 1)
    slower = MDc(base.arrival_rate, 1.001, servers)
    assert roomier.mean_wait_s <= base.mean_wait_s <= busier.mean_wait_s <= slower.mean_wait_s
    tails = [law.wait_sf(0.7) for law in (roomier, base, busier, slower)]
    assert (np.diff(tails) >= -1e-12).all()


def test_a_thousand_servers_and_saturation_stay_finite() -> None:
    law = _law(1 - 1e-9, 1000)
    q = law.wait_quantile_s(np.array([0.5, 0.99, 1 - 1e-6]))
    assert np.isfinite(q).all()
    assert (np.diff(q) > 0).all()
    # heavy traffic: W is exponential with the mean of the law (Koellerstroem 1974)
    assert q[1] == pytest.approx(np.log(100) * law.mean_wait_s, rel=1e-4)


def test_bad_input_is_refused() -> None:
    with pytest.raises(UnstableError, match="M/D/c pool"):
        MDc(4.0, 1.0, 4)
    with pytest.raises(InputError, match="solved up to 1000000"):
        MDc(4.0, 1.0, 2_000_000)
    with pytest.raises(InputError, match="service_s"):
        MDc(4.0, -1.0, 4)
