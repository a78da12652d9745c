"""M/G/c: matrix-method and limiting values, its two exact ends, one server, invariants, measured errors."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError, UnstableError, UnsupportedError
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.mdc import MDc
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.mgc import MGc
from pdplan.queueing.mgc_means import allen_cunneen, boxma_cohen_huffels, kimura, min_residual_mean
from pdplan.queueing.mmc import MMc
from pdplan.queueing.service import Atoms, Deterministic, ServiceLaw
from pdplan.queueing.service_continuous import Erlang, Exponential, Hyperexponential, Lognormal
from pdplan.trust import Trust

P = np.array([0.5, 0.9, 0.99, 0.999])


def test_mean_wait_of_m_h2_4_by_matrix_methods() -> None:
    # most_queue 2.9 (MIT), MGnCalc: Takahashi-Takami for balanced H2, c = 4, rho = 0.8, cs2 = 4
    law = MGc(arrival_rate=3.2, service=Hyperexponential(1.0, 4.0), servers=4)
    assert law.mean_wait_s == pytest.approx(1.7176140019863817, rel=0.01)


def test_min_residual_of_known_laws() -> None:
    assert min_residual_mean(Deterministic(3.0), 7) == pytest.approx(1 / 8, rel=1e-12)
    assert min_residual_mean(Exponential(3.0), 7) == pytest.approx(1 / 7, rel=1e-5)
    # two atoms 1/2 and 3/2: 1 - G_e = 1 - x up to 1/2, then 1/2 - (x - 1/2)/2; squares integrate by hand
    want = (1 - 0.5**3) / 3 + (0.5**3) / 3 * 2
    assert min_residual_mean(Atoms([0.5, 1.5], [1, 1]), 2) == pytest.approx(want, rel=1e-12)
    assert min_residual_mean(Lognormal(2.0, 3.0), 1) == pytest.approx(2.0, rel=2e-3)  # (1 + cs2)/2


def test_interpolations_meet_their_ends_symbolically() -> None:
    slow, fast, c = sympy.symbols("W_M W_D c", positive=True)
    assert sympy.simplify(kimura(slow, fast, 0) - fast) == 0
    assert sympy.simplify(kimura(slow, fast, 1) - slow) == 0
    assert sympy.simplify(boxma_cohen_huffels(slow, fast, 1, c, 1 / c) - slow) == 0
    assert sympy.simplify(boxma_cohen_huffels(slow, fast, 0, c, 1 / (c + 1)) - fast) == 0
    rho = sympy.Symbol("rho", positive=True)
    cs2 = sympy.Symbol("cs2", positive=True)
    khinchine = rho * (1 + cs2) / (2 * (1 - rho))
    assert sympy.simplify(allen_cunneen(rho / (1 - rho), cs2) - khinchine) == 0
    assert sympy.simplify(kimura(rho / (1 - rho), rho / (1 - rho) / 2, cs2) - khinchine) == 0


@pytest.mark.parametrize(("servers", "rho"), [(2, 0.3), (4, 0.8), (32, 0.95)])
def test_exponential_service_is_mmc(servers: int, rho: float) -> None:
    law, exact = MGc(rho * servers, Exponential(1.0), servers), MMc(rho * servers, 1.0, servers)
    assert law.mean_wait_s == pytest.approx(exact.mean_wait_s, rel=1e-5)
    np.testing.assert_allclose(law.wait_quantile_s(P), exact.wait_quantile_s(P), rtol=1e-9)
    np.testing.assert_allclose(law.response_quantile_s(P), exact.response_quantile_s(P), rtol=1e-4)
    np.testing.assert_allclose(law.wait_sf(P), exact.wait_sf(P), rtol=1e-9)


@pytest.mark.parametrize(("servers", "rho"), [(2, 0.3), (4, 0.8), (32, 0.95)])
def test_constant_service_is_mdc(servers: int, rho: float) -> None:
    law, exact = MGc(rho * servers, Deterministic(1.0), servers), MDc(rho * servers, 1.0, servers)
    assert law.trust is Trust.EXACT
    assert law.mean_wait_s == exact.mean_wait_s
    np.testing.assert_allclose(law.wait_quantile_s(P), exact.wait_quantile_s(P), rtol=1e-12)
    np.testing.assert_allclose(law.response_quantile_s(P), exact.response_quantile_s(P), rtol=1e-12)


@pytest.mark.parametrize(("servers", "rho"), [(2, 0.5), (8, 0.9)])
def test_just_above_one_the_ladder_law_is_nearly_mmc(servers: int, rho: float) -> None:
    law = MGc(rho * servers, Hyperexponential(1.0, 1 + 1e-6), servers)
    exact = MMc(rho * servers, 1.0, servers)
    np.testing.assert_allclose(law.wait_quantile_s(P), exact.wait_quantile_s(P), rtol=1e-3)
    np.testing.assert_allclose(law.response_quantile_s(P), exact.response_quantile_s(P), rtol=1e-3)


@pytest.mark.parametrize("service", [Erlang(1.0, 4), Lognormal(1.0, 2.0)], ids=["erlang", "lognormal"])
def test_one_server_is_mg1(service: ServiceLaw) -> None:
    law, exact = MGc(0.8, service, 1), MG1(0.8, service)
    assert law.mean_wait_s == exact.mean_wait_s
    assert law.trust is Trust.BOUNDED
    np.testing.assert_array_equal(law.wait_quantile_s(P), exact.wait_quantile_s(P))
    np.testing.assert_array_equal(law.response_quantile_s(P), exact.response_quantile_s(P))


@pytest.mark.parametrize("service", [Erlang(1.0, 4), Lognormal(1.0, 2.0), Atoms([0.2, 3.0], [3, 1])])
def test_the_law_of_the_wait_has_about_the_mean(service: ServiceLaw) -> None:
    law = MGc(3.2, service, 4)
    q = law.wait_quantile_s((np.arange(4000) + 0.5) / 4000)
    assert q.mean() == pytest.approx(law.mean_wait_s, rel=0.03)
    t = law.response_quantile_s((np.arange(4000) + 0.5) / 4000)
    assert t.mean() == pytest.approx(law.mean_response_s, rel=0.03)


SERVICES = st.sampled_from(
    [Erlang(1.0, 4), Hyperexponential(1.0, 4.0), Atoms([0.5, 1.0, 4.0], [5, 3, 1]), Atoms([0.9, 1.1], [1, 1])]
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 0.97), st.integers(1, 40), SERVICES)
def test_invariants(rho: float, servers: int, service: ServiceLaw) -> None:
    law = MGc(rho * servers / service.mean_s, service, servers)
    assert isinstance(law, WaitingLaw)
    assert law.mean_in_system - law.mean_queue_length == pytest.approx(rho * servers, rel=1e-9)
    q = law.wait_quantile_s(P)
    assert (np.diff(q) >= 0).all()
    assert (law.wait_sf(q) <= (1 - P) * (1 + 1e-6)).all()
    inside = q > 0
    np.testing.assert_allclose(law.wait_sf(q)[inside], 1 - P[inside], rtol=1e-4)
    assert (law.response_quantile_s(P) >= q).all()
    busier = MGc(law.arrival_rate * 1.02, service, servers)
    roomier = MGc(law.arrival_rate, service, servers + 1)
    assert roomier.mean_wait_s <= law.mean_wait_s <= busier.mean_wait_s
    assert roomier.wait_quantile_s(0.99) <= q[2] * 1.001 + 1e-12
    assert q[2] <= busier.wait_quantile_s(0.99) * 1.001


def test_scale_invariance() -> None:
    for unit in (1e-3, 50.0):
        base = MGc(3.2, Hyperexponential(1.0, 4.0), 4)
        scaled = MGc(3.2 / unit, Hyperexponential(unit, 4.0), 4)
        assert scaled.mean_wait_s == pytest.approx(unit * base.mean_wait_s, rel=1e-9)
        np.testing.assert_allclose(scaled.wait_quantile_s(P), unit * base.wait_quantile_s(P), rtol=1e-6)


def test_few_waiters_do_not_upset_it() -> None:
    for service in (Erlang(1.0, 4), Hyperexponential(1.0, 4.0)):
        law = MGc(5.0, service, 400)
        assert law.mean_wait_s == pytest.approx(0.0, abs=1e-100)
        assert law.wait_quantile_s(0.999) == 0.0
        assert law.response_quantile_s(0.99) == pytest.approx(float(service.quantile_s(0.99)), rel=1e-3)


def test_the_wait_on_a_lattice_has_its_quantiles() -> None:
    for service in (Erlang(1.0, 4), Hyperexponential(1.0, 4.0)):
        law = MGc(7.2, service, 8)
        lattice = law.wait_lattice(law.wait_quantile_s(0.9999) / 4000, 4096)
        np.testing.assert_allclose(lattice.quantile_s(P[1:]), law.wait_quantile_s(P[1:]), rtol=5e-3)
        assert lattice.trust is Trust.APPROXIMATE


def test_bad_input_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="hold up to 100"):
        MGc(1.0, Lognormal(1.0, 250.0), 8)
    with pytest.raises(UnstableError, match="M/G/c pool"):
        MGc(4.0, Exponential(1.0), 4)
    with pytest.raises(InputError, match="servers is 0"):
        MGc(1.0, Exponential(1.0), 0)
