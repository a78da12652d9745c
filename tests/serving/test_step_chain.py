"""The chain of steps, from budgets of a few prompts to budgets far beyond them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from pdplan.errors import UnstableError
from pdplan.serving.bulk_law import stationary_law
from pdplan.serving.chain_ttft import finish_delay
from pdplan.serving.step_arrivals import arrival_laws, quiet_reach
from pdplan.serving.step_chain import StepChain, solve_step_chain

LOADS = (0.3, 0.7, 0.9, 0.97)


def lognormal(mean: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """200 equally likely lengths, the quantiles at (i + 1/2)/200."""
    tokens = np.exp(sigma * norm.ppf((np.arange(200) + 0.5) / 200))
    return tokens * mean / tokens.mean(), np.full(200, 1 / 200)


def affine_chain(
    law: tuple[np.ndarray, np.ndarray], budget: float, load: float, a: float = 0.02, k: float = 1e-5
) -> StepChain:
    """Steps of a + k q at a load of tokens over those of full steps, idle without prompts."""
    rate = load * budget / (a + k * budget) / float(law[1] @ law[0])
    return solve_step_chain(rate, *law, budget, lambda q: a + k * np.maximum(q, 1.0), idle=1.0)


# ---------------------------------------------------------------------- the queue served in bulk


def truncated(came: np.ndarray, size: int) -> np.ndarray:
    """Solve the first ``size`` states of Q' = (Q - m)+ + A as a finite chain."""
    m, n = came.shape[0] - 1, came.shape[1]
    p = np.zeros((size, size))
    for q in range(size):
        row, left = came[min(q, m)], max(q - m, 0)
        kept = min(n, size - left)
        p[q, left : left + kept] = row[:kept]
        p[q, -1] += row[kept:].sum()
    system = p.T - np.eye(size)
    system[-1] = 1.0
    return np.linalg.solve(system, np.eye(1, size, size - 1)[0])


@settings(deadline=None, max_examples=30)
@given(
    m=st.integers(1, 9),
    n=st.integers(0, 12),
    load=st.floats(0.05, 0.85),
    seed=st.integers(0, 2**32 - 1),
)
def test_bulk_service_is_the_finite_chain(m: int, n: int, load: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    came = rng.dirichlet(np.full(m + 2 + n, 0.3), m + 1)
    came[:, 0] += 1e-3  # every state can empty
    full = came[m] / came[m].sum()
    empty = 1.0 - min(1.0, load * m / float(full @ np.arange(full.size)))
    came[m] = full * (1.0 - empty)  # thin a full step's arrivals down to the load
    came[m, 0] += empty
    came /= came.sum(axis=1, keepdims=True)
    law = stationary_law(came, 700)
    assert law == pytest.approx(truncated(came, 700), abs=1e-8)


def test_a_chain_that_never_passes_its_bulk() -> None:
    # two states, 0 -> 1 with 1/2, 1 -> 1 with 1/4: p1/4 x 3 = p0/2, so p = (0.6, 0.4)
    came = np.array([[0.5, 0.5], [0.75, 0.25]])
    assert stationary_law(came, 4) == pytest.approx([0.6, 0.4, 0.0, 0.0])


# ---------------------------------------------------------------------- what arrives


@pytest.mark.parametrize("fine", [1, 2, 8, 64])
@pytest.mark.parametrize("unit", [50.0, 400.0])
@pytest.mark.parametrize("rate", [10.0, 3000.0])
def test_arrivals_keep_mean_and_variance(fine: int, unit: float, rate: float) -> None:
    """Mean lam d E X; variance lam d E X^2, and what splitting to a lattice adds: unit^2/4 at most."""
    tokens, weight = lognormal(100.0, 1.0)
    duration = np.array([0.02, 0.05, 0.1])
    laws = arrival_laws(rate, tokens, weight, unit, duration, 0.0, fine)
    n = np.arange(laws.shape[1]) * unit
    mean = laws @ n
    variance = laws @ n**2 - mean**2
    exact = rate * duration * float(weight @ tokens**2)
    step = unit / min(fine, 8)  # on the finer lattice every prompt is split as well
    added = unit**2 / 4 + rate * duration * np.minimum(step * 100.0, step**2 / 4)
    assert laws.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert mean == pytest.approx(rate * duration * 100.0, rel=1e-5)
    assert np.all(variance > exact * (1 - 1e-4))
    assert np.all(variance < exact + added * 1.01)


def test_an_idle_engine_waits_for_one_prompt() -> None:
    laws = arrival_laws(5.0, np.array([300.0]), np.ones(1), 200.0, np.array([0.1, 0.1]), 1.0, 2)
    assert laws[0, :4] == pytest.approx([0.0, 0.5, 0.5, 0.0])


# ---------------------------------------------------------------------- budgets of very many prompts


def equal_prompts(budget: int, load: float, a: float, k: float, size: int = 800) -> np.ndarray:
    """Law of the waiting prompts at step starts, for equal prompts: Poisson arrivals, dense, no lattice."""
    rate = load * budget / (a + k * budget)
    came = poisson.pmf(np.arange(size)[None, :], rate * (a + k * np.arange(budget + 1))[:, None])
    came[0] = np.eye(1, size, 1)[0]
    return truncated(came, size)


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("k", [0.1, 1e-3, 1e-4])
def test_equal_prompts_are_counted_one_by_one(load: float, k: float) -> None:
    """A budget of 128 prompts of 20 tokens; per prompt k of what a step takes without any."""
    exact = equal_prompts(128, load, 1.0, k)
    one = np.array([20.0]), np.ones(1)
    chain = affine_chain(one, 2560.0, load, 1.0, k / 20.0)
    waiting = chain.pmf @ np.arange(chain.pmf.size) * chain.unit_tokens / 20.0
    assert waiting == pytest.approx(exact @ np.arange(exact.size), rel=0.01)
    carried = float(chain.carried_pmf @ chain.duration_s)
    steps = exact[1:] / exact[1:].sum()  # an idle spell is no step
    assert carried == pytest.approx(1.0 + k * (steps @ np.minimum(np.arange(1, exact.size), 128)), rel=2e-3)
    at = np.arange(chain.pmf.size) * chain.unit_tokens / 20.0
    for level in (0.5, 0.95, 0.99):
        mine = np.interp(level, np.cumsum(chain.pmf) - chain.pmf / 2, at)
        theirs = np.interp(level, np.cumsum(exact) - exact / 2, np.arange(exact.size))
        assert mine == pytest.approx(theirs, rel=0.015, abs=0.3)


def test_a_budget_that_does_not_bind_ends_with_the_law() -> None:
    exact = equal_prompts(500, 0.7, 1.0, 0.003, 600)
    rate = 0.7 * 500 / 2.5
    points = np.linspace(1.0, 500.0, 500)
    reach = quiet_reach(rate, np.ones(1), np.ones(1), points, 1.0 + 0.003 * points, 1e-8)
    beyond = 1.0 - np.cumsum(exact)
    assert beyond[int(reach)] < 1e-8 < beyond[int(0.6 * reach)]


#: Simulated TTFT [s], mean and 50th, 95th, 99th percentile; prompts of `lognormal`, steps of 20 ms + 10 us a
#: token, cut at the budget. Four million prompts, the first 5% left out; numpy's Philox(7) draws first the
#: lengths, then the gaps. At load 0.97 the means are good to 1% (equal-sized batches of prompts), 12% and 5%
#: for the second and fourth law.
SIMULATED = {
    (64.0, 0.8, 8192.0): (
        (0.04039, 0.04016, 0.05444, 0.05950),
        (0.07022, 0.06923, 0.09853, 0.11037),
        (0.11122, 0.10920, 0.15864, 0.17907),
        (0.14771, 0.14372, 0.21932, 0.26026),
    ),
    (100.0, 1.5, 8192.0): (
        (0.04163, 0.04008, 0.06443, 0.07958),
        (0.07470, 0.07011, 0.12568, 0.15747),
        (0.12667, 0.11676, 0.22582, 0.28977),
        (0.22008, 0.18947, 0.47764, 0.67629),
    ),
    (20.0, 0.5, 8192.0): (
        (0.03978, 0.03973, 0.05203, 0.05459),
        (0.06898, 0.06875, 0.09140, 0.09732),
        (0.10902, 0.10857, 0.14532, 0.15559),
        (0.13715, 0.13651, 0.18336, 0.19696),
    ),
    (100.0, 1.0, 65536.0): (
        (0.04394, 0.04327, 0.06230, 0.07137),
        (0.09813, 0.09508, 0.14864, 0.17461),
        (0.24949, 0.24037, 0.38692, 0.45958),
        (0.53749, 0.51778, 0.83738, 1.00451),
    ),
}


@pytest.mark.parametrize("case", SIMULATED)
@pytest.mark.parametrize("i", range(4))
def test_ttft_against_simulation(case: tuple[float, float, float], i: int) -> None:
    law = lognormal(case[0], case[1])
    chain = affine_chain(law, case[2], LOADS[i])
    delay = finish_delay(chain, chain.own_units(*law))
    mean, *quantiles = SIMULATED[case][i]
    assert delay.mean_s == pytest.approx(mean, rel=0.02 if LOADS[i] <= 0.9 else 0.03)
    at = delay.step_s * (np.arange(delay.cdf.size) + 0.5)
    found = np.interp((0.5, 0.95, 0.99), delay.cdf, at)
    assert found == pytest.approx(quantiles, rel=0.04 if LOADS[i] <= 0.9 else 0.08)


def test_a_budget_beyond_all_prompts_is_as_good_as_any_larger_one() -> None:
    """Lognormal prompts (mean 1000, SCV e - 1) at 80/s, iterations of 20 ms + 10 us a token, load 0.8.

    A plain simulation of two million prompts gives a mean TTFT of 0.242 s from a budget of 32,768 on.
    """
    tokens = np.exp(norm.ppf((np.arange(200) + 0.5) / 200) + np.log(1000) - 0.5)
    weight = np.full(200, 1 / 200)
    means = []
    for budget in (32768.0, 65536.0, 131072.0, 524288.0, 2097152.0):
        chain = solve_step_chain(
            80.0, tokens, weight, budget, lambda q: 0.02 + 1e-5 * np.asarray(q), idle=1.0
        )
        means.append(finish_delay(chain, chain.own_units(tokens, weight)).mean_s)
    assert means == pytest.approx([0.242] * 5, rel=0.1)
    assert max(means) < 1.05 * min(means)


@pytest.mark.parametrize("load", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("idle", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("budget", [30.0, 700.0, 6000.0, 3e5])
def test_what_is_carried_is_what_is_offered(load: float, idle: float, budget: float) -> None:
    """Per step and per idle spell of 1/lam, also where a first token costs a jump."""
    law = lognormal(100.0, 1.0)

    def step_s(q: np.ndarray) -> np.ndarray:
        return np.where(q > 0, 0.02, 0.01) + 1e-4 * np.asarray(q)

    rate = load * budget / float(step_s(np.array([budget]))[0]) / 100.0
    chain = solve_step_chain(rate, *law, budget, step_s, idle=idle)
    m = chain.budget_units
    taken = np.append(chain.pmf[:m], chain.pmf[m:].sum())
    spent = taken @ chain.duration_s + taken[0] * idle * (1.0 / rate - chain.duration_s[0])
    assert taken @ np.arange(m + 1.0) == pytest.approx(chain.units_per_s * spent, rel=1e-4)


def test_more_prompts_than_full_steps_carry_are_refused() -> None:
    with pytest.raises(UnstableError, match="prompt budget"):
        affine_chain(lognormal(20.0, 0.5), 8192.0, 1.0)
