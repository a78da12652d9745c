"""Little's law and the shape of answers."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.queueing.base import each_p, each_t, little_customers


def test_little_is_an_expression() -> None:
    assert little_customers(2.0, 3.0) == 6.0
    assert little_customers(np.array([1.0, 2.0]), 3.0).tolist() == [3.0, 6.0]


def test_shapes_follow_the_question() -> None:
    assert each_p(0.5, lambda p: 2 * p) == 1.0
    assert isinstance(each_p(np.float64(0.5), lambda p: 2 * p), float)
    assert each_p(np.full((2, 3), 0.5), lambda p: 2 * p).shape == (2, 3)
    assert each_t([-1.0, 1.0], lambda t: np.exp(-t)).tolist() == [1.0, np.exp(-1.0)]


@pytest.mark.parametrize("p", [1.0, -0.1, np.nan, [0.5, 1.5]])
def test_p_outside_is_refused(p: object) -> None:
    with pytest.raises(InputError):
        each_p(p, lambda x: x)


@pytest.mark.parametrize("t", [np.inf, np.nan])
def test_t_not_finite_is_refused(t: float) -> None:
    with pytest.raises(InputError):
        each_t(t, lambda x: x)
