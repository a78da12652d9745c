"""What is stated by accelerator holds under any of its names."""

from __future__ import annotations

import pytest

from pdplan.errors import InputError
from pdplan.planner.sizing import size
from pdplan.spec.builtin import builtin_scenario


def test_a_price_under_an_alias_is_a_price() -> None:
    usd = [
        size(builtin_scenario((f"prices.{name}=1 USD/h",))).cost.usd_per_hour
        for name in ("h100", "H100-SXM-80GB", "h100-sxm-80gb")
    ]
    assert usd == [usd[0]] * 3
    assert usd[0] == pytest.approx(round(usd[0]))


def test_stock_under_an_alias_is_stock() -> None:
    scenario = builtin_scenario(("search.stock.h100=16",))
    assert scenario.search is not None
    assert scenario.search.stock == {"h100-sxm-80gb": 16}


def test_one_accelerator_twice_is_refused() -> None:
    with pytest.raises(InputError, match="keep one"):
        builtin_scenario(("prices.h100=1 USD/h", "prices.h100-sxm-80gb=2 USD/h"))
