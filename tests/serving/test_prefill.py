"""DistServe's prefill equations and throughput within a TTFT target."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, InputError, UnstableError
from pdplan.queueing import MD1
from pdplan.serving.prefill import (
    effective_prefill_throughput,
    effective_prefill_throughput_percentile,
    interop_crossover_rate,
    mean_ttft_inter_op_s,
    mean_ttft_intra_op_s,
    mean_ttft_s,
    smallest_ttft_s,
    wait_percentile_intra_op_s,
)

D = 0.2


def test_equation_1_is_the_md1_law() -> None:
    law = MD1(4.0, D)
    assert mean_ttft_s(4.0, D) == pytest.approx(law.mean_response_s, rel=1e-12)


def test_equation_3_is_a_faster_md1() -> None:
    law = MD1(4.0, D / 1.5)
    assert mean_ttft_intra_op_s(4.0, D, 1.5) == pytest.approx(law.mean_response_s, rel=1e-12)


def test_equation_2_against_a_tandem_simulated() -> None:
    """Two deterministic stages in a row by their recursion; 200,000 requests, seed 3."""
    rng = np.random.default_rng(3)
    arrive = np.cumsum(rng.exponential(1 / 6.0, 200_000))
    stage = D / 2
    k = np.arange(arrive.size)
    leave_first = stage * (k + 1) + np.maximum.accumulate(arrive - stage * k)
    leave_second = stage * (k + 1) + np.maximum.accumulate(leave_first - stage * k)
    ttft = leave_second - arrive
    batches = ttft[: 20 * 10_000].reshape(20, -1).mean(axis=1)
    half_width = 2.86 * batches.std(ddof=1) / 20**0.5  # Student, 19 degrees of freedom, 99%
    assert mean_ttft_inter_op_s(6.0, D) == pytest.approx(ttft.mean(), abs=half_width)
    assert half_width < 0.02 * ttft.mean()


@pytest.mark.parametrize(("speedup", "stages"), [(1.5, 2), (1.2, 2), (1.9, 2), (3.1, 4), (1.01, 8)])
def test_crossover_is_where_the_equations_meet(speedup: float, stages: int) -> None:
    rate = interop_crossover_rate(D, speedup, stages)
    pipeline = mean_ttft_inter_op_s(rate, D, stages)
    tensor = mean_ttft_intra_op_s(rate, D, speedup)
    assert pipeline == pytest.approx(tensor, rel=1e-9)
    assert mean_ttft_inter_op_s(0.99 * rate, D, stages) > mean_ttft_intra_op_s(0.99 * rate, D, speedup)
    assert mean_ttft_inter_op_s(1.005 * rate, D, stages) < mean_ttft_intra_op_s(1.005 * rate, D, speedup)


def test_crossover_number_and_ends() -> None:
    assert interop_crossover_rate(0.2, 1.5) == pytest.approx(4.680, abs=5e-4)
    assert interop_crossover_rate(0.2, 1.0) == 0.0
    assert interop_crossover_rate(0.2, 2.0) == pytest.approx(2 / 0.2)
    with pytest.raises(InputError, match=r"speedup is 2\.5 over 2 devices"):
        interop_crossover_rate(0.2, 2.5)


def test_sympy_proves_the_special_cases() -> None:
    r, d, k = sympy.symbols("R D K", positive=True)
    assert sympy.simplify(mean_ttft_intra_op_s(r, d, 1) - mean_ttft_s(r, d)) == 0
    assert sympy.simplify(mean_ttft_inter_op_s(r, d, 1) - mean_ttft_s(r, d)) == 0
    # the two-stage form as the paper prints it
    assert sympy.simplify(mean_ttft_inter_op_s(r, d) - (d + r * d**2 / (4 * (2 - r * d)))) == 0
    assert sympy.limit(mean_ttft_intra_op_s(r, d, k), r, 0) == d / k
    x = interop_crossover_rate(d, k)
    gap = mean_ttft_inter_op_s(x, d) - mean_ttft_intra_op_s(x, d, k)
    assert abs(sympy.N(gap.subs({d: sympy.Rational(1, 5), k: sympy.Rational(3, 2)}), 30)) < 1e-25


def test_percentiles_scale() -> None:
    """q_p(R; D, K) = (D/K) q_p(rho): the unit law scaled, against the law built in seconds."""
    rate, speedup, p = 5.0, 1.5, np.array([0.5, 0.9, 0.99, 0.999])
    unit = MD1(rate * D / speedup, 1.0).wait_quantile_s(p)
    direct = MD1(rate, D / speedup).wait_quantile_s(p)
    assert np.allclose(wait_percentile_intra_op_s(unit, D, speedup), direct, rtol=1e-9)


@given(rate=st.floats(0.01, 4.9), faster=st.floats(1.0, 3.0))
def test_monotone(rate: float, faster: float) -> None:
    assert mean_ttft_s(rate, D) >= D
    assert mean_ttft_s(rate * 1.01, D) >= mean_ttft_s(rate, D)
    assert mean_ttft_intra_op_s(rate, D, faster) <= mean_ttft_s(rate, D) * (1 + 1e-12)
    # scale invariance: seconds or milliseconds
    assert mean_ttft_s(rate / 1000, D * 1000) == pytest.approx(1000 * mean_ttft_s(rate, D))


def test_unstable_is_refused() -> None:
    with pytest.raises(UnstableError):
        mean_ttft_s(5.0, D)
    with pytest.raises(UnstableError):
        mean_ttft_inter_op_s(10.0, D)
    with pytest.raises(UnstableError):
        mean_ttft_intra_op_s(np.array([1.0, 7.6]), D, 1.5)


def test_throughput_is_the_mm1_response_inverted() -> None:
    """At the answer, the M/M/1 response 1/(mu - lam) plus overhead is the target."""
    top, prompt, ttft, overhead = 28309.0, 6144.0, 2.0, 0.1
    lam = effective_prefill_throughput(top, prompt, ttft, overhead) / prompt
    assert overhead + 1 / (top / prompt - lam) == pytest.approx(ttft)
    lam = effective_prefill_throughput_percentile(top, prompt, ttft, 0.99, overhead) / prompt
    assert overhead - np.log(0.01) / (top / prompt - lam) == pytest.approx(ttft)


def test_target_below_the_bare_prefill_is_infeasible() -> None:
    bare = smallest_ttft_s(28309, 6144, 0.1)
    for ttft in (bare, bare * 0.95, 0.1, 0.05):
        with pytest.raises(InfeasibleError, match="cannot be met at any rate"):
            effective_prefill_throughput(28309, 6144, ttft, 0.1)
    assert effective_prefill_throughput(28309, 6144, bare * 1.001, 0.1) > 0
    with pytest.raises(InfeasibleError):
        effective_prefill_throughput_percentile(28309, 6144, 1.0, 0.99, 0.1)
    with pytest.raises(InfeasibleError):
        effective_prefill_throughput(28309, 6144, np.array([2.0, 0.2]), 0.1)


def test_throughput_takes_symbols() -> None:
    t, n, x, o = sympy.symbols("t n x o", positive=True)
    assert effective_prefill_throughput(t, n, x, o) == t - n / (x - o)
