"""DistServe's measured runs through the engine, held to the limits that were set beforehand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pdplan.latency.parameters import kv_bytes_per_token
from pdplan.spec import load_model

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "measured" / "distserve_opt13b_a100.csv"


@pytest.fixture(scope="module")
def replay() -> ModuleType:
    path = ROOT / "benchmarks" / "distserve_replay.py"
    if not path.exists():
        pytest.skip("benchmarks/ is not in this distribution")
    spec = importlib.util.spec_from_file_location("distserve_replay", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["distserve_replay"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(replay: ModuleType) -> Any:
    if not DATA.exists():
        pytest.skip("the measured runs are not here")
    return replay.load(DATA)


def test_every_limit_is_met(replay: ModuleType, runs: Any) -> None:
    found = replay.limits(runs)
    assert len(found) == 5 * 3 + 3 * 2 + 1
    assert [f"{c.what}: {c.error:+.1%}" for c in found if not c.met] == []


def test_kv_memory_and_step_factor_are_physics(replay: ModuleType, runs: Any) -> None:
    """Without a KV limit the tail of TPOT at 9 req/s is gone, without the factor p50 is a tenth low."""
    name = "distserve-c21d11-300-9"
    unlimited = replay.replay(name, runs[name], replay.PD_VARIANTS["no KV limit"])
    assert unlimited.error("tpot", 0.9) < -0.6
    assert unlimited.evictions == 0
    for run in replay.PD_RUNS:
        fast = replay.replay(run, runs[run], replay.PD_VARIANTS["step factor 1"]).error("tpot", 0.5)
        own = replay.replay(run, runs[run], replay.PD_VARIANTS["engine"]).error("tpot", 0.5)
        assert fast == pytest.approx((1 + own) * 0.9 - 1, abs=0.05)


def test_the_long_run_is_steep(replay: ModuleType, runs: Any) -> None:
    low, middle, high = (b.simulated["tpot"][1] for b in replay.band(runs[replay.LONG_RUN]))
    assert low < middle < high
    assert high / low > 1.2  # 4% of step time


def test_replay_of_kv_bytes_is_the_catalogs(replay: ModuleType) -> None:
    assert kv_bytes_per_token(load_model("opt-13b").shape, "fp16") == replay.KV_BYTES_PER_TOKEN
