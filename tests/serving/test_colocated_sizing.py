"""Searches over colocated fleets: the answer meets the target and its neighbour does not."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InfeasibleError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving.colocated_sizing import largest_rate_per_instance, smallest_fleet
from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.demand import ClassDemand

ONE = np.ones(1)
MODEL = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
CHAT = ClassDemand("chat", 40.0, ONE * 1000, ONE * 201, ONE)
ENGINE = {"budget_tokens": 512.0, "step_factor": 1.0}


@pytest.mark.parametrize(
    "meets",
    [
        lambda s: s.mean_tpot_s <= 0.015,
        lambda s: s.itl_quantile_s(0.99) <= 0.036 and s.ttft().quantile_s(0.99) <= 0.3,
    ],
)
def test_smallest_fleet_is_smallest(meets):
    fleet = smallest_fleet([CHAT], MODEL, meets, **ENGINE)
    assert meets(fleet)
    fewer = colocated_station([CHAT], MODEL, instances=fleet.instances - 1, **ENGINE)
    assert not meets(fewer)


def test_largest_rate_agrees_with_the_smallest_fleet():
    rate = largest_rate_per_instance([CHAT], MODEL, lambda s: s.mean_tpot_s <= 0.015, **ENGINE)
    fleet = smallest_fleet([CHAT], MODEL, lambda s: s.mean_tpot_s <= 0.015, **ENGINE)
    assert 40.0 / fleet.instances <= rate * 1.005
    assert 40.0 / (fleet.instances - 1) > rate


def test_what_an_idle_engine_cannot_do_is_infeasible():
    with pytest.raises(InfeasibleError, match="idle"):
        smallest_fleet([CHAT], MODEL, lambda s: s.mean_tpot_s <= 0.005, most=64, **ENGINE)
    with pytest.raises(InfeasibleError, match="idle"):
        largest_rate_per_instance([CHAT], MODEL, lambda s: s.mean_tpot_s <= 0.005, **ENGINE)
