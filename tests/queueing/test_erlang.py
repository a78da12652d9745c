"""Erlang B and C: printed tables, the classic recursion, mpmath, and the cost at ten million servers."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError, UnstableError
from pdplan.queueing.erlang import delay_mean_wait, erlang_b, erlang_c, erlang_c_from_blocking


def _recursion(servers: int, load: float) -> float:
    """Erlang B by B_k = a B_{k-1}/(k + a B_{k-1}): the second formula."""
    blocking = 1.0
    for k in range(1, servers + 1):
        blocking = load * blocking / (k + load * blocking)
    return blocking


# Standard Erlang-B traffic tables, 1% and 2% columns (as printed in Boucher, Traffic System Design Handbook,
# IEEE Press 1993); three printed digits of the load.
@pytest.mark.parametrize(
    ("servers", "load", "blocking", "rel"),
    [
        (1, 0.0101, 0.01, 0.02),
        (5, 1.36, 0.01, 0.05),
        (20, 12.0, 0.01, 0.05),
        (100, 84.1, 0.01, 0.05),
        (20, 13.2, 0.02, 0.03),
    ],
)
def test_printed_tables_of_erlang_b(servers: int, load: float, blocking: float, rel: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(blocking, rel=rel)


# TETRA textbook Erlang-C table C; pyworkforce 0.5.1 (MIT) ErlangC; and the slot-level cases that
# inference-fleet-sim (arXiv 2603.16054) uses, which are the standard formula in float64.
@pytest.mark.parametrize(
    ("servers", "load", "wait", "rel"),
    [
        (8, 3.87, 0.05, 0.07),
        (14, 10.0, 0.1741319335950498, 1e-9),
        (30, 25.0, 0.2498931668869066, 1e-9),
        (12, 10.0, 0.4493882242982711, 1e-9),
        (64, 54.4, 0.1434865832925297, 1e-9),
        (256, 217.6, 0.006735970056516906, 1e-9),
        (256, 243.2, 0.31292555308409475, 1e-9),
    ],
)
def test_published_values_of_erlang_c(servers: int, load: float, wait: float, rel: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(wait, rel=rel)


@given(st.integers(1, 400), st.floats(1e-3, 2000.0))
def test_b_is_the_recursion(servers: int, load: float) -> None:
    want = _recursion(servers, load)
    if want > 1e-290:
        assert erlang_b(servers, load) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("servers", [1, 10, 1000, 10**5, 10**6, 10**7])
@pytest.mark.parametrize("spare", [0.5, 3.0])  # standard deviations of spare capacity
def test_c_against_mpmath_to_ten_million(servers: int, spare: float) -> None:
    load = servers - spare * np.sqrt(servers)
    if load <= 0:
        load = 0.5 * servers
    with mpmath.workdps(40):
        a, c = mpmath.mpf(load), servers
        pmf = mpmath.exp(c * mpmath.log(a) - a - mpmath.loggamma(c + 1))
        below = mpmath.gammainc(c + 1, a, mpmath.inf, regularized=True)
        want = pmf / (pmf + (1 - a / c) * (below - pmf))
    assert abs(float(erlang_c(servers, load) / want - 1)) < 1e-12


def test_arrays_answer_in_their_shape_and_agree_with_scalars() -> None:
    servers, load = np.array([[1], [5], [40]]), np.array([0.3, 0.9])
    grid = erlang_c(servers, load * servers.max() / 40)
    assert grid.shape == (3, 2)
    assert grid[1, 1] == erlang_c(5, 0.9)


def test_expressions_agree_and_carry_symbols() -> None:
    c, a, b, lam, s = sympy.symbols("c a B lambda S", positive=True)
    one_server = erlang_c_from_blocking(a / (1 + a), 1, a)  # B(1, a) = a/(1+a)
    assert sympy.simplify(one_server - a) == 0
    assert sympy.simplify(delay_mean_wait(lam * s, lam, s, 1) - lam * s**2 / (1 - lam * s)) == 0
    assert erlang_c_from_blocking(b, c, a).free_symbols == {a, b, c}
    assert erlang_c_from_blocking(erlang_b(9, 7.0), 9, 7.0) == pytest.approx(erlang_c(9, 7.0), rel=1e-13)


def test_far_overload_and_far_underload_stay_finite() -> None:
    assert erlang_b(10, 1e5) == pytest.approx(1 - 10 / 1e5, rel=1e-6)
    assert erlang_b(10**6, 1.0) == 0.0
    assert erlang_c(10**6, 1.0) == 0.0


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="offered_erlangs is 0"):
        erlang_b(2, 0.0)
    with pytest.raises(InputError, match="servers is -1"):
        erlang_b(-1, 1.0)
    with pytest.raises(UnstableError, match=r"offered 1\.5 of its capacity"):
        erlang_c(2, 3.0)
