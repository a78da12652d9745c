"""The engine against laws, against ciw and simpy, and the coverage of its intervals (benchmarks/)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name: str) -> ModuleType:
    path = BENCHMARKS / f"{name}.py"
    if not path.exists():
        pytest.skip("benchmarks/ is not in this distribution")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_three_cells_agree() -> None:
    """A quick look: M/M/1, M/D/4 and M/G/1 at 0.5."""
    laws = benchmark("engine_laws")
    chosen = [c for c in laws.cells() if getattr(c, "utilization", 0) == 0.5]
    names = {"M/M/1", "M/D/4, round robin", "M/G/1, SCV 1.0"}
    rows, _ = laws.compare_all([c for c in chosen if c.name in names])
    assert len(rows) == 6
    assert {r.verdict for r in rows} == {"agrees"}, [str(r) for r in rows]


@pytest.mark.slow
def test_a_grid_of_24_cells_agrees() -> None:
    laws = benchmark("engine_laws")
    # at 0.9 only what needs less than a minute: the rest stands in docs/validation/engine_laws.md
    light = {"M/D/1", "M/D/2, round robin"}
    cells = [c for c in laws.cells() if getattr(c, "utilization", 0) < 0.9 or c.name in light]
    assert len(cells) >= 24
    rows, _ = laws.compare_all(cells)
    assert {r.verdict for r in rows} == {"agrees"}, [str(r) for r in rows if r.verdict != "agrees"]


@pytest.mark.parametrize("peer", ["simpy", "ciw"])
def test_customer_by_customer(peer: str) -> None:
    """M/D/4 and a tandem of prefill and link: given the same customers, every wait is the same."""
    pytest.importorskip(peer, reason=f"{peer} is not installed")
    laws = benchmark("engine_laws")
    found = [row for row in laws.peers(2000) if row[1] == peer]
    assert len(found) >= 2
    assert max(off for _, _, off in found) < 1e-9


@pytest.mark.slow
def test_a_broken_engine_would_be_seen() -> None:
    """Power of the comparison: services 3% longer than the law's are told apart."""
    laws = benchmark("engine_laws")
    cell = next(c for c in laws.cells() if c.name == "M/D/1" and c.utilization == 0.8)
    off = laws.Queue(cell.name, cell.rate * 1.03, 1, cell.router, cell.draw, cell.law, cell.utilization)
    rows, _ = laws.compare_all([off])
    assert rows[0].verdict == "disagrees"


@pytest.mark.slow
def test_intervals_cover() -> None:
    """200 replications at 0.9: half-width of 3% at most, the exact mean inside 194 times at least."""
    cover = benchmark("interval_coverage")
    cases = {c.name: c for c in cover.cases()}
    for name in ("M/D/1, engine's prefill station", "M/M/1, Lindley's recursion"):
        found = cover.cover(cases[name])
        assert found.half_width <= 0.03, name
        assert found.hits >= 194, name
        assert abs(found.bias) < 0.005, name


def test_engine_and_recursion_are_one_queue() -> None:
    cover = benchmark("interval_coverage")
    for kind in ("fixed", "geometric"):
        ours, theirs = cover.engine_waits(kind, 3, 50_000), cover.direct_waits(kind, 3, 50_000)
        assert np.abs(ours - theirs).max() < 1e-6  # summation of 50,000 services in two orders
