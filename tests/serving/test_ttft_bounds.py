"""Cheap bounds hold the exact percentiles: M/D/1, M/G/1, composed TTFT laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import UnstableError
from pdplan.queueing.md1 import MD1
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.service import Atoms
from pdplan.serving.composition import ttft_law
from pdplan.serving.delays import Residual
from pdplan.serving.ttft_bounds import Envelope, ttft_quantile_bounds_s

ONE = np.ones(1)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.5, 0.9999))
def test_md1_lies_inside(rho, p):
    law = MD1(rho, 1.0)
    e = Envelope.of(rho, Atoms([1.0], [1.0]))
    low, high = ttft_quantile_bounds_s({"queue": e}, {"d": 2.0}, ONE, p)
    assert low <= law.wait_quantile_s(p) + 2.0 + 1e-9
    assert law.wait_quantile_s(p) + 2.0 <= high + 1e-9


@pytest.mark.parametrize("rho", [0.3, 0.7, 0.9])
def test_three_stations_lie_inside_and_the_bracket_is_useful(rho):
    values = np.exp(np.linspace(-2, 2, 41)) * 0.1
    service, link = Atoms(values, np.ones(41)), Atoms(values * 0.1, np.ones(41))
    rate = rho / service.mean_s
    weight = np.full(41, 1 / 41)
    fixed = {"prefill": values, "transfer": values * 0.1}
    law = ttft_law({"q": MG1(rate, service), "l": MG1(rate, link), "j": Residual(0.02)}, fixed, weight)
    cheap = {"q": Envelope.of(rate, service), "l": Envelope.of(rate, link), "j": Residual(0.02)}
    for p in (0.5, 0.9, 0.99, 0.999):
        low, high = ttft_quantile_bounds_s(cheap, fixed, weight, p)
        assert low <= law.quantile_s(p) * (1 + 1e-3)
        assert law.quantile_s(p) <= high * (1 + 1e-3)
    low, high = ttft_quantile_bounds_s(cheap, fixed, weight, 0.99)
    assert high / low < 1.7


def test_edges():
    assert ttft_quantile_bounds_s({"c": 0.5}, {"d": np.array([1.0, 2.0])}, np.array([0.5, 0.5]), 0.9) == (
        2.5,
        2.5,
    )
    with pytest.raises(UnstableError):
        Envelope.of(1.0, Atoms([1.0], [1.0]))
