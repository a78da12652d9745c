"""Composition of waits and lengths: against exact convolutions, brute force and invariants."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, InputError
from pdplan.serving.composition import e2e_law, mix_sf, ttft_law
from pdplan.serving.delays import Constant, Discrete, Residual, as_delay
from pdplan.trust import Trust


@dataclass(frozen=True)
class Exponential:
    """P(X > t) = busy e^{-rate t}: the wait of M/M/1 when busy = rho."""

    rate: float
    busy: float = 1.0
    trust: Trust = Trust.EXACT

    @property
    def mean_s(self) -> float:
        return self.busy / self.rate

    def sf(self, t):
        return self.busy * np.exp(-self.rate * np.asarray(t))


ONE = np.array([1.0])


def test_two_exponentials_are_hypoexponential():
    # P(X + Y > t) = (b e^{-a t} - a e^{-b t}) / (b - a) for rates a != b (textbook).
    a, b = 3.0, 5.0
    law = ttft_law({"x": Exponential(a), "y": Exponential(b)}, {"d": 0.25}, ONE)
    t = np.array([0.3, 0.5, 1.0, 2.0])
    u = t - 0.25
    exact = (b * np.exp(-a * u) - a * np.exp(-b * u)) / (b - a)
    assert law.sf(t) == pytest.approx(exact, rel=2e-4)
    assert law.mean_s == pytest.approx(1 / a + 1 / b + 0.25, rel=1e-14)
    assert law.wait.mean_s == pytest.approx(1 / a + 1 / b, rel=1e-6)  # the lattice keeps the mean
    assert law.trust is Trust.APPROXIMATE  # two random waits: independence is assumed


def test_mm1_wait_and_lengths_against_brute_force():
    # One wait: the mixture over lengths is exact up to the lattice; bisect the formula directly.
    rho, mu = 0.8, 1.0
    waits = {"queue": Exponential(mu * (1 - rho), rho)}
    d, w = np.array([0.5, 1.0, 4.0]), np.array([0.2, 0.5, 0.3])
    law = ttft_law(waits, {"prefill": d}, w)

    def sf(t):
        u = t - d
        return float(w @ np.where(u < 0, 1.0, rho * np.exp(-mu * (1 - rho) * np.maximum(u, 0))))

    for p in (0.05, 0.3, 0.5, 0.9, 0.99, 0.999):
        low, high = 0.0, 200.0
        for _ in range(80):
            mid = 0.5 * (low + high)
            low, high = (low, mid) if sf(mid) <= 1 - p else (mid, high)
        assert law.quantile_s(p) == pytest.approx(high, rel=3e-4)
        down, up = law.quantile_bounds_s(p)
        assert down <= high * (1 + 1e-9)
        assert high <= up * (1 + 1e-9)
        assert (up - down) < 0.6  # three cells of 512 over a range of 80 + 4
    assert law.trust is Trust.EXACT
    assert law.sf_given(4.5)[2] == pytest.approx(rho * math.exp(-0.2 * 0.5), rel=1e-3)


def test_three_parts_against_monte_carlo():
    rng = np.random.default_rng(7)
    n = 2_000_000
    waits = {
        "q": Exponential(2.0, 0.7),
        "link": Exponential(20.0, 0.4),
        "join": Residual(0.05, trust=Trust.EXACT),
    }
    d, w = np.array([0.1, 0.2, 0.8]), np.array([0.5, 0.4, 0.1])
    law = ttft_law(waits, {"prefill": d}, w)
    x = np.where(rng.random(n) < 0.7, rng.exponential(0.5, n), 0) + np.where(
        rng.random(n) < 0.4, rng.exponential(0.05, n), 0
    )
    x += rng.uniform(0, 0.05, n) + rng.choice(d, n, p=w)
    for p in (0.5, 0.9, 0.99, 0.999):
        # P(X <= q) = p within 4 standard errors
        share = float((x <= law.quantile_s(p)).mean())
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / n)
    assert law.parts == pytest.approx({"q": 0.35, "link": 0.02, "join": 0.025, "prefill": 0.21})


def test_no_random_wait_is_the_length_law():
    law = ttft_law({"queue": 0.0}, {"prefill": np.array([0.1, 0.2])}, np.array([0.5, 0.5]))
    assert law.quantile_s(np.array([0.2, 0.5, 0.51, 0.99])) == pytest.approx([0.1, 0.1, 0.2, 0.2], rel=1e-9)
    assert law.quantile_bounds_s(0.9) == pytest.approx((0.2, 0.2), rel=1e-9)


def test_end_to_end_adds_decode_by_length():
    ttft = ttft_law({"q": Exponential(10.0)}, {"prefill": np.array([0.1, 0.2])}, np.array([0.5, 0.5]))
    law = e2e_law(ttft, np.array([1.0, 101.0]), 0.01)
    assert law.mean_s == pytest.approx(0.1 + 0.15 + 0.5)
    assert law.trust is Trust.APPROXIMATE
    assert law.quantile_s(0.4) < 1.0 < law.quantile_s(0.6)


def test_a_mix_of_classes_is_weighted_by_rate():
    laws = {"a": ttft_law({"q": Exponential(1.0)}, {}, ONE), "b": ttft_law({"q": Exponential(2.0)}, {}, ONE)}
    expected = (math.exp(-1) + 3 * math.exp(-2)) / 4
    assert mix_sf(laws, {"a": 1.0, "b": 3.0}, 1.0) == pytest.approx(expected, rel=1e-3)


def test_errors_say_what_is_wrong():
    with pytest.raises(InputError, match="not a delay"):
        as_delay(None)
    with pytest.raises(InputError, match="sum to"):
        ttft_law({}, {"d": 1.0}, np.array([0.9]))
    with pytest.raises(InputError, match="3 atoms"):
        ttft_law({}, {"d": np.ones(3)}, np.array([0.5, 0.5]))
    with pytest.raises(InputError, match="both"):
        ttft_law({"d": 1.0}, {"d": 1.0}, ONE)
    with pytest.raises(InputError, match="lattice was laid"):
        ttft_law({"q": Exponential(1.0)}, {}, ONE, tail=1e-3).quantile_s(0.9999)
    with pytest.raises(InputError, match="p is 1"):
        ttft_law({}, {"d": 1.0}, ONE).quantile_s(1.0)
    stuck = type("Stuck", (), {"mean_s": 1.0, "sf": lambda self, t: np.ones_like(t)})()
    with pytest.raises(InfeasibleError, match="never falls"):
        as_delay(stuck).high_s(1e-7)


def test_delays():
    assert as_delay(Constant(1.0)).high_s(0.1) == 1.0
    d = Discrete(np.array([1.0, 2.0]), np.array([0.5, 0.5]))
    assert d.sf(np.array([0.99, 1.0, 2.0])).tolist() == [1.0, 0.5, 0.0]
    law = ttft_law({"k": d}, {"x": 1.0}, ONE)
    assert law.quantile_s(0.9) == pytest.approx(3.0, rel=1e-3)
    with pytest.raises(InputError):
        Residual(-1.0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(0.05, 1.0)), min_size=1, max_size=3),
    st.lists(st.floats(0.0, 10.0), min_size=1, max_size=5),
    st.floats(0.01, 100.0),
)
def test_invariants(parts, lengths, scale):
    d = np.array(lengths)
    w = np.full(d.size, 1.0 / d.size)
    law = ttft_law({str(i): Exponential(r, b) for i, (r, b) in enumerate(parts)}, {"d": d}, w)
    p = np.array([0.0, 0.11, 0.47, 0.93, 0.99, 0.9999])  # off the shares k/n, where quantiles jump
    q = law.quantile_s(p)
    assert (np.diff(q) >= 0).all()
    assert (law.sf(q) <= 1 - p + 1e-9).all()
    for x, y in zip(p[1:], q[1:], strict=True):
        low, high = law.quantile_bounds_s(float(x))
        assert low <= y + 1e-9 * scale + (law.wait.range_s + d.max()) / 512
        assert y <= high + law.wait.range_s / 4096
    # time units do not matter
    scaled = ttft_law(
        {str(i): Exponential(r / scale, b) for i, (r, b) in enumerate(parts)}, {"d": d * scale}, w
    )
    assert scaled.quantile_s(p) == pytest.approx(q * scale, rel=1e-6, abs=1e-9)


def test_a_wait_that_hardly_ever_happens_is_kept_at_its_mean():
    law = ttft_law({"q": Exponential(10.0, 1e-290), "k": Exponential(2.0, 1e-9)}, {"d": 0.5}, ONE)
    assert law.quantile_s(0.999) == pytest.approx(0.5, rel=1e-3)
    assert law.quantile_bounds_s(0.99)[1] >= 0.5
    assert law.mean_s == pytest.approx(0.5 + 5e-10)
