"""Pairs of lengths: exact marginals, the wanted correlation, the Gaussian copula underneath."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pdplan.errors import InputError
from pdplan.workload import JointLengths, joint_from_pairs, joint_lengths, law_atoms, length_law
from pdplan.workload.copula import copula_weights, couple, rank_grid

PROMPT = length_law({"mean": 1155, "scv": 0.92})
OUTPUT = length_law({"geometric": 211})
TABLE = length_law({"quantiles": {p: float(np.ceil(20 + 3 * p + 1e-5 * p**4)) for p in range(101)}})


def marginal(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    unique, group = np.unique(values, return_inverse=True)
    return unique, np.bincount(group, weights)


@pytest.mark.parametrize("correlation", [0.0, -0.3, -0.11, 0.05, 0.6, 0.9])
def test_marginals_and_correlation(correlation: float) -> None:
    j = joint_lengths(PROMPT, OUTPUT, correlation)
    for values, law, n in ((j.prompt_tokens, PROMPT, 32), (j.output_tokens, OUTPUT, 24)):
        atoms = law_atoms(law, n)
        unique, weight = marginal(values, j.weight)
        assert unique == pytest.approx(atoms.values, rel=1e-12)
        assert weight == pytest.approx(atoms.weights, abs=1e-10)
    assert j.correlation == pytest.approx(correlation, abs=1e-6)
    cv = np.sqrt(PROMPT.scv * OUTPUT.scv)
    assert j.mean_product == pytest.approx(PROMPT.mean * OUTPUT.mean * (1 + correlation * cv), rel=1e-3)


@pytest.mark.parametrize("parameter", [-0.7, 0.2, 0.6, 0.9])
def test_cells_against_the_bivariate_normal(parameter: float) -> None:
    # witness: scipy.stats.multivariate_normal.cdf, differenced over the cells (Genz 2004)
    rows, columns = np.array([0.2, 0.3, 0.4, 0.1]), np.array([0.5, 0.3, 0.2])
    law = stats.multivariate_normal([0, 0], [[1, parameter], [parameter, 1]])
    x = stats.norm.ppf(np.cumsum([0.0, *rows]).clip(1e-15, 1 - 1e-15))
    y = stats.norm.ppf(np.cumsum([0.0, *columns]).clip(1e-15, 1 - 1e-15))
    cdf = np.array([[law.cdf([a, b]) for b in y] for a in x])
    cells = np.diff(np.diff(cdf, axis=0), axis=1)
    assert copula_weights(rank_grid(rows, columns), parameter) == pytest.approx(cells, abs=2e-3)


def test_lognormal_pair_has_the_textbook_parameter() -> None:
    # two lognormals correlate by (e^{rho s t} - 1) / sqrt((e^{s^2} - 1)(e^{t^2} - 1)) (Johnson and Kotz 1972)
    law = length_law({"lognormal": {"mu": 7, "sigma": 0.8}})
    rho = 0.5
    pearson = np.expm1(rho * 0.64) / np.expm1(0.64)
    a = law_atoms(law, 64)
    assert couple(a, a, float(pearson)).parameter == pytest.approx(rho, abs=0.01)


def test_correlation_out_of_reach_or_without_meaning() -> None:
    with pytest.raises(InputError, match="correlate at least"):
        joint_lengths(PROMPT, OUTPUT, -0.95)
    with pytest.raises(InputError, match="one of the lengths is fixed"):
        joint_lengths(length_law(100), OUTPUT, 0.5)
    with pytest.raises(InputError, match="length_correlation"):
        joint_lengths(PROMPT, OUTPUT, 1.5)
    with pytest.raises(InputError, match="length_correlation"):
        joint_lengths(PROMPT, OUTPUT, float("nan"))


def test_fixed_lengths_are_one_pair() -> None:
    j = joint_lengths(length_law(6144), length_law(512))
    assert (j.prompt_tokens.tolist(), j.output_tokens.tolist(), j.weight.tolist()) == (
        [6144.0],
        [512.0],
        [1.0],
    )
    assert j.correlation == 0.0


def test_prefix_hits() -> None:
    j = joint_lengths(PROMPT, OUTPUT)
    assert j.mean(j.cached_tokens(0.37)) == pytest.approx(0.37 * PROMPT.mean)
    with pytest.raises(InputError, match="prefix_hit"):
        j.cached_tokens(1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(-1, 1))
def test_pairs_keep_means_product_and_tails(seed: int, n: int, tie: float) -> None:
    rng = np.random.Generator(np.random.Philox(seed))
    x = np.ceil(rng.lognormal(7, 1, n)).clip(1, 1e6)
    y = np.ceil(rng.lognormal(5, 0.5, n) * x ** (0.3 * tie)).clip(1, 1e6)
    j = joint_from_pairs(x, y)
    assert j.weight.sum() == pytest.approx(1.0)
    assert j.mean(j.prompt_tokens) == pytest.approx(x.mean(), rel=1e-6)
    assert j.mean(j.output_tokens) == pytest.approx(y.mean(), rel=1e-6)
    if n >= 100:
        assert j.mean_product == pytest.approx((x * y).mean(), rel=1e-6)


def test_pairs_keep_a_dependence_that_is_not_monotone() -> None:
    rng = np.random.Generator(np.random.Philox(5))
    x = np.ceil(rng.uniform(1, 2000, 20_000))
    y = np.ceil(np.abs(x - 1000) / 2 + rng.uniform(1, 50, x.size))
    j = joint_from_pairs(x, y)
    middle, ends = np.abs(j.prompt_tokens - 1000) < 200, np.abs(j.prompt_tokens - 1000) > 700
    mean = lambda where: float(j.weight[where] @ j.output_tokens[where] / j.weight[where].sum())  # noqa: E731
    assert mean(ends) > 4 * mean(middle)


def test_pairs_of_unequal_number() -> None:
    with pytest.raises(InputError, match="3 prompt lengths with 2 output lengths"):
        joint_from_pairs(np.ones(3), np.ones(2))
    with pytest.raises(InputError, match="empty"):
        joint_from_pairs(np.ones(0), np.ones(0))


@pytest.mark.speed
def test_building_a_class_takes_milliseconds() -> None:
    def build() -> JointLengths:
        return joint_lengths(TABLE, TABLE, -0.11)

    build()
    best = min(_seconds(build) for _ in range(20))
    assert best < 5e-3


def _seconds(call: object) -> float:
    assert callable(call)
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
