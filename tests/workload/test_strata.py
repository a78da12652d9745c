"""Atoms of a length law keep its mean, SCV and key percentiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.workload import GeometricLaw, LognormalLaw, law_atoms, length_law, sample_law

LAWS: list[Any] = [
    {"mean": 1155, "scv": 0.92},
    {"lognormal": {"mean": 2000, "scv": 4}},
    {"geometric": 200},
    {"uniform": {"min": 1, "max": 8000}},
    {"mean": 211, "p50": 129, "p90": 424, "p99": 601, "max": 1000},
]


@pytest.mark.parametrize("given_form", LAWS, ids=str)
@pytest.mark.parametrize("atoms", [17, 24, 32, 64])
def test_atoms_keep_mean_scv_and_key_percentiles(given_form: Any, atoms: int) -> None:
    law = length_law(given_form)
    a = law_atoms(law, atoms)
    assert len(a.values) <= atoms
    assert a.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(a.values) > 0)
    assert a.values[0] >= 1.0
    assert a.mean == pytest.approx(law.mean, rel=1e-9)
    assert a.scv == pytest.approx(law.scv, rel=5e-3)
    for p in (0.5, 0.9, 0.95, 0.99, 0.999):
        assert a.quantile(p) == pytest.approx(law.quantile(p), rel=0.02)


def test_third_moment_is_kept() -> None:
    # E X^3 of a lognormal is exp(3 mu + 9 sigma^2 / 2)
    a = law_atoms(LognormalLaw(6.0, 1.0))
    assert a.weights @ a.values**3 == pytest.approx(np.exp(18.0 + 4.5), rel=1e-3)


def test_a_constant_is_one_atom() -> None:
    a = law_atoms(length_law(512))
    assert a.values.tolist() == [512.0]
    assert a.weights.tolist() == [1.0]


def test_short_lengths_stay_whole_tokens_at_least() -> None:
    law = length_law({"mean": 20, "scv": 2})
    a = law_atoms(law)
    assert a.values[0] >= 1.0
    assert a.mean == pytest.approx(20.0, rel=1e-9)
    with pytest.raises(InputError, match="below one token"):
        law_atoms(length_law({"lognormal": {"mu": 0.0, "sigma": 0.5}}))


def test_geometric_near_one_token() -> None:
    a = law_atoms(GeometricLaw(1.01))
    assert a.values[0] == pytest.approx(1.0)
    assert a.mean == pytest.approx(1.01, rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=300))
def test_samples_of_any_shape(samples: list[int]) -> None:
    x = np.array(samples, dtype=float)
    a = law_atoms(sample_law(x), 32)
    assert np.all(np.isfinite(a.values))
    assert np.all(a.weights > 0)
    assert a.values[0] >= x.min() * (1 - 1e-6)
    assert a.values[-1] <= x.max() * (1 + 1e-6)
    assert a.mean == pytest.approx(x.mean(), rel=1e-9)
    assert a.scv == pytest.approx(x.var() / x.mean() ** 2, rel=5e-2, abs=2e-3)


def test_too_few_atoms() -> None:
    with pytest.raises(InputError, match="17 or more"):
        law_atoms(GeometricLaw(5.0), 8)
