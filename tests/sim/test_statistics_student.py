"""Student's t by expansion against scipy's."""

from __future__ import annotations

import pytest
from scipy.special import stdtrit

from pdplan.sim.statistics.student import t_multiplier


@pytest.mark.parametrize("degrees", [3, 19, 20, 31, 39, 199])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.999, 0.9999])
def test_multiplier(confidence: float, degrees: int) -> None:
    assert t_multiplier(confidence, degrees) == pytest.approx(
        stdtrit(degrees, 0.5 + 0.5 * confidence), rel=1e-5
    )
