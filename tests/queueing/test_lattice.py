"""Lattice laws: sums and mixtures of known laws, bounds that survive both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from pdplan.errors import InputError
from pdplan.queueing import MG1, Erlang, Exponential, LatticeLaw, convolve, lattice_law, mixture, point_law
from pdplan.trust import Trust


def on_lattice(law: object, step_s: float, n: int) -> LatticeLaw:
    return lattice_law(lambda t: 1 - law.sf(t), law.limited_mean_s, step_s=step_s, n=n)  # type: ignore[attr-defined]


P = np.array([0.01, 0.1, 0.5, 0.9, 0.99, 0.999])


def test_sum_of_exponentials_is_erlang() -> None:
    one = on_lattice(Exponential(1.0), 0.01, 4096)
    total = convolve([one, one, one])
    exact = special.gammaincinv(3, P)
    low, high = total.quantile_bounds_s(P)
    assert (low <= exact).all()
    assert (exact <= high).all()
    assert high - low == pytest.approx(0.03, abs=0.011)
    assert total.quantile_s(P) == pytest.approx(exact, rel=1e-3)
    assert total.mean_s == pytest.approx(3.0, rel=1e-6)
    t = np.array([0.0, 1.0, 2.345, 7.0])
    below, above = total.sf_bounds(t)
    assert (below <= special.gammaincc(3, t)).all()
    assert (special.gammaincc(3, t) <= above).all()


def test_mixture_of_exponentials() -> None:
    a, b = on_lattice(Exponential(1.0), 0.01, 8192), on_lattice(Exponential(3.0), 0.01, 8192)
    both = mixture([0.25, 0.75], [a, b])
    t = np.linspace(0.1, 20, 50)
    assert both.sf(t) == pytest.approx(0.25 * np.exp(-t) + 0.75 * np.exp(-t / 3), abs=1e-5)
    assert both.mean_s == pytest.approx(2.5, rel=1e-5)


def test_three_stations_on_one_lattice() -> None:
    """M/M/1 responses in tandem: a sum of exponentials with rates 1/D - lam (Burke 1956, Reich 1957)."""
    step, n = 0.02, 8192
    laws = [MG1(0.5, Exponential(d)).response_lattice(step, n) for d in (1.0, 0.5)]
    total = convolve([*laws, point_law(0.3, step_s=step, n=n)])
    r1, r2 = 0.5, 1.5
    t = np.array([0.5, 2.0, 5.0, 12.0])
    exact = (r2 * np.exp(-r1 * (t - 0.3)) - r1 * np.exp(-r2 * (t - 0.3))) / (r2 - r1)
    below, above = total.sf_bounds(t)
    assert (below <= exact).all()
    assert (exact <= above).all()
    assert total.sf(t) == pytest.approx(exact, rel=1e-3)
    assert total.trust is Trust.BOUNDED


def test_sf_and_quantile_are_inverse() -> None:
    law = MG1(0.7, Erlang(1.0, 3)).wait_lattice(0.02, 4096)
    q = law.quantile_s(P)
    assert 1 - law.sf(q) == pytest.approx(np.maximum(P, 0.3), abs=1e-10)
    assert law.quantile_s(0.3) == 0.0
    assert (np.diff(law.quantile_s(np.linspace(0, 0.999, 500))) >= 0).all()


def test_point_law() -> None:
    exact = point_law(1.0, step_s=0.25, n=16)
    assert exact.quantile_s(P) == pytest.approx(1.0)
    between = point_law(1.1, step_s=0.25, n=16)
    assert between.mean_s == pytest.approx(1.1)
    low, high = between.quantile_bounds_s(0.5)
    assert (low, high) == (1.0, 1.25)
    nothing = point_law(0.0, step_s=0.25, n=16)
    assert nothing.quantile_s(0.999) == 0.0
    assert nothing.sf(0.0) == 0.0


def test_end_of_the_lattice_is_said() -> None:
    short = on_lattice(Exponential(1.0), 0.1, 20)
    with pytest.raises(InputError, match="more points"):
        short.quantile_s(0.99)
    low, high = short.quantile_bounds_s(0.99)
    assert low >= short.end_s
    assert high == np.inf
    assert short.missing_mass == pytest.approx(np.exp(-2.0), rel=0.1)


def test_what_does_not_fit_is_refused() -> None:
    a, b = point_law(1.0, step_s=0.25, n=16), point_law(1.0, step_s=0.2, n=16)
    for bad in (
        lambda: convolve([a, b]),
        lambda: convolve([]),
        lambda: mixture([0.5, 0.6], [a, a]),
        lambda: point_law(9.0, step_s=0.25, n=16),
        lambda: LatticeLaw(0.1, np.ones(3) / 3, np.ones(2) / 2, np.ones(2) / 2),
        lambda: LatticeLaw(0.1, np.ones(3) / 3).quantile_bounds_s(0.5),
    ):
        with pytest.raises(InputError):
            bad()
