"""Service laws: moments, residuals and counts against numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from pdplan.errors import InputError
from pdplan.queueing import (
    Atoms,
    Deterministic,
    Erlang,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    Mixture,
    ServiceLaw,
    lundberg_exponent,
)

LAWS: list[ServiceLaw] = [
    Atoms([3.0, 1.0, 2.0], [1, 2, 1]),
    Deterministic(0.7),
    Exponential(2.0),
    Erlang(1.5, 3),
    Gamma(1.0, 2.5),
    Lognormal(1.0, 1.5),
    Hyperexponential(1.0, 4.0),
    Mixture([0.3, 0.7], [Deterministic(1.0), Lognormal(2.0, 0.5)]),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_integrals_of_the_tail(law: ServiceLaw) -> None:
    """E min(S, x) is the integral of P(S > u), E min(S_e, x) that of P(S_e > u) (trapezoidal sums)."""
    x = np.linspace(0, 12, 240_001)
    step, seen = x[1], slice(None, None, 997)
    tail = law.sf(x)
    area = np.r_[0, np.cumsum((tail[1:] + tail[:-1]) / 2)] * step
    assert law.limited_mean_s(x)[seen] == pytest.approx(area[seen], abs=1e-4)
    residual_sf = 1 - law.residual_cdf(x)
    area = np.r_[0, np.cumsum((residual_sf[1:] + residual_sf[:-1]) / 2)] * step
    assert law.residual_limited_mean_s(x)[seen] == pytest.approx(area[seen], abs=1e-4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_limits(law: ServiceLaw) -> None:
    far = np.array([1e9])
    assert law.sf(0.0) == 1.0
    assert law.sf(far)[0] == pytest.approx(0.0, abs=1e-12)
    assert law.limited_mean_s(far)[0] == pytest.approx(law.mean_s, rel=1e-9)
    assert law.partial_moment(2, far)[0] == pytest.approx(law.second_moment_s2, rel=1e-9)
    assert law.residual_limited_mean_s(np.array([1e5]))[0] == pytest.approx(law.residual_mean_s, rel=1e-5)
    p = np.array([0.1, 0.5, 0.99])
    q = law.quantile_s(p)
    assert (law.sf(q) <= 1 - p + 1e-12).all()
    assert (law.sf(q * (1 - 1e-9)) >= 1 - p - 1e-6).all()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_poisson_counts(law: ServiceLaw) -> None:
    """Counts have mean lam E S and factorial moment lam^2 E S^2, and P(0) = E exp(-lam S)."""
    rate, n = 1.3, 6000
    counts = law.poisson_counts(rate, n)
    j = np.arange(n)
    assert counts.sum() == pytest.approx(1.0, abs=1e-9)
    assert counts @ j == pytest.approx(rate * law.mean_s, rel=1e-7)
    assert counts @ (j * (j - 1.0)) == pytest.approx(rate**2 * law.second_moment_s2, rel=1e-5)
    assert math.log(counts[0]) == pytest.approx(law.log_mgf(-rate), rel=1e-9)


def test_known_formulas() -> None:
    """Tables: gamma law by incomplete gamma, hyperexponential by its two exponentials."""
    assert Gamma(1.0, 0.5).sf(1.3) == pytest.approx(special.gammaincc(2.0, 2.6), rel=1e-12)
    h = Hyperexponential(1.0, 4.0)
    share = (1 + math.sqrt(3 / 5)) / 2
    expected = share * math.exp(-2 * share * 0.8) + (1 - share) * math.exp(-2 * (1 - share) * 0.8)
    assert h.sf(0.8) == pytest.approx(expected, rel=1e-12)
    assert Exponential(2.0).partial_moment(2, np.array([3.0]))[0] == pytest.approx(
        8 * special.gammainc(3, 1.5), rel=1e-12
    )


@pytest.mark.parametrize("rho", [1e-3, 0.3, 0.9, 1 - 1e-6, 1 - 1e-9])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_lundberg(rho: float, law: ServiceLaw) -> None:
    rate = rho / law.mean_s
    theta = lundberg_exponent(rate, law)
    if not math.isfinite(law.log_mgf(1e-12)):
        assert theta is None
        return
    assert theta is not None
    assert theta > 0
    assert rate * math.expm1(law.log_mgf(theta)) == pytest.approx(theta, rel=1e-7)


def test_bad_laws_are_refused() -> None:
    for bad in (lambda: Gamma(1.0, 0.0), lambda: Lognormal(-1.0, 1.0), lambda: Hyperexponential(1.0, 1.0)):
        with pytest.raises(InputError):
            bad()
    with pytest.raises(InputError):
        Mixture([0.5, 0.6], [Exponential(1.0), Exponential(2.0)])
    with pytest.raises(InputError):
        Mixture([1.0], [])
    with pytest.raises(InputError):
        Atoms([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(InputError):
        Atoms([1.0, float("nan")], [0.5, 0.5])
