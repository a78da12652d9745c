"""What the page reads off a lattice is what the laws say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.web.guard import read_scenario
from pdplan.web.laws import ReadLaw

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LEVELS = np.array([0.5, 0.9, 0.95, 0.99, 0.999])


@pytest.mark.parametrize(
    "name", ["chat-70b", "opt-13b-distserve", pytest.param("three-classes", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("metric", ["ttft", "e2e"])
def test_percentiles_and_tails_are_the_law_s(name: str, metric: str) -> None:
    search = Search(assemble(read_scenario((SCENARIOS / f"{name}.yaml").read_text())))
    best = search.best()
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    for demand in fleet.problem.demands:
        law = getattr(fleet, metric)(demand)
        read = ReadLaw(law)
        assert read.quantile_s(LEVELS) == pytest.approx(law.quantile_s(LEVELS), rel=3e-3)
        assert read.quantile_s(0.95) == read.quantile_s(LEVELS)[2]
        between = 0.5 * (read.quantile_s(0.9) + read.quantile_s(0.99))
        assert float(read.sf(between)) == pytest.approx(float(law.sf(between)), abs=2e-3)
        assert read.mean_s == law.mean_s
