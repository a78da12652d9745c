"""Every profile of the catalog loads quickly, and documents with mistakes are refused by name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.latency import LatencyModel, LatencyProfile, load_profile

LATENCY = Path(__file__).parents[2] / "models" / "latency"
PROFILES = sorted(LATENCY.glob("*.yaml"))
# github.com/Mutinifni/splitwise-sim@8f99e7d data/perf_model.csv, medians at tp 8, batch 1 prefill; decode at
# 512 prompt and 128 output tokens (mean context 576), batches 1 to 64. In ms.
SPLITWISE = {
    "llama2-70b-a100": (
        {128: 65.35, 256: 66.76, 512: 93.02, 1024: 154.46, 2048: 274.22, 4096: 661.22, 8192: 1549.82},
        {1: 45.03, 2: 44.56, 4: 45.79, 8: 46.47, 16: 50.44, 32: 53.02, 64: 71.61},
    ),
    "llama2-70b-h100": (
        {128: 58.19, 256: 51.66, 512: 53.86, 1024: 77.91, 2048: 136.8, 4096: 390.29, 8192: 844.89},
        {1: 30.56, 2: 30.26, 4: 31.79, 8: 32.5, 16: 34.17, 32: 38.62, 64: 50.16},
    ),
    "bloom-176b-a100": (
        {128: 79.67, 256: 99.16, 512: 174.38, 1024: 289.19, 2048: 540.41, 4096: 1348.17, 8192: 3593.17},
        {1: 49.31, 2: 49.99, 4: 51.0, 8: 52.95, 16: 57.34, 32: 65.38, 64: 96.58},
    ),
    "bloom-176b-h100": (
        {128: 48.28, 256: 51.18, 512: 76.14, 1024: 132.62, 2048: 253.11, 4096: 688.7, 8192: 1535.4},
        {1: 36.17, 2: 36.91, 4: 38.06, 8: 38.14, 16: 40.64, 32: 45.84, 64: 63.82},
    ),
}


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_catalog_profile(path: Path) -> None:
    profile = load_profile(path)
    assert profile.name == path.stem
    assert "https://" in profile.source
    for tp, pp in profile.degrees:
        model = profile.model(tp, pp)
        assert isinstance(model, LatencyModel)
        n = np.linspace(1, min(model.prefill_range[1], 16_000), 50)
        b = np.linspace(1, model.decode_range[1], 50)
        assert (np.diff(model.prefill_step_s(n, n**2)) > 0).all()
        assert (model.decode_step_s(b, b * 500) > 0).all()
        with pytest.raises(InputError, match="it was measured at"):
            profile.model(64, 1)


@pytest.mark.speed
def test_loading_takes_milliseconds() -> None:
    def once(path: Path) -> float:
        start = time.perf_counter()
        load_profile(path)
        return time.perf_counter() - start

    assert max(min(once(p) for _ in range(5)) for p in PROFILES) < 0.010


@pytest.mark.parametrize("name", SPLITWISE)
def test_splitwise_fits_hold_their_stated_errors(name: str) -> None:
    model = load_profile(LATENCY / f"splitwise-{name}.yaml").model(8)
    prefill, decode = SPLITWISE[name]
    errors = [abs(float(model.prefill_step_s(n, n * n)) * 1e3 / ms - 1) for n, ms in prefill.items()]
    assert np.median(errors) < 0.11
    assert max(errors) < 0.21
    errors = [abs(float(model.decode_step_s(b, b * 576)) * 1e3 / ms - 1) for b, ms in decode.items()]
    assert np.median(errors) < 0.05
    assert max(errors) < 0.07


def test_dynamo_points() -> None:
    # Dynamo profiler, H200_TP1P_TP1D: TTFT 19.5 and 375.5 ms at 100 and 16372 tokens; ITL 4.38 ms at one
    # sequence, 33.7 ms at 106 sequences of 8291 tokens.
    profile = load_profile(LATENCY / "dynamo-llama-3.1-8b-fp8-h200.yaml")
    model = profile.model(1)
    assert float(model.prefill_step_s(100, 100**2)) == pytest.approx(0.0195, rel=0.1)
    assert float(model.prefill_step_s(16372, 16372**2)) == pytest.approx(0.3755, rel=0.1)
    assert float(model.decode_step_s(0.994, 350)) == pytest.approx(0.00438, rel=0.1)
    assert float(model.decode_step_s(106.44, 106.44 * 8291)) == pytest.approx(0.03372, rel=0.1)
    assert profile.kv_capacity_tokens(1) == model.kv_capacity_tokens == 945029


def document(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "mine",
        "model": "llama-3.1-8b",
        "accelerator": "h100-sxm-80gb",
        "engine": "vLLM",
        "weights_dtype": "bf16",
        "kv_dtype": "bf16",
        "variants": [
            {
                "tp": 1,
                "prefill_ms": {"fixed": 12, "per_token": 0.05},
                "decode_ms": [{"fixed": 8, "per_sequence": 0.1}],
                "prefill_tokens_range": [128, 8192],
                "decode_batch_range": [1, 64],
            }
        ],
    }
    return {k: v for k, v in (base | changes).items() if v is not None}


def variant(**changes: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in (document()["variants"][0] | changes).items() if v is not None}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": "x"}, "unknown key 'modle'; did you mean model"),
        ({"model": None}, "model is missing"),
        ({"variants": None}, "variants is missing"),
        ({"variants": variant(prefil_ms={})}, "unknown key 'prefil_ms'; did you mean prefill_ms"),
        ({"variants": variant(decode_ms=None)}, "decode_ms is missing"),
        ({"variants": variant(tp="two")}, "tp is 'two': it must be a number"),
        ({"variants": variant(tp=0)}, "whole number of at least 1"),
        ({"variants": variant(tp=1) * 2}, "appears twice"),
        ({"variants": variant(decode_batch_range=[64, 1])}, "give .lowest, highest."),
        ({"variants": variant(prefill_ms={"fixed": True, "per_token": 1})}, "fixed is True"),
        ({"variants": variant(prefill_ms={"fixed": -1, "per_token": 1})}, "prefill.fixed_s is -0.001"),
        ({"variants": ["tp 1"]}, "tp is missing"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyProfile.from_document(document(**changes))


def test_tabulated_document() -> None:
    entry = {
        "tp": 2,
        "prefill_table": {"tokens": [128, 1024], "step_ms": [10, 60]},
        "decode_tables": [{"batch": [1, 32], "step_ms": [8, 12]}],
    }
    model = LatencyProfile.from_document(document(variants=[entry])).engine_model(2)
    assert float(model.prefill_step_s(576, 0)) == pytest.approx(0.035)
    assert float(model.decode_step_s(32, 0)) == pytest.approx(0.012)


def test_files_that_are_no_profiles(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    with pytest.raises(InputError, match="No such file"):
        load_profile(path)
    path.write_text("a: [1")
    with pytest.raises(InputError, match="is not YAML"):
        load_profile(path)
    path.write_text("- 1\n")
    with pytest.raises(InputError, match="must be a mapping"):
        load_profile(path)
