"""Warm-up, control variates, Holm, and the verdict on a formula."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import MD1, MDc
from pdplan.sim.statistics import (
    Comparison,
    MeanEstimate,
    agreement,
    controlled_mean,
    fast_server_control,
    holm_levels,
    holm_rejects,
    lindley_waits,
    mean_estimate,
    mser5,
    quantile_estimate,
)
from pdplan.trust import Trust


def test_mser5_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    x = 10.0 - 8.0 * np.exp(-np.arange(2000) / 60.0) + rng.standard_normal(2000)
    y = x.reshape(400, 5).mean(axis=1)
    error = [((y[d:] - y[d:].mean()) ** 2).sum() / (400 - d) ** 2 for d in range(200)]
    found = mser5(x)
    assert found.observations == 5 * int(np.argmin(error))
    assert found.settled
    assert 60 <= found.observations <= 600  # e^-1 to e^-10 of the start is left


def test_mser5_says_when_there_is_no_steady_state() -> None:
    assert not mser5(np.arange(1000.0)).settled
    assert mser5(np.ones(1000)).observations == 0
    with pytest.raises(InputError, match="at least 50"):
        mser5(np.ones(49))


def lindley_by_hand(arrival: np.ndarray, service: np.ndarray) -> list[float]:
    free, waits = 0.0, []
    for a, s in zip(arrival, service, strict=True):
        start = max(free, a)
        waits.append(start - a)
        free = start + s
    return waits


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=40),
)
def test_lindley_is_the_queue_customer_by_customer(pairs: list[tuple[float, float]]) -> None:
    arrival = np.cumsum([a for a, _ in pairs])
    service = np.array([s for _, s in pairs])
    assert lindley_waits(arrival, service) == pytest.approx(lindley_by_hand(arrival, service), abs=1e-9)


def central_queue(arrival: np.ndarray, service_s: float, servers: int) -> np.ndarray:
    """M/D/c: equal jobs leave in order, so job k waits for job k - c."""
    waits = np.zeros(arrival.size)
    for k in range(servers):
        waits[k::servers] = lindley_waits(arrival[k::servers], np.full(arrival[k::servers].size, service_s))
    return waits


def test_control_variate_is_unbiased_and_narrow() -> None:
    """M/D/4 at 0.9: the exact mean is known; theory asks 20-800 times less variance at c = 4."""
    exact = MDc(arrival_rate=3.6, service_s=1.0, servers=4).mean_wait_s
    plain, controlled = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        arrival = np.cumsum(rng.exponential(1 / 3.6, 60_000))
        waits = central_queue(arrival, 1.0, 4)
        control, mean = fast_server_control(arrival, np.ones(arrival.size), 4, 3.6, (1.0, 1.0))
        assert mean == pytest.approx(MD1(arrival_rate=3.6, service_s=0.25).mean_wait_s, rel=1e-12)
        plain.append(mean_estimate(waits[2000:]))
        controlled.append(controlled_mean(waits[2000:], control[2000:], mean))
    gain = np.mean([p.std_error**2 for p in plain]) / np.mean([c.std_error**2 for c in controlled])
    assert gain > 20
    assert sum(c.p_value(exact, exact) > 0.01 for c in controlled) >= 7


def test_an_unrelated_control_does_little_harm() -> None:
    rng = np.random.default_rng(2)
    y, x = rng.normal(1.0, 1.0, 32_000), rng.normal(0.0, 1.0, 32_000)
    with_control, without = controlled_mean(y, x, 0.0), mean_estimate(y)
    assert with_control.std_error < 1.3 * without.std_error
    assert with_control.degrees == 30


def test_control_refuses() -> None:
    t = np.arange(3.0)
    with pytest.raises(UnstableError, match="the fleet"):
        fast_server_control(t, np.ones(3), 2, 2.5, (1.0, 1.0))
    with pytest.raises(InputError, match="as many of each"):
        controlled_mean(np.ones(64), np.ones(65), 1.0)
    with pytest.raises(InputError, match="as many of each"):
        lindley_waits(t, np.ones(2))


def test_holm_by_hand() -> None:
    """Holm 1979: 0.01 <= 0.05/4, 0.013 <= 0.05/3, 0.03 > 0.05/2: two are rejected."""
    p = [0.03, 0.01, 0.04, 0.013]
    assert holm_rejects(p, 0.05).tolist() == [False, True, False, True]
    assert holm_levels(p, 0.05) == pytest.approx([0.025, 0.0125, 0.025, 0.05 / 3])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_rejects_what_bonferroni_does_and_never_more_than_uncorrected(p: list[float]) -> None:
    rejected = holm_rejects(p, 0.05)
    assert all(r for r, v in zip(rejected, p, strict=True) if v <= 0.05 / len(p))
    assert not any(r for r, v in zip(rejected, p, strict=True) if v > 0.05)


def seen(estimate: float, error: float, lag1: float = 0.0) -> MeanEstimate:
    return MeanEstimate(estimate, error, 31, lag1, 100_000)


def test_agrees_only_if_held_and_narrow() -> None:
    cases = {
        "held, narrow": (Comparison("w", 10.0, Trust.EXACT, seen(10.05, 0.03), 0.02), "agrees"),
        "held, wide": (Comparison("w", 10.0, Trust.EXACT, seen(10.5, 1.0), 0.02), "not enough data"),
        "not held": (Comparison("w", 10.0, Trust.APPROXIMATE, seen(11.0, 0.03), 0.02), "disagrees"),
        "not held, but wide": (Comparison("w", 10.0, Trust.APPROXIMATE, seen(20.0, 1.0), 0.02), "disagrees"),
        "correlated": (Comparison("w", 10.0, Trust.EXACT, seen(10.0, 0.03, 0.5), 0.02), "not enough data"),
        "inside": (Comparison("w", (9.0, 11.0), Trust.BOUNDED, seen(10.5, 0.03), 0.02), "agrees"),
        "beside": (
            Comparison("w", (9.0, 10.0), Trust.BOUNDED, seen(10.5, 0.03), 0.02),
            "disagrees",
        ),
        "zero": (Comparison("w", 0.0, Trust.EXACT, mean_estimate(np.zeros(64)), 0.02), "agrees"),
        "zero, floor": (Comparison("w", 0.0, Trust.EXACT, seen(1e-3, 1e-3), 0.02, 0.01), "agrees"),
    }
    for name, (comparison, verdict) in cases.items():
        assert agreement([comparison])[0].verdict == verdict, name


def test_many_comparisons_are_judged_together() -> None:
    """2.9 standard errors: significant at 1% alone, as one of ten it is not, and the interval says so."""
    alone = Comparison("w", 10.0, Trust.EXACT, seen(10.029, 0.01), 0.02)
    others = [Comparison("v", 10.0, Trust.EXACT, seen(10.001, 0.01), 0.02)] * 9
    assert agreement([alone])[0].verdict == "disagrees"
    first = agreement([alone, *others])[0]
    assert first.verdict == "agrees"
    assert first.confidence == pytest.approx(0.999)
    assert first.low < 10.0


def test_verdict_and_interval_never_contradict() -> None:
    rng = np.random.default_rng(3)
    comparisons = [Comparison("w", 10.0, Trust.EXACT, seen(10 + rng.normal(0, 0.05), 0.02), 0.02)] * 5 + [
        Comparison("w", 10.0, Trust.EXACT, seen(10 + rng.normal(0, 0.05), 0.02), 0.02) for _ in range(20)
    ]
    for row in agreement(comparisons):
        assert (row.verdict == "disagrees") == (not row.low <= 10.0 <= row.high)


def test_quantile_as_witness() -> None:
    sample = np.random.default_rng(4).exponential(1.0, 200_000)
    truth = -math.log(0.05)
    rows = agreement(
        [
            Comparison("p95", truth, Trust.EXACT, quantile_estimate(sample, 0.95), 0.03),
            Comparison("p95, off", 1.1 * truth, Trust.APPROXIMATE, quantile_estimate(sample, 0.95), 0.03),
            Comparison("p9999", -math.log(1e-6), Trust.EXACT, quantile_estimate(sample, 1 - 1e-6), 0.03),
        ]
    )
    assert [r.verdict for r in rows] == ["agrees", "disagrees", "not enough data"]
    document = json.dumps([r.document() for r in rows], allow_nan=False)
    assert json.loads(document)[2]["interval"][1] is None
    assert "disagrees" in str(rows[1])
    assert "-9." in str(rows[1]) or "-8." in str(rows[1])


def test_a_formula_must_be_a_number() -> None:
    with pytest.raises(InputError, match="finite ends"):
        Comparison("w", math.nan, Trust.EXACT, seen(1.0, 0.1), 0.02)
    with pytest.raises(InputError, match="finite ends"):
        Comparison("w", (2.0, 1.0), Trust.EXACT, seen(1.0, 0.1), 0.02)
    assert agreement([]) == ()


def test_statistics_import_neither_numba_nor_scipy_stats() -> None:
    code = (
        "import sys, pdplan.sim, pdplan.sim.statistics; "
        "assert not {'numba', 'scipy.stats', 'scipy.optimize', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
