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


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return study()[0]


@pytest.mark.slow
def test_at_least_57_of_60_fleets_meet_every_objective(outcomes: list[Outcome]) -> None:
    missed = [(o.number, o.fleet, causes(o)) for o in outcomes if not o.meets]
    assert len(outcomes) == 60
    assert len(missed) <= 3, missed


@pytest.mark.slow
def test_at_most_3_of_60_have_a_cheaper_neighbour_that_is_proved_sufficient(outcomes: list[Outcome]) -> None:
    better = [(o.number, o.fleet, causes(o)) for o in outcomes if o.better]
    assert len(better) <= 3, better
