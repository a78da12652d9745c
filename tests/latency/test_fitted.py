"""DistServe's published fits, to the values of its own formula, and how regimes join."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency import DecodeFit, Fitted, PrefillFit, load_profile

LATENCY = Path(__file__).parents[2] / "models" / "latency"
PROMPTS = (128, 256, 512, 1024, 2048)
BATCHES = (1, 8, 16, 32, 64, 94, 128)

# github.com/LLMServe/DistServe@82831f1 profiler-a100-80g.distserve.json, evaluated with its formula
# prefill = a + b sum(l) + c sum(l^2), decode = a + b sum(ctx) + c B at contexts of 512 tokens, in ms.
PUBLISHED = {
    ("opt-13b", 1): (
        (31.264, 44.659, 72.149, 129.929, 256.692),
        (20.294, 22.811, 25.687, 31.439, 42.943, 53.728, 65.428),
    ),
    ("opt-13b", 2): (
        (23.561, 32.459, 50.497, 87.535, 165.463),
        (13.532, 15.196, 17.096, 20.898, 28.501, 35.629, 42.036),
    ),
    ("opt-13b", 4): (
        (16.945, 21.845, 31.697, 51.606, 92.245),
        (10.385, 11.287, 12.318, 14.38, 18.505, 22.371, 27.549),
    ),
    ("opt-66b", 2): (
        (78.528, 114.735, 189.357, 347.44, 698.96),
        (48.898, 53.169, 58.049, 67.81, 87.333, 105.635, 97.734),
    ),
    ("opt-66b", 3): (
        (58.246, 83.893, 136.387, 246.175, 484.949),
        (36.196, 38.958, 42.114, 48.427, 61.052, 72.887, 84.461),
    ),
    ("opt-66b", 4): (
        (48.951, 68.733, 109.114, 193.148, 374.297),
        (31.055, 33.118, 35.475, 40.19, 49.62, 58.46, 69.967),
    ),
    ("opt-66b", 8): (
        (39.19, 53.0, 80.955, 138.196, 258.014),
        (23.319, 24.469, 25.782, 28.409, 33.663, 38.589, 57.839),
    ),
}


@pytest.mark.parametrize(("model", "tp"), PUBLISHED)
def test_distserve_fits(model: str, tp: int) -> None:
    fit = load_profile(LATENCY / f"distserve-{model}-a100.yaml").model(tp)
    prefill_ms, decode_ms = PUBLISHED[model, tp]
    n, b = np.array(PROMPTS, dtype=float), np.array(BATCHES, dtype=float)
    assert fit.prefill_step_s(n, n**2) * 1e3 == pytest.approx(prefill_ms, rel=1e-4)
    assert fit.decode_step_s(b, b * 512) * 1e3 == pytest.approx(decode_ms, rel=1e-4)
    assert [float(fit.decode_step_s(x, x * 512)) for x in BATCHES] == pytest.approx(
        fit.decode_step_s(b, b * 512)
    )


def test_regimes_change_at_95_and_may_jump_down() -> None:
    fit = load_profile(LATENCY / "distserve-opt-66b-a100.yaml").model(2)
    below, above = fit.decode_step_s(np.array([94.0, 95.0]), np.array([94.0, 95.0]) * 512)
    assert below > above


def test_engine_overhead_of_the_published_simulator() -> None:
    # 2 ms + 0.0001 ms per prompt token, or per context token in decode.
    profile = load_profile(LATENCY / "distserve-opt-13b-a100.yaml")
    bare, engine = profile.model(1), profile.engine_model(1)
    added = engine.prefill_step_s(1000, 1e6) - bare.prefill_step_s(1000, 1e6)
    assert added == pytest.approx(2e-3 + 1000 * 1e-7)
    added = engine.decode_step_s(10, 5000) - bare.decode_step_s(10, 5000)
    assert added == pytest.approx(2e-3 + 5000 * 1e-7)


FIT = Fitted(
    PrefillFit(0.02, 1e-4, 1e-9),
    (DecodeFit(0.02, 1e-4, 1e-7), DecodeFit(0.01, 2e-4, 1e-7, from_batch=95)),
    (1, 8192),
    (1, 256),
    "test",
)


@given(st.floats(0, 300), st.floats(0, 1e6), st.floats(0, 8192))
def test_mixed_step_lies_between_the_longer_and_the_sum(b: float, context: float, chunk: float) -> None:
    decode, prefill = float(FIT.decode_step_s(b, context)), float(FIT.prefill_step_s(chunk, chunk**2))
    mixed = FIT.mixed_step_s(b, context, chunk, chunk**2)
    if b > 0 and chunk > 0:
        assert max(decode, prefill) <= mixed + 1e-12
        assert mixed <= decode + prefill + 1e-12


def test_mixed_step_without_a_chunk_is_a_decode_step() -> None:
    b = np.array([1.0, 50.0, 120.0])
    assert FIT.mixed_step_s(b, b * 100, 0.0, 0.0) == pytest.approx(FIT.decode_step_s(b, b * 100))
    assert FIT.mixed_step_s(0.0, 0.0, 512.0, 512.0**2) == pytest.approx(FIT.prefill_step_s(512.0, 512.0**2))


@pytest.mark.parametrize("starts", [(), (1,), (0, 95, 40)])
def test_regimes_must_cover_every_batch(starts: tuple[int, ...]) -> None:
    regimes = tuple(DecodeFit(0.01, 1e-4, from_batch=s) for s in starts)
    with pytest.raises(InputError, match="must start at 0"):
        Fitted(PrefillFit(0.02, 1e-4), regimes, (1, 10), (1, 10), "test")
