"""Sixty random scenarios: fleets that hold when simulated anew, and none much cheaper next to them.

Ranges and seeds are those of ``random_fleets``; ``python benchmarks/random_scenarios.py --write`` writes the
table of all sixty, with the cause of every failure, to docs/validation/random_scenarios.md.
"""

from __future__ import annotations

import itertools

import pytest
import random_fleets
from random_fleets import Outcome, causes, drawn, study

from pdplan.spec.scenario import Scenario


def test_the_draw_is_the_same_every_time_and_is_varied() -> None:
    once = list(itertools.islice(drawn(), 60))
    assert once == list(itertools.islice(drawn(), 60))
    scenarios = [Scenario.model_validate(d) for d in once]
    assert len({s.model for s in scenarios}) >= 10
    assert len({s.accelerator for s in scenarios}) >= 6
    assert len({s.link for s in scenarios}) == len(random_fleets.LINKS)
    assert {s.prefill.router for s in scenarios} == {
        "random",
        "round_robin",
        "least_work",
        "jsq",
        "power_of_two",
    }
    assert {s.prefill.discipline for s in scenarios} == {"batched", "one_at_a_time"}
    assert {len(s.classes) for s in scenarios} == {1, 2}
    metrics = {t.metric for s in scenarios for c in s.classes for t in c.slo.targets}
    assert metrics == {"ttft", "tpot", "itl", "e2e"}
    assert any(c.slo.joint for s in scenarios for c in s.classes)


@pytest.mark.slow
def test_fleets_hold_and_no_neighbour_is_much_cheaper() -> None:
    """One test, for both need the same minutes of simulation."""
    outcomes: list[Outcome] = study()[0]
    missed = [(o.number, o.fleet, causes(o)) for o in outcomes if not o.meets]
    better = [(o.number, o.fleet, causes(o)) for o in outcomes if o.better]
    assert len(outcomes) == 60
    assert len(missed) <= 3, missed
    assert len(better) <= 3, better
