"""Published fleets with expert parallelism: the errors that docs/validation/moe.md states."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def load() -> Any:
    """Import the benchmark, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("moe_accuracy", ROOT / "benchmarks" / "moe_accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["moe_accuracy"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


moe_accuracy = load()


@pytest.mark.parametrize("case", moe_accuracy.PUBLISHED[:4], ids=lambda c: c.text)
def test_sglang_within_a_tenth(case: Any) -> None:
    assert case.predicted() == pytest.approx(case.measured, rel=0.1)


def test_deepseek_production_is_missed_as_stated() -> None:
    prefill, decode = (c.predicted() / c.measured - 1 for c in moe_accuracy.PUBLISHED[4:6])
    assert 0.5 < prefill < 0.75
    assert -0.3 < decode < -0.15


def test_the_page_has_these_numbers() -> None:
    page = (ROOT / "docs" / "validation" / "moe.md").read_text()
    for line in (*moe_accuracy.published_lines(), *moe_accuracy.deepep_lines()):
        assert line in page


def test_runs_of_the_shared_file() -> None:
    path = ROOT.parent / "shared" / "data" / "measured" / "measured_serving.csv"
    if not path.exists():
        pytest.skip("measured runs are not here")
    with path.open() as file:
        rows = [r for r in moe_accuracy.csv.DictReader(file) if moe_accuracy.wanted(r)]
    some = [r for r in rows if r["gpu"] == "h200_sxm" and r["engine"].startswith("sglang")]
    assert len(some) == 3
    # attention data parallel over 8 with experts over 8, 8 to 32 sequences a rank
    assert [moe_accuracy.predicted(r).ratios[1] for r in some] == pytest.approx([1.0, 1.0, 1.0], abs=0.1)
