"""The closed network against the engine's closed loop: twenty configurations, within 3% or a stated miss."""

from __future__ import annotations

import pytest
from closed_cases import CASES, Case, engine, network

#: Configurations that miss 3%, with what they are within and why (docs/validation/closed_network.md).
MISSES = {
    # round robin over batching instances: the share of randomness left is taken from one prompt at a time
    6: 0.08,
}


#: The largest take seconds each.
_AT = [
    pytest.param(i, id=str(c), marks=[pytest.mark.slow] if c.users > 64 else []) for i, c in enumerate(CASES)
]


@pytest.mark.parametrize("at", _AT)
def test_within_three_percent_of_the_engine(at: int) -> None:
    case: Case = CASES[at]
    net = network(case)
    result = engine(case, 200_000 if case.lengths == "variable" else 50_000)
    for quantity, value in (("ttft", net.mean_ttft_s), ("tpot", net.mean_tpot_s)):
        seen = result.statistic(quantity)
        assert seen.value is not None
        assert seen.half_width is not None
        limit = MISSES.get(at, 0.03) if quantity == "ttft" else 0.03
        # a sample is not the truth: its own interval comes on top
        assert abs(value - seen.value) <= limit * seen.value + seen.half_width, quantity
