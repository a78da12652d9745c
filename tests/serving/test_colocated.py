"""Colocated engines: formulas by hand, the chain by brute force, stations against a simulation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pdplan.errors import InputError, UnstableError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving import colocated
from pdplan.serving.busy_gap import gap_pmf
from pdplan.serving.chain_ttft import finish_delay
from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.demand import ClassDemand
from pdplan.serving.step_chain import StepChain, solve_step_chain
from pdplan.trust import Trust

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MODEL = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 4096), "made for tests")
ONE = np.ones(1)


def chat(rate: float, prompt: float = 1000.0, output: float = 201.0) -> ClassDemand:
    return ClassDemand("chat", rate, ONE * prompt, ONE * output, ONE)


def stationary_by_iteration(chain: StepChain) -> np.ndarray:
    """Apply Q' = (Q - m)+ + A until nothing changes: no zeros, no generating function."""
    m, n = chain.budget_units, chain.pmf.size
    phi = np.fft.rfft(chain.prompt_pmf, 2 * n)
    rows = []
    for i in range(m + 1):
        idle = chain.idle if i == 0 else 0.0
        poisson = np.exp(chain.arrival_rate * chain.duration_s[i] * (phi - 1))
        rows.append(np.fft.irfft((1 - idle) * poisson + idle * phi, 2 * n)[:n])
    last = np.fft.rfft(rows[m], 2 * n)
    p = np.eye(1, n)[0]
    for _ in range(20_000):
        q = sum(p[i] * rows[i] for i in range(m))
        left = np.zeros(n)
        left[: n - m] = p[m:]
        q = q + np.fft.irfft(np.fft.rfft(left, 2 * n) * last, 2 * n)[:n]
        q /= q.sum()
        if np.abs(q - p).max() < 1e-14:
            break
        p = q
    return p


@pytest.mark.parametrize(("budget", "rate", "idle"), [(2048, 8.0, 0.0), (512, 6.0, 0.3), (256, 4.0, 0.0)])
def test_chain_against_plain_iteration(budget, rate, idle):
    tokens = np.random.default_rng(0).lognormal(np.log(1000) - 0.5, 1.0, 60)
    chain = solve_step_chain(rate, tokens, np.full(60, 1 / 60), budget, lambda q: 0.013 + 5e-5 * q, idle=idle)
    assert chain.pmf == pytest.approx(stationary_by_iteration(chain), abs=3e-9)
    # work is conserved: units carried per iteration over its length are the units offered
    carried = chain.carried_pmf @ np.arange(chain.budget_units + 1)
    if idle == 0:
        assert carried / chain.mean_iteration_s == pytest.approx(chain.units_per_s, rel=1e-5)


def test_chain_is_md1_when_a_prompt_fills_the_budget():
    # One prompt = one iteration, engine idle without prompts: M/D/1. Mean TTFT by Pollaczek-Khinchine:
    # D + rho D/(2 (1 - rho)) = 0.1 (1 + 0.8/0.4) = 0.3.
    chain = solve_step_chain(8.0, ONE * 64.0, ONE, 64.0, lambda q: 0.1 + 0.0 * q, idle=1.0)
    law = finish_delay(chain, chain.in_units(ONE * 64.0, ONE))
    assert law.mean_s == pytest.approx(0.3, rel=2e-3)


def test_short_prompts_still_cost_an_iteration_of_their_own():
    # Any prompt at all lengthens the iteration (experts to load): 64 of 2048 tokens must not round to none.
    chain = solve_step_chain(1.0, ONE * 64.0, ONE, 2048.0, lambda q: np.where(q > 0, 0.007, 0.002), idle=1.0)
    assert chain.unit_tokens <= 64
    assert finish_delay(chain, chain.in_units(ONE * 64.0, ONE)).mean_s == pytest.approx(0.007, rel=0.01)


def test_formulas():
    assert colocated.prefill_share(4.0, 0.05) == pytest.approx(0.2)
    assert colocated.mean_tpot_s(0.012, 0.2) == pytest.approx(0.015)
    # M/G/1 with vacations, S' = 0.1 fixed, lam = 5: 5 x 0.01/(2 x 0.5) + 0.02/2
    assert colocated.mean_wait_s(5.0, 0.1, 0.01, 0.02) == pytest.approx(0.06)
    assert colocated.worst_itl_s(0.010, 0.025) == pytest.approx(0.035)
    assert colocated.chunked_prefill_s(1000, colocated.chunks_of(1000, 512), 5e-5, 0.01) == pytest.approx(
        0.07
    )
    with pytest.raises(UnstableError):
        colocated.mean_tpot_s(0.01, 1.0)
    with pytest.raises(UnstableError):
        colocated.mean_wait_s(10.0, 0.1, 0.01, 0.0)


def test_tpot_identity_for_an_affine_engine():
    # a + beta b with beta = 1e-4, lam G = 4 x 200, u = 0.2: slowed a', beta' = a/0.8, beta/0.8; phi = 0.1.
    # Mean TPOT (a' + beta')/(1 - phi) (negative binomial batch).
    s = colocated_station([chat(4.0)], MODEL, budget_tokens=512, step_factor=1.0)
    assert s.prefill_share == pytest.approx(0.2)
    assert s.mean_tpot_s == pytest.approx((0.01 + 1.25e-4) / 0.9, rel=1e-9)
    assert s.cheap_mean_tpot_s == pytest.approx(s.mean_tpot_s, rel=1e-6)
    assert s.mean_batch == pytest.approx(800 * s.mean_tpot_s, rel=1e-9)
    assert s.trust is Trust.APPROXIMATE
    assert s.itl.mean == pytest.approx(s.mean_tpot_s, rel=0.03)  # same engine seen from its gaps


def test_worst_itl_and_bracket():
    s = colocated_station([chat(4.0)], MODEL, budget_tokens=512, step_factor=1.0)
    b = s.typical_batch
    assert s.worst_itl_s == pytest.approx(0.008 + 1e-4 * b + 5e-5 * (512 - b), rel=1e-9)
    low, high = s.tpot_quantile_bounds_s(0.99)
    assert low == s.mean_tpot_s < high <= s.worst_itl_s * 1.1
    first = colocated_station(
        [chat(4.0)], MODEL, discipline="prefill_first", budget_tokens=8192, step_factor=1.0
    )
    assert first.worst_itl_s == pytest.approx(0.008 + 1e-4 * first.typical_batch + 0.058, rel=1e-9)
    assert first.worst_itl_s > s.worst_itl_s


def test_burst_mean_and_no_arrival():
    # E burst = t rho/(1 - rho); P(no burst) = e^{-lam t}
    values, weight = np.array([0.02, 0.08]), np.array([0.7, 0.3])
    h, pmf = gap_pmf(10.0, values, weight, 0.015)
    rho = 10 * 0.038
    assert h * (pmf @ np.arange(pmf.size)) == pytest.approx(0.015 * rho / (1 - rho), rel=1e-3)
    assert pmf[0] == pytest.approx(np.exp(-0.15), rel=1e-6)


def test_classes_instances_and_prefix_hits():
    short = ClassDemand("short", 4.0, ONE * 200.0, ONE * 100.0, ONE)
    long = ClassDemand("long", 2.0, ONE * 3000.0, ONE * 100.0, ONE)
    two = colocated_station([short, long], MODEL, instances=2, budget_tokens=1024)
    assert two.mean_ttft_s("short") < two.mean_ttft_s() < two.mean_ttft_s("long")
    mixed = (4 * two.mean_ttft_s("short") + 2 * two.mean_ttft_s("long")) / 6
    assert two.mean_ttft_s() == pytest.approx(mixed, rel=2e-3)
    assert sum(two.ttft_parts().values()) == pytest.approx(two.mean_ttft_s(), rel=1e-9)
    more = colocated_station([short, long], MODEL, instances=4, budget_tokens=1024)
    assert more.mean_ttft_s("long") < two.mean_ttft_s("long")
    assert more.mean_tpot_s < two.mean_tpot_s
    hit = ClassDemand("long", 2.0, ONE * 3000.0, ONE * 100.0, ONE, ONE * 2000.0)
    assert colocated_station([short, hit], MODEL, instances=2, budget_tokens=1024).mean_ttft_s(
        "long"
    ) < two.mean_ttft_s("long")
    with pytest.raises(InputError, match="did you mean short"):
        two.mean_ttft_s("shor")


def test_overload_and_bad_input():
    with pytest.raises(UnstableError, match="colocated"):
        colocated_station([chat(30.0)], MODEL, budget_tokens=512)
    with pytest.raises(UnstableError, match="batch would pass 8"):
        colocated_station([chat(4.0)], MODEL, budget_tokens=512, max_batch=8)
    with pytest.raises(UnstableError):
        colocated_station([chat(30.0)], MODEL, discipline="prefill_first", budget_tokens=8192)
    with pytest.raises(InputError, match="did you mean chunked"):
        colocated_station([chat(1.0)], MODEL, discipline="chunkd")  # type: ignore[arg-type]
    only_first = colocated_station([chat(2.0, output=1.0)], MODEL, budget_tokens=512)
    assert only_first.mean_ttft_s() > 0.05
    with pytest.raises(InputError, match="undefined"):
        _ = only_first.mean_tpot_s


@pytest.mark.slow
@pytest.mark.parametrize(
    ("discipline", "budget", "load"),
    [("chunked", 256, 0.5), ("chunked", 512, 0.7), ("chunked", 2048, 0.5), ("prefill_first", 8192, 0.5)],
)
def test_against_a_step_by_step_simulation(discipline, budget, load):
    # Limits are those that docs/validation/colocated.md claims for loads up to 0.7, and two points of noise.
    itl, ttft99 = (0.06, 0.10) if discipline == "chunked" else (0.14, 0.16)
    sys.path.insert(0, str(BENCHMARKS))
    from colocated_accuracy import cell

    c = cell(discipline, budget, load, 200_000)
    assert c["tpot"] == pytest.approx(c["tpot_sim"], rel=0.08)
    assert c["itl99"] == pytest.approx(c["itl99_sim"], rel=itl)
    assert c["ttft"] == pytest.approx(c["ttft_sim"], rel=0.07)
    assert c["ttft99"] == pytest.approx(c["ttft99_sim"], rel=ttft99)
