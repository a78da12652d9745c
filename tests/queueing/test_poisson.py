"""Poisson tails against mpmath's incomplete gamma and confluent hypergeometric functions (60 digits)."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from pdplan.errors import InfeasibleError
from pdplan.queueing._invert import invert_smooth
from pdplan.queueing._poisson import (
    inverse_erlang,
    inverse_palm,
    palm_abandon,
    poisson_excess,
    poisson_pmf,
    poisson_tail,
)

CELLS = [(1, 1e-9), (1, 0.9), (4, 0.1), (4, 3.9), (30, 3), (30, 15), (30, 19), (10, 12.0), (100, 400.0)]
CELLS += [(1000, 900), (1000, 990), (10**5, 99_000), (10**5, 97_000), (10**6, 9.9e5), (10**6, 9.99e5)]


@pytest.mark.parametrize(("k", "mean"), CELLS)
def test_tail_excess_and_palm_keep_their_digits(k: int, mean: float) -> None:
    with mpmath.workdps(60):
        m = mpmath.mpf(mean)
        pmf = mpmath.exp(k * mpmath.log(m) - m - mpmath.loggamma(k + 1))
        palm = mpmath.hyp1f1(1, k + 1, m)  # DLMF 8.5.1: the tail is pmf times this
        expected = {
            "pmf": (pmf, poisson_pmf(k, mean)),
            "tail": (pmf * palm, poisson_tail(k, mean)[0]),
            "excess": (k * pmf - (k - m) * pmf * palm, poisson_excess(k, mean)[0]),
            "palm": (1 / palm, inverse_palm(k, mean)[0]),
            "abandon": (1 - k / m * (1 - 1 / palm), palm_abandon(k, mean)[0]),
        }
        errors = {name: abs(float(got / want - 1)) for name, (want, got) in expected.items()}
    assert max(errors.values()) < 2e-12, errors


@pytest.mark.parametrize(
    ("servers", "load"), [(0, 3.0), (3, 50.0), (10, 1000.0), (50, 400.0), (1000, 990.0), (10**6, 999_000.0)]
)
def test_inverse_erlang_at_any_load(servers: int, load: float) -> None:
    with mpmath.workdps(60):
        a = mpmath.mpf(load)
        pmf = mpmath.exp(servers * mpmath.log(a) - a - mpmath.loggamma(servers + 1))
        want = mpmath.gammainc(servers + 1, a, mpmath.inf, regularized=True) / pmf
        assert abs(float(inverse_erlang(servers, load)[0] / want - 1)) < 1e-13


def test_invert_smooth_reports_a_tail_that_does_not_fall() -> None:
    with pytest.raises(InfeasibleError, match="never falls"):
        invert_smooth(lambda t: np.full_like(t, 0.5), np.array([0.1]), np.ones(1))
