"""Length laws: what a user writes becomes the law with those statistics, or one line that says why not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from pdplan.errors import InputError
from pdplan.workload import GeometricLaw, LengthLaw, LognormalLaw, TableLaw, length_law, percentile_law

FORMS: list[tuple[Any, float]] = [
    (2048, 2048.0),
    ("2 k tok", 2000.0),
    ({"mean": 1155, "scv": 0.92}, 1155.0),
    ({"mean": 1155, "p99": 4142}, 1155.0),
    ({"mean": 1155, "p50": 1020}, 1155.0),
    ({"mean": 1155, "p50": 1020, "p99": 4142}, 1155.0),
    ({"mean": 211, "p50": 129, "p90": 424, "p99": 601, "min": 7, "max": 1000}, 211.0),
    ({"lognormal": {"mean": 300, "scv": 2}}, 300.0),
    ({"lognormal": {"mean": 300, "p99": 1500}}, 300.0),
    ({"lognormal": {"mu": 5, "sigma": 1}}, math.exp(5.5)),
    ({"geometric": {"mean": 200}}, 200.0),
    ({"geometric": 200}, 200.0),
    ({"uniform": {"min": 100, "max": 500}}, 300.0),
    ({"quantiles": {0: 10, 50: 100, 100: 1000}}, 302.5),
    ({"samples": [10, 20, 60]}, 30.0),
]


@pytest.mark.parametrize(("given_form", "mean"), FORMS, ids=[str(f) for f, _ in FORMS])
def test_every_form_has_its_mean(given_form: Any, mean: float) -> None:
    assert length_law(given_form).mean == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("given_form", [f for f, _ in FORMS], ids=[str(f) for f, _ in FORMS])
def test_moments_are_integrals_of_the_quantile_function(given_form: Any) -> None:
    # second witness: midpoint rule on q(u) up to u, against partial_moments(u)
    law = length_law(given_form)
    for end in (0.3, 0.9, 0.99):
        u = (np.arange(200_000) + 0.5) / 200_000 * end
        q = law.quantile(u)
        for k, value in enumerate(law.partial_moments(np.array([end]))[:, 0], 1):
            assert np.mean(q**k) * end == pytest.approx(value, rel=2e-4)


@pytest.mark.parametrize("given_form", [f for f, _ in FORMS], ids=[str(f) for f, _ in FORMS])
def test_scv_follows_from_the_moments(given_form: Any) -> None:
    law = length_law(given_form)
    mean, square, _ = law.partial_moments(np.array([1.0]))[:, 0]
    assert mean == pytest.approx(law.mean, rel=1e-12)
    assert square / mean**2 - 1.0 == pytest.approx(law.scv, abs=1e-9)


def test_lognormal_against_scipy() -> None:
    law = LognormalLaw(6.5, 0.9)
    other = stats.lognorm(0.9, scale=math.exp(6.5))
    p = np.array([0.01, 0.5, 0.9, 0.99, 0.9999])
    assert law.quantile(p) == pytest.approx(other.ppf(p), rel=1e-12)
    assert law.mean == pytest.approx(other.mean(), rel=1e-12)
    assert law.scv == pytest.approx(other.var() / other.mean() ** 2, rel=1e-12)
    partial, _ = integrate.quad(lambda x: x**2 * other.pdf(x), 0, other.ppf(0.9))
    assert law.partial_moments(np.array([0.9]))[1, 0] == pytest.approx(partial, rel=1e-8)


@pytest.mark.parametrize("mean", [1.5, 20.0, 400.0])
def test_geometric_against_its_sums(mean: float) -> None:
    law, p = GeometricLaw(mean), 1.0 / mean
    n = np.arange(1, int(60 * mean))
    pmf = p * (1 - p) ** (n - 1)
    other = stats.geom(p)
    for u in (0.1, 0.5, 0.77, 0.99, 0.9999):
        assert law.quantile(u) == other.ppf(u)
        cdf = np.cumsum(pmf)
        take = np.minimum(pmf, np.maximum(u - (cdf - pmf), 0.0))
        for k in (1, 2, 3):
            assert law.partial_moments(np.array([u]))[k - 1, 0] == pytest.approx(
                (take * n.astype(float) ** k).sum()
            )
    assert law.scv == pytest.approx(other.var() / mean**2)


def test_two_percentiles_give_the_lognormal_through_them() -> None:
    law = length_law({"p50": 1020, "p99": 4142})
    assert isinstance(law, LognormalLaw)
    assert law.sigma == pytest.approx(math.log(4142 / 1020) / stats.norm.ppf(0.99))


@pytest.mark.parametrize(("mean", "scv"), [(100.0, 0.1), (1155.0, 0.92), (5000.0, 3.0)])
def test_mean_and_a_percentile_recover_the_lognormal(mean: float, scv: float) -> None:
    law = length_law({"mean": mean, "scv": scv})
    for p in (50, 90, 99):
        again = length_law({"mean": mean, f"p{p}": law.quantile(p / 100)})
        # past exp(z^2/2) a percentile has two laws; 90 and 99 stay below for these
        assert again.scv == pytest.approx(scv, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    first=st.floats(2, 5000),
    ratios=st.lists(st.floats(1.0, 6.0), min_size=2, max_size=3),
    place=st.floats(0.05, 0.95),
)
def test_percentile_law_keeps_percentiles_and_mean(first: float, ratios: list[float], place: float) -> None:
    values = list(first * np.cumprod([1.0, *ratios]))
    ranks = [0.5, 0.9, 0.99, 0.999][: len(values)]
    plain = percentile_law(ranks, values)
    assert plain.quantile(np.array(ranks)) == pytest.approx(values, rel=1e-9)
    lowest, highest = 0.5 + plain.mean / 2, 0.5 * values[0] + 0.5 * plain.mean
    mean = lowest + place * (highest - lowest)
    try:
        law = percentile_law(ranks, values, mean)
    except InputError as error:
        assert "the mean is" in str(error)
        return
    assert law.mean == pytest.approx(mean, rel=1e-9)
    assert law.quantile(np.array(ranks)) == pytest.approx(values, rel=1e-9)


BAD: list[tuple[Any, str]] = [
    (0, "between 1 and"),
    (-5, "between 1 and"),
    (float("nan"), "finite"),
    (1e9, "between 1 and"),
    (True, "give a number of tokens"),
    ("400 ms", "unit of a time"),
    (None, "give a number of tokens"),
    ({}, "nothing is given"),
    ({"mean": 1000}, "a mean alone"),
    ({"p99": 1000}, "one percentile alone"),
    ({"max": 1000}, "min or max alone"),
    ({"scv": 1.0}, "scv goes with a mean"),
    ({"mean": 100, "scv": 1, "p99": 400}, "scv goes with a mean"),
    ({"mean": 100, "scv": -1}, "scv is -1"),
    ({"mean": 100, "scv": 1000}, "sigma lies"),
    ({"p50": 1000, "p99": 400}, "cannot decrease"),
    ({"mean": 1000, "p50": 2000}, "lies between"),
    ({"mean": 1000, "p99": 500}, "lies between"),
    ({"mean": 10, "p99": 5000}, "lies between"),
    ({"mean": 5000, "p50": 1000, "p99": 2000}, "the mean is 5000 tok"),
    ({"mean": 1000, "p5O": 900}, "not understood; did you mean"),
    ({"lognormal": {"mean": 5}}, "takes two"),
    ({"lognormal": {"mu": 5}}, "takes mu and sigma"),
    ({"lognormal": {"mu": 5, "sigma": 9}}, "sigma lies"),
    ({"lognormal": 7}, "takes two"),
    ({"geometric": {"average": 5}}, "takes mean"),
    ({"geometric": 1}, "fixed length 1"),
    ({"uniform": {"min": 5, "max": 2}}, "below min"),
    ({"uniform": {"min": 5}}, "takes min and max"),
    ({"quantiles": {0: 5, 50: 4, 100: 10}}, "cannot decrease"),
    ({"quantiles": {1: 5, 100: 10}}, "from 0 to 100"),
    ({"quantiles": {0: 5, 120: 10}}, "from 0 to 100"),
    ({"quantiles": {0: 0, 100: 10}}, "smallest length"),
    ({"quantiles": {"low": 5}}, "maps percents"),
    ({"quantiles": [1, 2]}, "mapping"),
    ({"samples": []}, "empty"),
    ({"samples": [3, float("nan")]}, "not finite"),
    ({"geometric": 5, "mean": 4}, "in one way"),
]


@pytest.mark.parametrize(("given_form", "says"), BAD, ids=[str(f) for f, _ in BAD])
def test_wrong_lengths_are_refused_in_one_line(given_form: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        length_law(given_form, "prompt_tokens")
    assert str(caught.value).startswith("prompt_tokens")
    assert "\n" not in str(caught.value)


def test_laws_pass_through_and_satisfy_the_protocol() -> None:
    for law in (
        GeometricLaw(5.0),
        LognormalLaw(5.0, 1.0),
        TableLaw(np.array([0.0, 1.0]), np.array([1.0, 9.0])),
    ):
        assert isinstance(law, LengthLaw)
        assert length_law(law) is law
