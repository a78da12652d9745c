"""M/M/c: textbook examples, mpmath, numerical inversion, invariants."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError, UnstableError
from pdplan.queueing.law import WaitingLaw
from pdplan.queueing.mmc import MMc
from pdplan.trust import Trust

LOADS = st.floats(0.01, 0.995)
SERVERS = st.integers(1, 300)


def _law(rho: float, servers: int, service_s: float = 1.0) -> MMc:
    return MMc(arrival_rate=rho * servers / service_s, service_s=service_s, servers=servers)


# Hillier & Lieberman, Introduction to Operations Research, County Hospital: 2 arrivals/h, 3 served/h;
# Gross & Harris, Fundamentals of Queueing Theory, eye clinic: 6/h, 3/h, 3 servers, p0 = 1/9;
# Bronson, Operations Research (1982), problems 23.3, 23.14, 23.16, 24.6.
def test_textbook_examples() -> None:
    one, two = MMc(2.0, 1 / 3, 1), MMc(2.0, 1 / 3, 2)
    assert one.wait_sf(0.0) == pytest.approx(0.667, rel=1e-3)
    assert one.wait_sf(1.0) == pytest.approx(0.245, rel=3e-3)
    assert two.wait_sf(0.5) == pytest.approx(0.022, rel=0.03)
    assert one.mean_wait_s == pytest.approx(2 / 3, rel=1e-9)
    clinic = MMc(6.0, 1 / 3, 3)
    assert clinic.mean_queue_length == pytest.approx(8 / 9, rel=1e-9)
    # P(wait) = p0 a^c/c!/(1 - rho) with p0 = 1/9, a = 2, rho = 2/3
    assert clinic.wait_probability == pytest.approx((1 / 9) * (8 / 6) * 3, rel=1e-9)
    assert MMc(24.0, 1 / 30, 1).mean_in_system == pytest.approx(4.0, rel=1e-9)
    assert MMc(30 / 60, 1.5, 1).mean_queue_length == pytest.approx(2.25, rel=1e-9)
    assert MMc(1 / 60, 45.0, 1).utilization ** 6 == pytest.approx(0.178, rel=2e-3)
    assert MMc(300.0, 1 / 182.5, 3).mean_in_system == pytest.approx(1.996, rel=1e-3)


def test_conditional_tail_of_the_tetra_table() -> None:
    law = MMc(3.87, 1.0, 8)  # TETRA textbook, table C: exp(-(C - A) T/Tbar) at T = Tbar
    assert law.wait_sf(1.0) / law.wait_probability == pytest.approx(0.016, rel=0.05)


@pytest.mark.parametrize(
    ("servers", "load"), [(1, 0.9), (4, 3.6), (100, 97.0), (10**4, 9950.0), (10**6, 999_000.0)]
)
def test_mean_against_mpmath(servers: int, load: float) -> None:
    with mpmath.workdps(40):
        a, c = mpmath.mpf(load), servers
        pmf = mpmath.exp(c * mpmath.log(a) - a - mpmath.loggamma(c + 1))
        below = mpmath.gammainc(c + 1, a, mpmath.inf, regularized=True)
        want = pmf / (pmf + (1 - a / c) * (below - pmf)) / (c - a)
    assert abs(float(MMc(load, 1.0, servers).mean_wait_s / want - 1)) < 1e-10


@given(LOADS, SERVERS)
def test_it_is_a_waiting_law_and_little_holds(rho: float, servers: int) -> None:
    law = _law(rho, servers, 0.2)
    assert isinstance(law, WaitingLaw)
    assert law.trust is Trust.EXACT
    assert law.mean_queue_length == pytest.approx(law.arrival_rate * law.mean_wait_s)
    busy = law.mean_in_system - law.mean_queue_length
    assert busy == pytest.approx(servers * law.utilization, rel=1e-9, abs=1e-9 * law.mean_in_system)


@given(LOADS, SERVERS, st.lists(st.floats(0, 0.999999), min_size=2, max_size=8))
def test_quantiles_are_ordered_and_invert_the_tail(rho: float, servers: int, ps: list[float]) -> None:
    law, p = _law(rho, servers), np.sort(ps)
    q = law.wait_quantile_s(p)
    assert (np.diff(q) >= 0).all()
    assert (q[p <= 1 - law.wait_probability] == 0).all()
    tail = law.wait_sf(q)
    np.testing.assert_allclose(tail[q > 0], 1 - p[q > 0], rtol=1e-9)
    assert (tail <= (1 - p) * (1 + 1e-9)).all()
    t = law.response_quantile_s(p)
    np.testing.assert_allclose(law.response_sf(t), 1 - p, rtol=1e-9)
    assert (t >= q).all()


@given(LOADS, SERVERS, st.floats(1e-3, 1e3))
def test_scale_and_monotony(rho: float, servers: int, unit: float) -> None:
    base, scaled = _law(rho, servers), _law(rho, servers, unit)
    assert scaled.mean_wait_s == pytest.approx(unit * base.mean_wait_s, rel=1e-6)
    assert scaled.wait_quantile_s(0.99) == pytest.approx(
        unit * base.wait_quantile_s(0.99), rel=1e-6, abs=1e-9
    )
    busier = MMc(base.arrival_rate * 1.001, 1.0, servers)
    roomier = MMc(base.arrival_rate, 1.0, servers + 1)
    slower = MMc(base.arrival_rate, 1.001, servers)
    assert roomier.mean_wait_s <= base.mean_wait_s <= busier.mean_wait_s <= slower.mean_wait_s
    tails = [law.wait_sf(0.7) for law in (roomier, base, busier, slower)]
    assert (np.diff(tails) >= -1e-12).all()


def test_response_where_both_rates_meet_and_against_integration() -> None:
    law = MMc(2.0, 1.0, 3)  # delay rate 3 - 2 equals the service rate
    t = np.linspace(0, 8, 9)
    np.testing.assert_allclose(law.response_sf(t), np.exp(-t) * (1 + law.wait_probability * t), rtol=1e-12)


@pytest.mark.parametrize("rate", [2.9, 2.0, 0.2])
def test_the_response_tail_integrates_to_its_mean(rate: float) -> None:
    law = MMc(rate, 1.0, 3)
    total = mpmath.quad(lambda u: law.response_sf(float(u)), [0, 1, 4, 16, 64, 512])
    assert float(total) == pytest.approx(law.mean_response_s, rel=1e-8)


def test_one_server_is_exponential() -> None:
    law = MMc(0.8, 1.0, 1)
    assert law.mean_wait_s == pytest.approx(4.0, rel=1e-12)
    assert law.response_quantile_s(0.99) == pytest.approx(math.log(100) / 0.2, rel=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"servers is 2\.5"):
        MMc(1.0, 1.0, 2.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="servers is 0"):
        MMc(1.0, 1.0, 0)
    with pytest.raises(UnstableError, match="M/M/c pool"):
        MMc(3.0, 1.0, 3)
    with pytest.raises(InputError, match="p is 1"):
        MMc(1.0, 1.0, 3).wait_quantile_s(1.0)
