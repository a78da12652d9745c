"""The stationary law of decode against a step-by-step simulation (benchmarks/decode_sim.py), fixed seeds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pdplan.serving.decode import AffineStep, DecodeWork, StationaryBatch

A, BETA, G = 0.008, 5e-4, 100.0


@pytest.fixture(scope="module")
def sim() -> ModuleType:
    pytest.importorskip("numba", reason="the simulation takes minutes in plain Python")
    path = Path(__file__).parents[2] / "benchmarks" / "decode_sim.py"
    if not path.exists():
        pytest.skip("benchmarks/ is not in this distribution")
    spec = importlib.util.spec_from_file_location("decode_sim", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["decode_sim"] = module
    spec.loader.exec_module(module)
    return module


def outputs(kind: str, n: int, seed: int) -> Any:
    rng = np.random.default_rng([seed, 7])
    if kind == "fixed":
        return np.full(n, G)
    if kind == "geometric":
        return rng.geometric(1 / G, n).astype(float)
    sigma = np.log1p(2.0) ** 0.5  # SCV 2
    return np.maximum(1.0, np.round(rng.lognormal(np.log(G) - sigma**2 / 2, sigma, n)))


@pytest.mark.parametrize("kind", ["fixed", "geometric", "lognormal"])
@pytest.mark.parametrize(
    ("phi", "requests"), [(0.5, 400_000), pytest.param(0.8, 1_600_000, marks=pytest.mark.slow)]
)
def test_uncapped_without_kv_reads(sim: ModuleType, kind: str, phi: float, requests: int) -> None:
    """Mean TPOT within 1% and ITL p99 within 3% (issue: the decode station)."""
    steps = outputs(kind, requests, 1)
    rate = phi / (BETA * steps.mean())
    work = DecodeWork.from_lengths(np.zeros(requests), steps, np.full(requests, 1 / requests))
    law = StationaryBatch(rate, work, AffineStep(A, BETA))
    seen = sim.simulate(
        1, requests, rate, np.zeros(requests), steps, A, BETA, 0.0, typical_step_s=A / (1 - phi)
    )
    assert law.mean_tpot_s == pytest.approx(seen.mean_itl_s, rel=0.01)
    assert law.itl_quantile_s(0.99) == pytest.approx(seen.itl_quantile_s(0.99), rel=0.03)
    assert law.tpot_quantile_s(0.99) == pytest.approx(np.quantile(seen.tpot_s, 0.99), rel=0.05)
    assert law.join.mean_s == pytest.approx(seen.join_s.mean(), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fixed", "geometric", "lognormal"])
@pytest.mark.parametrize("load", [0.9, 0.95])
def test_admission_wait_where_it_matters(sim: ModuleType, kind: str, load: float) -> None:
    """Mean wait for a place within 25% where P(wait) > 2%."""
    requests, cap = 1_000_000, 32
    steps = outputs(kind, requests, 2)
    rate = load * cap / (steps.mean() * (A + BETA * cap))
    work = DecodeWork.from_lengths(np.zeros(requests), steps, np.full(requests, 1 / requests))
    law = StationaryBatch(rate, work, AffineStep(A, BETA), cap)
    seen = sim.simulate(
        2, requests, rate, np.zeros(requests), steps, A, BETA, 0.0, cap=cap, typical_step_s=A + BETA * cap
    )
    assert law.admission.wait_probability > 0.02
    assert law.admission.mean_s == pytest.approx(seen.wait_s.mean(), rel=0.25)
    assert law.mean_tpot_s == pytest.approx(seen.mean_itl_s, rel=0.01)


def test_kv_reads(sim: ModuleType) -> None:
    """Half the growth is KV reads, prompts of SCV 1: the mean is exact, p99 within 3%, KV mean within 1%."""
    requests = 400_000
    prompt, output = sim.lognormal_lengths(3, requests, 1000, 1.0, G, 1.0, 0.6)
    work = DecodeWork.from_lengths(prompt, output, np.full(requests, 1 / requests))
    gamma = 0.5 * BETA / work.mean_context
    rate = 0.5 / (BETA * work.mean_steps)
    law = StationaryBatch(rate, work, AffineStep(A, 0.5 * BETA, gamma, work.mean_context))
    seen = sim.simulate(3, requests, rate, prompt, output, A, 0.5 * BETA, gamma, typical_step_s=2 * A)
    assert law.mean_tpot_s == pytest.approx(seen.mean_itl_s, rel=0.005)
    assert law.itl_quantile_s(0.99) == pytest.approx(seen.itl_quantile_s(0.99), rel=0.03)
    assert law.kv.mean_tokens == pytest.approx(seen.mean_kv, rel=0.01)
    # the law that takes every context at its mean is further off
    plain = StationaryBatch(rate, work, AffineStep(A, BETA))
    assert plain.itl_quantile_s(0.99) < 0.97 * seen.itl_quantile_s(0.99)
