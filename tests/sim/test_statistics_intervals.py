"""Intervals of means and quantiles: hand-worked cases, scipy as second witness, coverage of known truths."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pdplan.errors import InputError
from pdplan.sim.statistics import (
    MeanEstimate,
    batch_means,
    double_until,
    exceedance_test,
    lag1_correlation,
    mean_estimate,
    quantile_estimate,
    ratio_estimate,
    replication_estimate,
)


def ar1(seed: int, n: int, phi: float = 0.9, level: float = 5.0) -> np.ndarray:
    """AR(1) around ``level`` with unit innovations, started in its stationary law."""
    noise = np.random.default_rng(seed).standard_normal(n)
    x = np.empty(n)
    x[0] = noise[0] / math.sqrt(1 - phi**2)
    for k in range(1, n):
        x[k] = phi * x[k - 1] + noise[k]
    return x + level


def test_batch_means_by_hand() -> None:
    # 9 values, 4 batches of 2: the first value is left over
    assert batch_means(np.array([99.0, 1, 3, 2, 4, 5, 5, 0, 2]), 4).tolist() == [2, 3, 5, 1]
    with pytest.raises(InputError, match="give at least 64"):
        batch_means(np.ones(63))


def test_interval_of_independent_batches_is_the_t_interval_of_scipy() -> None:
    values = np.random.default_rng(7).normal(3.0, 2.0, 64_000)
    found = mean_estimate(values)
    means = values.reshape(32, -1).mean(axis=1)
    low, high = stats.t.interval(0.9995, 31, loc=means.mean(), scale=stats.sem(means))
    assert found.interval(0.9995) == pytest.approx((low, high), rel=1e-12)
    # up to 99.9% Student's quantile is an expansion, right to 1e-5
    half = stats.t.ppf(0.995, 31) * stats.sem(means)
    assert found.half_width(0.99) == pytest.approx(half, rel=1e-5)
    p = stats.ttest_1samp(means, 3.01).pvalue
    assert found.p_value(3.01, 3.01) == pytest.approx(p, rel=1e-9)


def test_p_value_of_a_bracket_counts_from_its_nearer_end() -> None:
    one = MeanEstimate(10.0, 1.0, 31, 0.0, 1000)
    assert one.p_value(11.0, 15.0) == one.p_value(11.0, 11.0)
    assert one.p_value(2.0, 9.0) == one.p_value(9.0, 9.0)
    assert one.p_value(2.0, 10.0) == 1.0


def test_without_spread_only_the_value_itself_agrees() -> None:
    one = mean_estimate(np.full(64, 2.0))
    assert one.interval() == (2.0, 2.0)
    assert (one.p_value(2.0, 2.0), one.p_value(2.1, 2.1)) == (1.0, 0.0)
    assert one.sound


def test_lag1_correlation_of_batches_flags_short_runs() -> None:
    # correlation time of 2000 in batches of 100: nothing like independent
    slow = ar1(1, 3200, phi=0.9995)
    assert not mean_estimate(slow).sound
    assert mean_estimate(ar1(2, 64_000)).sound
    assert lag1_correlation(np.array([1.0, 2.0, 3.0])) == pytest.approx(0.0)  # (-1)(0) + (0)(1) over 2


def test_mean_interval_covers_a_correlated_mean() -> None:
    hits = sum(
        low < 5.0 < high for low, high in (mean_estimate(ar1(100 + k, 8000)).interval(0.9) for k in range(60))
    )
    # binomial(60, 0.9): mean 54, sd 2.3; six sigma below
    assert hits >= 46


def test_naive_interval_would_not_cover() -> None:
    """The witness of the witness: without batches the interval of AR(1) is 4.4 times too narrow."""
    x = ar1(3, 64_000)
    naive = x.std() / math.sqrt(x.size)
    assert mean_estimate(x).std_error / naive == pytest.approx(math.sqrt((1 + 0.9) / (1 - 0.9)), rel=0.35)


def test_ratio_is_weighted_by_its_denominator() -> None:
    rng = np.random.default_rng(4)
    tokens = rng.geometric(0.02, 32_000).astype(float)
    spent = tokens * rng.normal(0.03, 0.003, tokens.size)
    found = ratio_estimate(spent, tokens)
    assert found.estimate == pytest.approx(spent.sum() / tokens.sum(), rel=1e-12)
    low, high = found.interval()
    assert low < 0.03 < high
    with pytest.raises(InputError, match="sums to 0"):
        ratio_estimate(tokens, np.zeros(tokens.size))


def test_quantile_of_exponential_against_order_statistics() -> None:
    """Independent sample: the interval nearly is the binomial interval of order statistics."""
    sample = np.random.default_rng(5).exponential(1.0, 100_000)
    found = quantile_estimate(sample, 0.95)
    low, high = found.interval(0.99)
    ranks = stats.binom.ppf([0.005, 0.995], sample.size, 0.95).astype(int)
    ordered = np.sort(sample)
    assert found.estimate == pytest.approx(float(np.quantile(sample, 0.95)), rel=1e-4)
    assert (high - low) == pytest.approx(ordered[ranks[1]] - ordered[ranks[0]], rel=0.35)
    assert low < -math.log(0.05) < high


def test_quantile_interval_and_p_value_say_the_same() -> None:
    sample = ar1(6, 30_000)
    found = quantile_estimate(sample, 0.9)
    low, high = found.interval(0.99)
    assert found.p_value(low, low) >= 0.01 > found.p_value(low - 0.02, low - 0.02)
    assert found.p_value(high, high) >= 0.01 > found.p_value(high + 0.02, high + 0.02)
    assert exceedance_test(sample, found.estimate, 0.9) > 0.9


def test_quantile_interval_covers() -> None:
    truth = 5.0 + stats.norm.ppf(0.9) / math.sqrt(1 - 0.81)
    hits = 0
    for k in range(60):
        low, high = quantile_estimate(ar1(500 + k, 8000), 0.9).interval(0.9)
        hits += low < truth < high
    assert hits >= 46


def test_quantile_inside_an_atom_is_no_contradiction() -> None:
    """An idle server: 60% of the waits are 0, so the median is 0 and 0.7 of them are not at most 0."""
    rng = np.random.default_rng(8)
    waits = np.where(rng.random(40_000) < 0.6, 0.0, rng.exponential(1.0, 40_000))
    median = quantile_estimate(waits, 0.5)
    assert median.estimate == 0.0
    assert median.p_value(0.0, 0.0) == 1.0
    assert median.p_value(0.05, 0.05) < 1e-6
    high = quantile_estimate(waits, 0.7)
    assert high.p_value(0.0, 0.0) < 1e-6
    assert high.p_value(0.0, 1.0) == 1.0


def test_quantile_beyond_the_sample_is_open() -> None:
    found = quantile_estimate(np.random.default_rng(9).exponential(1.0, 640), 0.999)
    assert found.interval()[1] == math.inf
    assert not found.sound


def test_replications() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])
    low, high = stats.t.interval(0.95, 3, loc=3.0, scale=stats.sem(values))
    assert replication_estimate(values).interval(0.95) == pytest.approx((low, high))
    with pytest.raises(InputError, match="at least 2"):
        replication_estimate(np.ones(1))


def test_doubling_stops_where_the_interval_is_narrow_or_says_that_it_did_not() -> None:
    seen: list[int] = []

    def draw(n: int) -> MeanEstimate:
        seen.append(n)
        return mean_estimate(ar1(11, n, level=20.0))

    found = double_until(draw, tolerance=0.01, start=2000, most=64_000)
    assert found.enough
    assert found.observations == seen[-1]
    assert found.witness.half_width() <= 0.01 * found.witness.estimate
    assert all(b == 2 * a for a, b in itertools.pairwise(seen))
    short = double_until(draw, tolerance=1e-5, start=2000, most=7000)
    assert not short.enough
    assert short.observations == 4000
