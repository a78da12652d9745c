"""Fits of step times: known coefficients come back, and what the points cannot say is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency.fitting.points import decode_steps, prefill_steps
from pdplan.latency.fitting.regimes import fit_one
from pdplan.latency.fitting.robust import robust_nonnegative
from pdplan.latency.fitting.speedup import speedups
from pdplan.latency.fitting.steps import fit_decode, fit_prefill
from pdplan.latency.fitting.terms import told_apart
from pdplan.latency.fitting.validate import left_out_errors
from pdplan.latency.measured import DecodePoint, PrefillPoint

LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
GRID = [(b, c) for b in (1, 2, 4, 8, 16, 32, 64) for c in (256, 1024, 4096)]


def prefill(a: float, b: float, c: float) -> list[PrefillPoint]:
    return [PrefillPoint(n, a + b * n + c * n * n) for n in LENGTHS]


def decode(a: float, b: float, c: float) -> list[DecodePoint]:
    return [DecodePoint(n, ctx, a + b * n + c * n * ctx) for n, ctx in GRID]


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-3, 0.1), st.floats(1e-5, 1e-3), st.floats(1e-10, 1e-7))
def test_prefill_comes_back_without_noise(a: float, b: float, c: float) -> None:
    fit = fit_prefill(prefill(a, b, c))
    assert fit.regimes.coefficients[0] == pytest.approx([a, b, c], rel=1e-6)
    assert fit.cross_validated is not None
    assert fit.cross_validated.largest < 1e-6


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-3, 0.05), st.floats(1e-6, 1e-3), st.floats(1e-9, 1e-6))
def test_decode_comes_back_without_noise(a: float, b: float, c: float) -> None:
    fit = fit_decode(decode(a, b, c))
    assert len(fit.regimes.coefficients) == 1
    assert fit.regimes.coefficients[0] == pytest.approx([a, b, c], rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, len(GRID) - 1), st.sampled_from([0.1, 0.5, 2.0, 10.0]))
def test_one_wrong_time_does_not_move_the_fit(which: int, factor: float) -> None:
    """Least squares would: a step of 16.6 ms timed as 166 ms shifts its intercept by several ms."""
    points = decode(0.01, 2e-4, 1e-7)
    wrong = points[which]
    points[which] = DecodePoint(wrong.batch, wrong.context_tokens, wrong.seconds * factor)
    fit = fit_one(decode_steps(points))
    assert fit.coefficients[0] == pytest.approx([0.01, 2e-4, 1e-7], rel=0.01)


@pytest.mark.slow
def test_noise_is_averaged_and_cross_validation_sees_its_size() -> None:
    """Normal errors of 3%: the median of their absolute values is 0.6745 x 3% = 2.02%.

    A point left out adds the fit's own error, sqrt(1 + 3/n) ~ 1.035 with 42 points. Over 20 draws the mean of
    the medians has a standard deviation near 2.02% x 1.17/sqrt(42 x 20), 0.08%: four of these are allowed.
    """
    rng = np.random.default_rng(5)
    medians, found = [], []
    for _ in range(20):
        grid = [(b, c * s) for b, c in GRID for s in (1.0, 1.5)]
        noise = 1 + 0.03 * rng.standard_normal(len(grid))
        points = [
            DecodePoint(b, c, (0.01 + 2e-4 * b + 1e-7 * b * c) * e)
            for (b, c), e in zip(grid, noise, strict=True)
        ]
        steps = decode_steps(points)
        errors = left_out_errors(steps, lambda seen, asked: fit_one(seen).predict(asked))
        medians.append(float(np.median(np.abs(errors))))
        found.append(fit_one(steps).coefficients[0])
    assert np.mean(medians) == pytest.approx(0.0202 * 1.035, abs=0.0033)
    assert np.mean(found, axis=0) == pytest.approx([0.01, 2e-4, 1e-7], rel=0.02)


def test_cross_validation_does_not_see_the_point_it_judges() -> None:
    """The one long prompt takes twice the quadratic's time: from the others it is predicted at half."""
    points = prefill(0.0, 1e-4, 0.0)
    points[-1] = PrefillPoint(8192, 2 * 8192e-4)
    fit = fit_prefill(points)
    assert fit.left_out is not None
    assert fit.left_out[-1] == pytest.approx(-0.5, abs=0.01)


def test_repeats_are_one_operating_point() -> None:
    points = [PrefillPoint(n, t) for n, t in ((100, 0.1), (100.5, 0.3), (100, 0.2), (500, 1.0))]
    steps = prefill_steps(points)
    assert steps.measured_s.tolist() == [0.2, 1.0]
    assert steps.repeats.tolist() == [3, 1]


def test_contexts_all_alike_are_named() -> None:
    fit = fit_decode([DecodePoint(b, 350, 0.01 + 1e-4 * b) for b in (1, 8, 32, 64)])
    assert fit.regimes.coefficients[0] == pytest.approx([0.01, 1e-4, 0.0], rel=1e-6)
    assert any("contexts were all 350 tokens: the KV term cannot be told" in n for n in fit.notes)
    assert fit.ranges["context_tokens"] == (350, 350)


def test_contexts_that_move_with_the_batch_are_named() -> None:
    """B x context is 8192 everywhere: a constant, which the fixed term is already."""
    fit = fit_decode([DecodePoint(b, 8192 / b, 0.01 + 1e-4 * b) for b in (1, 2, 4, 8, 16)])
    assert told_apart(fit.steps) == (0, 1)
    assert any("moved together" in n for n in fit.notes)


def test_one_batch_is_named() -> None:
    fit = fit_decode([DecodePoint(8, c, 0.01 + 1e-7 * 8 * c) for c in (100, 1000, 10_000, 50_000)])
    assert any(n.startswith("one batch size only (8)") for n in fit.notes)
    assert fit.time_s(8, 20_000) == pytest.approx(0.01 + 1e-7 * 160_000, rel=1e-6)


def test_unknown_contexts_are_named() -> None:
    fit = fit_decode([DecodePoint(b, None, 0.01 + 1e-4 * b) for b in (1, 8, 32)])
    assert any(n.startswith("contexts are not said") for n in fit.notes)
    assert set(fit.ranges) == {"batch"}


def test_few_prompt_lengths_are_named() -> None:
    one = fit_prefill([PrefillPoint(1000, 0.1)])
    two = fit_prefill([PrefillPoint(n, 0.01 + 1e-4 * n) for n in (500, 1000)])
    assert any(n.startswith("one prompt length only (1,000 tokens)") for n in one.notes)
    assert one.time_s(2000, 0) == pytest.approx(0.2)
    assert one.cross_validated is None
    assert any("quadratic term cannot be told" in n for n in two.notes)
    assert two.regimes.coefficients[0] == pytest.approx([0.01, 1e-4, 0.0], rel=1e-6)


def test_points_as_many_as_terms_have_no_known_error() -> None:
    fit = fit_prefill([PrefillPoint(n, 0.01 + 1e-4 * n + 1e-8 * n * n) for n in (128, 1024, 8192)])
    assert fit.cross_validated is None
    assert any("its error is not known" in n for n in fit.notes)


def test_a_term_that_is_noise_is_called_uncertain() -> None:
    rng = np.random.default_rng(2)
    points = [DecodePoint(p.batch, p.context_tokens, p.seconds * (1 + 0.05 * rng.standard_normal()))
              for p in decode(0.03, 5e-4, 1e-9)]  # fmt: skip
    notes = fit_decode(points).notes
    assert any("the KV term is uncertain" in n or "the KV term came out at 0" in n for n in notes)


@pytest.mark.slow
def test_two_regimes_where_the_data_have_two() -> None:
    """DistServe's OPT-13B on A100, TP 1: another line from batch 95 on (published fits)."""
    low, high = (19.93e-3, 0.0385e-3, 0.627e-6), (7.166e-3, 0.1583e-3, 0.58e-6)
    points = []
    for b in (1, 8, 16, 32, 64, 90, 95, 112, 128, 160, 192):
        a, s, k = low if b < 95 else high
        points += [DecodePoint(b, c, a + s * b + k * b * c) for c in (128, 512)]
    fit = fit_decode(points)
    assert fit.regimes.from_batch == (0.0, 95.0)
    assert fit.regimes.coefficients[0] == pytest.approx(low, rel=1e-3)
    assert fit.regimes.coefficients[1] == pytest.approx(high, rel=1e-3)
    assert any(n.startswith("two regimes: from batch 95") for n in fit.notes)


@pytest.mark.slow
def test_noise_does_not_make_two_regimes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        points = [DecodePoint(p.batch, p.context_tokens, p.seconds * (1 + 0.03 * rng.standard_normal()))
                  for p in decode(0.01, 2e-4, 1e-7)]  # fmt: skip
        assert len(fit_decode(points).regimes.coefficients) == 1


def test_prefill_with_cached_tokens() -> None:
    """n new of n + c tokens: a + b n + k ((n + c)^2 - c^2)."""
    points = [PrefillPoint(n, 0.01 + 1e-4 * (n - c) + 1e-8 * (n**2 - c**2), cached_tokens=c)
              for n in (512, 2048, 8192) for c in (0, 256)]  # fmt: skip
    assert fit_prefill(points).regimes.coefficients[0] == pytest.approx([0.01, 1e-4, 1e-8], rel=1e-6)


def test_speedup_between_tps() -> None:
    """K(n) = (10 + n/10) / (8 + n/16) in ms: at 8192 tokens 829.2/520 = 1.5946."""
    slow = fit_prefill([PrefillPoint(n, 0.010 + 1e-4 * n) for n in LENGTHS])
    fast = fit_prefill([PrefillPoint(n, 0.008 + 6.25e-5 * n, tp=2) for n in LENGTHS])
    found = speedups({(1, 1): slow, (2, 1): fast})
    assert [(s.low, s.high, s.at["prompt_tokens"]) for s in found] == [
        (1, 2, 128.0),
        (1, 2, 1024.0),
        (1, 2, 8192.0),
    ]
    assert found[-1].ratio == pytest.approx(829.2 / 520, rel=1e-4)


@pytest.mark.parametrize("seconds", [0.0, -0.1, float("nan"), float("inf")])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="time of a prefill step"):
        fit_prefill([PrefillPoint(100, seconds)])
    with pytest.raises(InputError, match="time of a decode step"):
        fit_decode([DecodePoint(1, 100, seconds)])


@pytest.mark.parametrize("batch", [0.0, -1.0, float("nan")])
def test_impossible_batches_are_refused(batch: float) -> None:
    with pytest.raises(InputError, match="batch of a decode step"):
        fit_decode([DecodePoint(batch, 100, 0.1)])


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(InputError, match="no prefill step"):
        fit_prefill([])
    with pytest.raises(InputError, match="at least one token must be new"):
        fit_prefill([PrefillPoint(100, 0.1, cached_tokens=100)])


def test_coefficients_are_never_negative() -> None:
    """Times that fall with the batch: the slope stops at 0, the level is their middle."""
    found = robust_nonnegative(
        np.stack([np.ones(4), np.arange(1.0, 5.0)], axis=1), np.array([4.0, 3.0, 3.0, 2.0])
    )
    assert found[1] == 0
    assert found[0] == pytest.approx(3.0, rel=0.05)
