"""Joint attainment: exact cases, Frechet bounds under extreme dependence, and what it must not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.serving.composition import ttft_law
from pdplan.serving.joint_attainment import attainment, joint_attainment
from pdplan.trust import Trust

shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(shares)
def test_bounds_and_order(rows):
    f, g, w = (np.array(x) for x in zip(*rows, strict=True))
    w = w / w.sum()
    j = joint_attainment(f, g, w)
    assert -1e-12 <= j.lower <= j.value + 1e-12
    assert j.value <= j.upper + 1e-12
    assert j.upper <= min(j.ttft, j.tpot) + 1e-12
    assert j.lower >= j.ttft + j.tpot - 1 - 1e-12  # never worse than Frechet on the marginals
    assert j.trust is Trust.BOUNDED


def test_bounds_are_reached_under_extreme_dependence():
    rng = np.random.default_rng(3)
    u = rng.random(400_000)
    atom = rng.random(u.size) < 0.3
    f, g = np.where(atom, 0.9, 0.6), np.where(atom, 0.5, 0.8)
    w = np.array([0.3, 0.7])
    j = joint_attainment(np.array([0.9, 0.6]), np.array([0.5, 0.8]), w)
    together = ((u < f) & (u < g)).mean()  # comonotone given the atom
    apart = ((u < f) & (1 - u < g)).mean()  # countermonotone
    free = ((u < f) & (rng.random(u.size) < g)).mean()
    assert together == pytest.approx(j.upper, abs=0.003)
    assert apart == pytest.approx(j.lower, abs=0.003)
    assert free == pytest.approx(j.value, abs=0.003)


def test_lengths_tie_the_two():
    # Long prompts miss both, short ones meet both: joint 0.8, product of marginals 0.64.
    j = joint_attainment(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([0.8, 0.2]))
    assert (j.lower, j.value, j.upper) == pytest.approx((0.8, 0.8, 0.8))
    assert j.ttft * j.tpot == pytest.approx(0.64)


def test_a_bracketed_tpot_widens_the_answer():
    f, w = np.array([0.9]), np.ones(1)
    j = joint_attainment(f, np.array([0.7]), w, tpot_met_upper=np.array([0.95]))
    assert (j.lower, j.upper) == pytest.approx((0.6, 0.9))
    assert j.meets(0.55) is True
    assert j.meets(0.7) is None
    assert j.meets(0.95) is False


def test_from_laws():
    ttft = ttft_law({}, {"prefill": np.array([0.1, 0.4])}, np.array([0.5, 0.5]))
    out = np.array([1.0, 50.0])
    j = attainment(ttft, 0.5, lambda y, o: np.full(o.size, 0.9), 0.05, out)
    assert j.value == pytest.approx(0.5 + 0.5 * 0.9)  # one token has no TPOT to miss
    assert attainment(ttft, 0.2, lambda y, o: np.full(o.size, 0.9), 0.05, out).upper == pytest.approx(0.5)


def test_errors():
    with pytest.raises(InputError, match="atoms differ"):
        joint_attainment(np.ones(2), np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="ttft_met"):
        joint_attainment(np.array([1.5]), np.ones(1), np.ones(1))
