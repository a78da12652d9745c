"""sympy proves, on the functions that run, that special cases coincide and which way the means move."""

from __future__ import annotations

import pytest
import sympy as sp

from pdplan.queueing import (
    kingman_mean_wait_s,
    little_customers,
    md1_mean_wait_s,
    mg1_mean_wait_s,
    mm1_mean_wait_s,
)
from pdplan.queueing.klb import klb_exponent_bursty, klb_exponent_smooth

lam, d, c2, a2, k = sp.symbols("lam D c_s2 c_a2 K", positive=True)
x = sp.Symbol("x", positive=True)
STABLE = {lam: x / (1 + x) / d}  # every rho = x/(1+x) in (0, 1)


def test_zero_variance_is_md1() -> None:
    assert sp.simplify(mg1_mean_wait_s(lam, d, 0) - md1_mean_wait_s(lam, d)) == 0


def test_exponential_service_is_mm1() -> None:
    assert sp.simplify(mg1_mean_wait_s(lam, d, 1) - mm1_mean_wait_s(lam, d)) == 0


def test_md1_waits_half_as_long_as_mm1() -> None:
    assert sp.simplify(mm1_mean_wait_s(lam, d) - 2 * md1_mean_wait_s(lam, d)) == 0


def test_poisson_arrivals_make_kingman_exact() -> None:
    assert sp.simplify(kingman_mean_wait_s(lam, d, 1, c2) - mg1_mean_wait_s(lam, d, c2)) == 0


def test_klb_exponents_vanish_for_poisson_arrivals() -> None:
    assert klb_exponent_smooth(lam * d, sp.Integer(1), c2) == 0
    assert klb_exponent_bursty(lam * d, sp.Integer(1), c2) == 0


def test_klb_correction_vanishes_in_heavy_traffic() -> None:
    rho = sp.Symbol("rho", positive=True)
    for exponent in (klb_exponent_smooth, klb_exponent_bursty):
        assert sp.limit(exponent(rho, a2, c2), rho, 1) == 0


def test_distserve_equations() -> None:
    """DistServe (OSDI 2024): eq. (1) D + R D^2/(2(1-RD)); eq. (3) D/K + R D^2/(2K(K-RD)); K = 1 gives (1)."""
    equation_1 = d + lam * d**2 / (2 * (1 - lam * d))
    equation_3 = d / k + lam * d**2 / (2 * k * (k - lam * d))
    assert sp.simplify(d + md1_mean_wait_s(lam, d) - equation_1) == 0
    assert sp.simplify(d / k + md1_mean_wait_s(lam, d / k) - equation_3) == 0
    assert sp.simplify(equation_3.subs(k, 1) - equation_1) == 0


def test_number_in_system_of_mm1() -> None:
    number = little_customers(lam, d + mm1_mean_wait_s(lam, d))
    assert sp.simplify(number - lam * d / (1 - lam * d)) == 0


@pytest.mark.parametrize(
    "mean", [mg1_mean_wait_s(lam, d, c2), md1_mean_wait_s(lam, d), mm1_mean_wait_s(lam, d)]
)
def test_light_traffic(mean: sp.Expr) -> None:
    """No wait at rate 0, and E W ~ lam E S^2/2 above it."""
    assert sp.limit(mean, lam, 0) == 0
    scv = {True: c2}.get(mean.has(c2), 0 if mean == md1_mean_wait_s(lam, d) else 1)
    assert sp.simplify(sp.limit(mean / lam, lam, 0) - d**2 * (1 + scv) / 2) == 0


@pytest.mark.parametrize(
    "mean", [mg1_mean_wait_s(lam, d, c2), md1_mean_wait_s(lam, d), mm1_mean_wait_s(lam, d)]
)
@pytest.mark.parametrize("variable", [lam, d])
def test_means_rise_and_are_convex(mean: sp.Expr, variable: sp.Symbol) -> None:
    for order in (1, 2):
        slope = sp.factor(sp.simplify(sp.diff(mean, variable, order).subs(STABLE)))
        assert slope.is_positive


def test_mean_rises_with_variance() -> None:
    assert sp.factor(sp.simplify(sp.diff(mg1_mean_wait_s(lam, d, c2), c2).subs(STABLE))).is_positive
