"""The root finders on functions whose roots are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError
from pdplan.queueing._roots import bracket_up, find_root, invert_decreasing, smallest_int


@given(st.floats(1e-12, 1e12))
def test_cube_root(x: float) -> None:
    assert find_root(lambda t: t**3 - x, 0.0, 1.0 + x) == pytest.approx(x ** (1 / 3), rel=1e-12)


def test_flat_and_steep_functions() -> None:
    assert find_root(lambda t: (t - 1) ** 9, 0.0, 3.0) == pytest.approx(1.0, abs=1e-3)
    assert find_root(lambda t: math.atan(1e9 * (t - 0.3)), -10.0, 10.0) == pytest.approx(0.3, rel=1e-12)
    assert find_root(lambda t: math.inf if t > 1 else t - 0.5, 0.0, 4.0) == pytest.approx(0.5, rel=1e-12)


def test_ends_that_are_roots() -> None:
    assert find_root(lambda t: t, 0.0, 1.0) == 0.0
    assert find_root(lambda t: t - 1, 0.0, 1.0) == 1.0


def test_no_root_is_an_answer() -> None:
    with pytest.raises(InfeasibleError):
        find_root(lambda t: t * t + 1, -1.0, 1.0)
    with pytest.raises(InfeasibleError):
        bracket_up(lambda t: 1.0, 0.0, 1.0)
    with pytest.raises(InfeasibleError):
        smallest_int(lambda n: False, 1, limit=1000)
    with pytest.raises(InfeasibleError):
        invert_decreasing(lambda t: 1.0 + 0.0 * t, np.array([0.5]), np.ones(1))


@given(st.integers(-5, 10), st.integers(0, 10**9))
def test_smallest_int(low: int, gap: int) -> None:
    assert smallest_int(lambda n: n >= low + gap, low) == low + gap


def test_invert_decreasing_across_jumps() -> None:
    steps = invert_decreasing(lambda t: 1.0 - np.floor(t) / 10, np.array([0.95, 0.9, 0.55]), np.ones(3))
    assert steps == pytest.approx([1.0, 1.0, 5.0], rel=1e-12)
