"""M/D/1: accuracy against 60 digits, range, speed, and a positive-term recursion as second witness."""

from __future__ import annotations

import time

import numpy as np
import pytest
from queueing_witness import md1_quantile_60_digits
from scipy import special

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import MD1, md1_wait_quantile, md1_wait_sf

RHO = np.r_[1e-6, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6, 1 - 1e-9]


def franx_cdf(rho: float, t: np.ndarray) -> np.ndarray:
    """P(W <= t), all terms positive: queue law by recursion, then G. J. Franx, Oper. Res. Lett. 29 (2001)."""
    top = int(t.max()) + 3
    a = np.exp(special.xlogy(np.arange(200), rho) - rho - special.gammaln(np.arange(200) + 1))
    above = np.array([a[j + 1 :].sum() for j in range(150)])
    p = np.zeros(top + 1)
    p[0] = 1 - rho
    for n in range(top):
        i = np.arange(max(1, n - 140), n + 1)
        p[n + 1] = (p[0] * (above[n] if n < 150 else 0.0) + p[i] @ above[n - i + 1]) / a[0]
    cdf = np.cumsum(p)
    out = []
    for x in t:
        k = int(x) + 1
        j = np.arange(k)
        y = rho * (k - x)
        out.append(float(np.exp(special.xlogy(j, y) - y - special.gammaln(j + 1)) @ cdf[k - j]))
    return np.array(out)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.8, 0.9, 0.95])
def test_tail_against_positive_recursion(rho: float) -> None:
    t = np.linspace(0, 40, 161)
    tail = md1_wait_sf(rho, t)
    seen = tail > 1e-6  # 1 - cdf has no more digits than that
    assert tail[seen] == pytest.approx(1 - franx_cdf(rho, t)[seen], rel=1e-8)


def test_whole_range_is_finite_and_monotone() -> None:
    p = np.sort(np.r_[np.linspace(0, 0.999, 2000), 1 - np.logspace(-1, -6, 2000)])
    q = md1_wait_quantile(RHO[:, None], p[None, :])
    assert np.isfinite(q).all()
    assert (q >= 0).all()
    assert (np.diff(q, axis=1) >= 0).all()
    assert (np.diff(q, axis=0) >= 0).all()


def test_quantile_inverts_tail() -> None:
    rng = np.random.default_rng(5)
    rho, p = rng.uniform(0.01, 0.999, 5000), rng.uniform(0, 0.99999, 5000)
    q = md1_wait_quantile(rho, p)
    waits = q > 0
    assert (1 - md1_wait_sf(rho, q))[waits] == pytest.approx(p[waits], abs=1e-12)
    assert (p[~waits] <= 1 - rho[~waits]).all()


def test_heavy_traffic_limit() -> None:
    """(1 - rho) W is exponential with mean 1/2 as rho -> 1 (J. F. C. Kingman 1961)."""
    rho = 1 - 1e-9
    p = np.array([0.5, 0.99, 0.999999])
    assert md1_wait_quantile(rho, p) * (1 - rho) == pytest.approx(-np.log1p(-p) / 2, rel=1e-6)


@pytest.mark.speed
def test_ten_thousand_quantiles_in_one_call() -> None:
    rng = np.random.default_rng(0)
    rho, p = rng.uniform(0.3, 0.95, 10_000), rng.uniform(0.5, 0.9999, 10_000)
    md1_wait_quantile(rho, p)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        md1_wait_quantile(rho, p)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


def test_response_is_wait_plus_service() -> None:
    law = MD1(arrival_rate=0.4, service_s=2.0)
    assert law.response_quantile_s(0.9) == pytest.approx(law.wait_quantile_s(0.9) + 2.0)
    assert law.response_sf(1.9) == 1.0
    assert law.response_sf(2.0) == pytest.approx(0.8)
    assert law.mean_response_s == pytest.approx(law.mean_wait_s + 2.0)


def test_bad_input_is_refused() -> None:
    with pytest.raises(UnstableError):
        MD1(arrival_rate=1.0, service_s=1.0)
    with pytest.raises(InputError):
        MD1(arrival_rate=-1.0, service_s=1.0)
    with pytest.raises(InputError):
        MD1(arrival_rate=0.5, service_s=float("nan"))
    with pytest.raises(InputError):
        md1_wait_quantile(0.5, 1.0)
    with pytest.raises(UnstableError):
        md1_wait_quantile([0.5, 1.0], 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.95])
def test_quantiles_to_1e_9_against_mpmath(rho: float) -> None:
    for p in (0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999):
        q = md1_wait_quantile(rho, p)
        if p <= 1 - rho:
            assert q == 0.0
            continue
        assert abs(float(q / md1_quantile_60_digits(rho, p, q)) - 1) < 1e-9
