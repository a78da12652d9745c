"""Published and high-precision values of single-server laws, each with its source and recipe."""

from __future__ import annotations

import pytest

from pdplan.queueing import GIG1, MD1, MM1, klb_mean_wait_s, md1_mean_wait_s, md1_wait_quantile, round_robin
from pdplan.queueing.service import Deterministic
from pdplan.queueing.service_continuous import Exponential

# Bronson, Operations Research (Schaum 1982), problems 23.3, 23.14 and 23.16.


def test_bronson_23_3() -> None:
    assert MM1(arrival_rate=24.0, service_s=1 / 30).mean_in_system == pytest.approx(4.0, rel=1e-9)


def test_bronson_23_14() -> None:
    assert MM1(arrival_rate=30 / 3600, service_s=90.0).mean_queue_length == pytest.approx(2.25, rel=1e-9)


def test_bronson_23_16() -> None:
    """P(L >= 6) = rho^6 with 1 arrival a minute and 45 s of service; printed as 0.178."""
    law = MM1(arrival_rate=1 / 60, service_s=45.0)
    assert law.utilization**6 == pytest.approx(0.178, rel=0.002)


# Hillier and Lieberman, Introduction to Operations Research, County Hospital: 2 an hour, 20 minutes each.


def test_county_hospital() -> None:
    law = MM1(arrival_rate=2.0, service_s=1 / 3)  # hours
    assert law.wait_sf(0.0) == pytest.approx(0.667, rel=1e-3)
    assert law.wait_sf(1.0) == pytest.approx(0.245, rel=3e-3)
    assert law.mean_wait_s == pytest.approx(2 / 3, rel=1e-9)


#: Root of Erlang's series (1909) in at least 60 digits, mpmath.
MD1_QUANTILES = {
    (0.3, 0.99): 1.8908734013981252,
    (0.3, 0.9999): 4.138664248280169,
    (0.5, 0.99): 3.336255957002198,
    (0.5, 0.9999): 7.001045936286376,
    (0.7, 0.9): 3.0770868731053884,
    (0.7, 0.999): 9.894353824428384,
    (0.8, 0.5): 1.2759398733762333,
    (0.8, 0.99): 10.355886791994948,
    (0.8, 0.9999): 21.04464959566365,
    (0.9, 0.9): 10.782504956026882,
    (0.9, 0.999): 33.0139697431193,
    (0.95, 0.5): 6.480667906119883,
    (0.95, 0.99): 44.937765508380664,
    (0.95, 0.9999): 90.20883880301476,
}


@pytest.mark.parametrize(("rho", "p"), MD1_QUANTILES)
def test_md1_quantiles(rho: float, p: float) -> None:
    assert md1_wait_quantile(rho, p) == pytest.approx(MD1_QUANTILES[rho, p], rel=1e-9)
    assert MD1(arrival_rate=rho / 3, service_s=3.0).wait_quantile_s(p) == pytest.approx(
        3 * MD1_QUANTILES[rho, p], rel=1e-9
    )


def test_klb_against_line() -> None:
    """Sojourn by LINE 3.0.8.0 (BSD-3), qsys_gig1_approx_klb(lam=0.5, mu=1, ca=2, cs=1)."""
    assert klb_mean_wait_s(0.5, 1.0, 2.0**2, 1.0) + 1.0 == pytest.approx(3.072572795451001, rel=1e-9)


def test_distserve_equation_with_speedup() -> None:
    """DistServe (OSDI 2024) eq. (3): D/K + R D^2/(2 K (K - R D)) at R = 0.5, D = 1, K = 1.6."""
    fast = 1 / 1.6
    assert fast + md1_mean_wait_s(0.5, fast) == pytest.approx(0.7670454545454546, rel=1e-12)


#: Mean wait of M/D/c in services: LINE 3.0.8.0 qsys_mdc_crommelin (embedded chain, dense LU).
MDC_MEANS = {(2, 0.5): 0.17674105711260252, (4, 0.7): 0.18970768535276122, (8, 0.8): 0.15195380264260544}


@pytest.mark.parametrize(("c", "rho"), MDC_MEANS)
def test_round_robin_of_equal_jobs_is_one_queue(c: int, rho: float) -> None:
    """V. B. Iversen (1983): M/D/c and its E_c/D/1 share one wait."""
    law = round_robin(arrival_rate=c * rho, service=Deterministic(1.0), servers=c)
    assert law.mean_wait_s == pytest.approx(MDC_MEANS[c, rho], rel=2e-3)


def test_mm1_through_every_door() -> None:
    """GI/G/1 with Poisson arrivals and exponential service is M/M/1."""
    exact = MM1(arrival_rate=0.8, service_s=1.0)
    law = GIG1(arrival_rate=0.8, service=Exponential(1.0), arrival_scv=1.0)
    assert law.mean_wait_s == pytest.approx(exact.mean_wait_s, rel=1e-3)
    assert law.wait_quantile_s(0.99) == pytest.approx(exact.wait_quantile_s(0.99), rel=1e-3)
    assert law.response_quantile_s(0.99) == pytest.approx(exact.response_quantile_s(0.99), rel=1e-3)
