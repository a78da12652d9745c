"""The chain of steps where budgets are far beyond the prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from pdplan.serving.chain_ttft import finish_delay
from pdplan.serving.step_chain import solve_step_chain


def test_a_budget_beyond_all_prompts_is_as_good_as_any_larger_one() -> None:
    """Lognormal prompts (mean 1000, SCV e - 1) at 80/s, iterations of 20 ms + 10 us a token, load 0.8.

    A plain simulation of two million prompts gives a mean TTFT of 0.242 s from a budget of 32,768 on.
    """
    tokens = np.exp(norm.ppf((np.arange(200) + 0.5) / 200) + np.log(1000) - 0.5)
    weight = np.full(200, 1 / 200)
    means = []
    for budget in (32768.0, 131072.0, 524288.0, 2097152.0):
        chain = solve_step_chain(
            80.0, tokens, weight, budget, lambda q: 0.02 + 1e-5 * np.asarray(q), idle=1.0
        )
        means.append(finish_delay(chain, chain.own_units(tokens, weight)).mean_s)
    assert means == pytest.approx([0.242] * 4, rel=0.1)
    assert max(means) < 1.05 * min(means)
