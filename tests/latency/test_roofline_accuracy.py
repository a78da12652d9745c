"""The roofline against published measurements: what it promises, and the misses by name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from latency_shapes import A100, BLOOM, H100, LLAMA2_70B, OPT_13B, OPT_66B
from test_fitted import BATCHES, PROMPTS, PUBLISHED
from test_profile import SPLITWISE

from pdplan.latency import Roofline

ROOT = Path(__file__).parents[2]
MEASURED = ROOT.parent / "shared" / "data" / "measured"
MODELS = {"opt-13b": OPT_13B, "opt-66b": OPT_66B}

# Where the roofline misses DistServe's engine of 2024 by more than 35% (docs/validation/roofline.md): short
# prompts and TP 4 or 8, where that engine spends 12-25 ms a step on the host.
DISTSERVE_PREFILL_FROM = {
    ("opt-13b", 1): 256,
    ("opt-13b", 2): 512,
    ("opt-13b", 4): 1024,
    ("opt-66b", 2): 256,
    ("opt-66b", 3): 256,
    ("opt-66b", 4): 512,
    ("opt-66b", 8): 1024,
}
DISTSERVE_DECODE_MISSES = {("opt-13b", 4), ("opt-66b", 8)}
# Splitwise's engine of 2023 runs without CUDA graphs: decode of Llama-2-70B at TP 8 takes 4 times the bytes.
SPLITWISE_DECODE_MISSES = {"llama2-70b-a100", "llama2-70b-h100"}
SPLITWISE_PREFILL_FROM = {
    "llama2-70b-a100": 256,
    "llama2-70b-h100": 256,
    "bloom-176b-a100": 128,
    "bloom-176b-h100": 128,
}


@pytest.mark.parametrize(("name", "tp"), PUBLISHED)
def test_distserve_within_35_percent(name: str, tp: int) -> None:
    model = Roofline(MODELS[name], A100, tp=tp)
    prefill_ms, decode_ms = PUBLISHED[name, tp]
    for n, ms in zip(PROMPTS, prefill_ms, strict=True):
        error = float(model.prefill_step_s(float(n), float(n) ** 2)) * 1e3 / ms - 1
        assert (abs(error) < 0.35 or n == 512) if n >= DISTSERVE_PREFILL_FROM[name, tp] else error < 0
    errors = [
        float(model.decode_step_s(b, b * 512.0)) * 1e3 / ms - 1
        for b, ms in zip(BATCHES, decode_ms, strict=True)
    ]
    limit = 0.5 if (name, tp) in DISTSERVE_DECODE_MISSES else 0.35
    assert np.abs(errors).max() < limit


@pytest.mark.parametrize("name", SPLITWISE)
def test_splitwise_within_60_percent(name: str) -> None:
    shape, device = (LLAMA2_70B if "llama" in name else BLOOM), (A100 if "a100" in name else H100)
    model = Roofline(shape, device, tp=8)
    prefill, decode = SPLITWISE[name]
    for n, ms in prefill.items():
        error = float(model.prefill_step_s(float(n), float(n) ** 2)) * 1e3 / ms - 1
        assert abs(error) < 0.6 or n < SPLITWISE_PREFILL_FROM[name]
    errors = np.array([float(model.decode_step_s(b, b * 576.0)) * 1e3 / ms - 1 for b, ms in decode.items()])
    if name in SPLITWISE_DECODE_MISSES:
        assert (errors < -0.6).all()
    else:
        assert (np.abs(errors) < 0.6).all()


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "roofline_accuracy", ROOT / "benchmarks" / "roofline_accuracy.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not MEASURED.is_dir(), reason="the measured rows are not part of the repository")
def test_three_of_four_modern_sources_within_25_percent() -> None:
    bench = benchmark()
    rows = [
        *bench.prefill_rows(MEASURED / "measured_prefill.csv"),
        *bench.decode_rows(MEASURED / "measured_decode.csv"),
    ]
    median = {
        (group, phase): float(np.median([abs(r.error) for r in rows if (r.group, r.phase) == (group, phase)]))
        for group, phase in {(r.group, r.phase) for r in rows if r.group.startswith(bench.MODERN)}
    }
    assert len(median) == 4
    assert sum(m < 0.25 for m in median.values()) >= 3
    # The named miss: Qwen3-8B at TP 8 through vLLM's proxy, where the host dominates.
    assert max(median, key=lambda k: median[k])[0].startswith("mooncake Qwen3-8B")
    assert "| dynamo" in bench.report(rows)


# Rows of the same sources, so that the promise is tested without the files: NVIDIA Dynamo profiler,
# Llama-3.1-8B FP8 on H200 (tests/planner/profiling_results/H200_TP1P_TP1D): TTFT over HTTP at concurrency
# 1, and mean inter-token latency of B sequences of L tokens.
DYNAMO_TTFT_MS = {4168: 87.34, 8236: 171.03, 12304: 262.46, 16372: 375.48}
DYNAMO_ITL_MS = {(94.446, 2997): 15.48, (234.992, 2997): 31.80, (53.903, 8291): 19.83, (44.098, 13585): 23.54}


def test_dynamo_rows() -> None:
    bench = benchmark()
    shape, dtype = bench.SHAPES["nvidia/Llama-3.1-8B-Instruct-FP8"]
    model = Roofline(shape, bench.DEVICES["H200-SXM-141GB"], weights_dtype=dtype)
    for n, ms in DYNAMO_TTFT_MS.items():
        ttft = float(model.request_overhead_s(n) + model.prefill_step_s(float(n), float(n) ** 2))
        assert ttft * 1e3 == pytest.approx(ms, rel=0.25)
    for (batch, context), ms in DYNAMO_ITL_MS.items():
        assert float(model.decode_step_s(batch, batch * context)) * 1e3 == pytest.approx(ms, rel=0.25)
