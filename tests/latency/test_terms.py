"""Each term against a count made another way."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from pdplan.latency import terms


@pytest.mark.parametrize("prompts", [(5,), (7, 1, 12)])
def test_causal_attention_is_the_sum_over_pairs(prompts: tuple[int, ...]) -> None:
    # Token i attends i + 1/2 others on average when the diagonal counts half: n^2 / 2 pairs, 2 d each twice.
    heads, dim = 3, 4
    pairs = sum(sum(i + 0.5 for i in range(n)) for n in prompts)
    flops = terms.prefill_attention_flops(sum(n * n for n in prompts), heads, dim, dim)
    assert flops == pytest.approx(2 * heads * (dim + dim) * pairs)


def test_cached_prefix_leaves_only_the_new_rows() -> None:
    new, cached = 6, 10
    pairs = sum(cached + i + 0.5 for i in range(new))
    squares = (new + cached) ** 2 - cached**2
    assert terms.prefill_attention_flops(squares, 1, 1, 1) == pytest.approx(2 * 2 * pairs)


@given(st.integers(1, 400), st.integers(1, 128))
def test_sliding_pairs_bound_the_exact_count(n: int, window: int) -> None:
    exact = sum(min(i + 0.5, window) for i in range(n))
    bound = float(terms.sliding_attention_tokens_sq(float(n * n), float(n), window)) / 2
    assert exact - 1e-9 <= bound <= exact + window**2 / 2 + window


def test_expert_hits_against_drawn_experts() -> None:
    rng = np.random.default_rng(7)
    experts, per_token, tokens, draws = 64, 6, 20, 4000
    hits = [
        len({e for _ in range(tokens) for e in rng.permutation(experts)[:per_token]}) / experts
        for _ in range(draws // 20)
    ]
    expected = float(terms.expert_hit_fraction(tokens, experts, per_token))
    assert np.mean(hits) == pytest.approx(expected, abs=4 * np.std(hits) / np.sqrt(len(hits)))


def test_theory_example_of_expert_hits() -> None:
    # B = 64, top-8 of 128: 98% of the experts are read.
    assert terms.expert_hit_fraction(64, 128, 8) == pytest.approx(0.98, abs=0.005)


@pytest.mark.parametrize("tp", [2, 3, 8])
def test_ring_all_reduce_counts_its_steps(tp: int) -> None:
    # A ring sends one of tp chunks in each of tp - 1 reduce-scatter and tp - 1 all-gather steps.
    tokens, hidden = 100, 64
    chunk = tokens * hidden * 2 / tp
    assert terms.all_reduce_bytes(tokens, hidden, 2, tp) == pytest.approx(2 * (tp - 1) * chunk)


def test_expressions_take_symbols() -> None:
    n, p, tp = sympy.symbols("n P tp", positive=True)
    assert terms.linear_flops(n, p) == 2 * n * p
    assert sympy.simplify(terms.all_reduce_bytes(n, 1, 1, tp) - 2 * n * (1 - 1 / tp)) == 0
    assert sympy.simplify(terms.expert_hit_fraction(1, 8, 2) - sympy.Rational(1, 4)) == 0
