"""Wilson and Hilferty against scipy's exact gamma law, over the shapes and levels that are used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaincc, gammaincinv

from pdplan.normal import ndtr, ndtri
from pdplan.serving.gamma_law import MANY, gamma_quantile, gamma_sf


@pytest.mark.parametrize("shape", [0.3, 1.0, MANY, 3.0, 7.0, 10.0, 40.0, 1000.0])
def test_quantiles(shape: float) -> None:
    p = np.array([0.5, 0.9, 0.99])
    limit = 1e-12 if shape < MANY else 1e-3 if shape >= 10 else 5e-3
    np.testing.assert_allclose(gamma_quantile(shape, p), gammaincinv(shape, p), rtol=limit)
    assert gamma_quantile(shape, 0.999) == pytest.approx(gammaincinv(shape, 0.999), rel=0.015)


@pytest.mark.parametrize("shape", [1.0, 3.0, 10.0, 40.0])
def test_tails(shape: float) -> None:
    x = gammaincinv(shape, np.array([0.5, 0.9, 0.99]))
    np.testing.assert_allclose(gamma_sf(shape, x), gammaincc(shape, x), rtol=0.02)


def test_normal_law_against_scipy() -> None:
    from scipy import special

    x = np.linspace(-12, 12, 97)
    np.testing.assert_allclose(ndtr(x), special.ndtr(x), rtol=1e-12)
    p = np.r_[0.0, 1e-300, 1e-12, np.linspace(0.001, 0.999, 50), 1 - 1e-12, 1.0]
    np.testing.assert_allclose(ndtri(p), special.ndtri(p), rtol=1e-9)
