"""Prefill pipelines of unequal prompts: by hand, against a plain loop and the engine, in limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import UnstableError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.queueing.service import Atoms
from pdplan.serving.demand import ClassDemand
from pdplan.serving.pipeline_wait import Pipeline
from pdplan.serving.prefill_station import PrefillStation

#: 4 ms and 0.1 ms a token.
LINE = Fitted(PrefillFit(0.004, 1e-4), (DecodeFit(1e-9, 0.0),), (1, 1e6), (1, 512), "line")


def pipelined(arrival: np.ndarray, stage_s: np.ndarray, stages: int) -> np.ndarray:
    """Time in a pipeline with as many prompts under way as stages."""
    free, done = [0.0] * stages, np.zeros(arrival.size)
    for i, (moment, span) in enumerate(zip(arrival.tolist(), stage_s.tolist(), strict=True)):
        if i >= stages:
            moment = max(moment, done[i - stages])
        for k in range(stages):
            moment = max(moment, free[k]) + span
            free[k] = moment
        done[i] = moment
    return done - arrival


def lognormal(scv: float, n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    sigma = np.log(1 + scv) ** 0.5
    return np.maximum(1.0, np.rint(rng.lognormal(np.log(1000) - sigma**2 / 2, sigma, n)))


def station(rate: float, prompt: np.ndarray, stages: int, **others: object) -> PrefillStation:
    n = prompt.size
    cuts = np.unique(np.r_[np.linspace(0, 0.99 * n, 151), np.linspace(0.99 * n, n, 151)].astype(int))
    weight = np.diff(cuts) / prompt.size
    atoms = np.add.reduceat(np.sort(prompt), cuts[:-1]) / np.diff(cuts)
    demand = ClassDemand("all", rate, atoms, np.ones(atoms.size), weight)
    return PrefillStation([demand], LINE, pipeline_stages=stages, **others)  # type: ignore[arg-type]


def test_full_pipeline_of_two_moves_at_the_pace_of_pairs() -> None:
    # prompts of 1 and 3 s a stage: the longer of two is 3 s in three pairs of four, so 2.5 s a prompt
    rng = np.random.default_rng(3)
    span = rng.choice([1.0, 3.0], 20_000)
    law = Pipeline(0.1, Atoms([1.0, 3.0], [0.5, 0.5]), 2)
    assert law.cycle_s == 2.5
    assert pipelined(np.zeros(span.size), span, 2)[-1] / span.size == pytest.approx(2.5, rel=0.01)


@pytest.mark.parametrize(("scv", "stages", "bound"), [(0.3, 4, 0.06), (1.0, 4, 0.08), (1.0, 2, 0.02)])
def test_cycle_is_at_most_a_little_too_long(scv: float, stages: int, bound: float) -> None:
    span = (0.004 + 1e-4 * lognormal(scv, 30_000)) / stages
    seen = pipelined(np.zeros(span.size), span, stages)[-1] / span.size
    cycle = station(1e-3, lognormal(scv, 30_000), stages).pipeline.cycle_s
    assert -0.01 < cycle / seen - 1 < bound


def test_equal_prompts_are_what_they_were() -> None:
    # DistServe, equation 2: D_s + R D_m^2 / (2 (1 - R D_m)) with D_s = 104 ms, D_m = 52 ms at 10 req/s
    demand = ClassDemand("all", 10.0, np.array([1000.0]), np.ones(1), np.ones(1))
    s = PrefillStation([demand], LINE, pipeline_stages=2)
    assert s.ttft().mean_s == pytest.approx(0.104 + 10 * 0.052**2 / (2 * (1 - 0.52)))
    assert not s.unequal_stages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scv", "stages", "load", "mean", "p95"),
    [
        (0.3, 2, 0.6, 0.03, 0.05),
        (1.0, 2, 0.85, 0.08, 0.12),
        (1.0, 4, 0.6, 0.06, 0.15),
        (0.3, 4, 0.85, 0.15, 0.1),
    ],
)
def test_ttft_against_the_loop(scv: float, stages: int, load: float, mean: float, p95: float) -> None:
    prompt = lognormal(scv, 100_000)
    rate = load * station(1e-3, prompt, stages, router="random").max_rate
    arrival = np.cumsum(np.random.default_rng(2).exponential(1 / rate, prompt.size))
    seen = pipelined(arrival, (0.004 + 1e-4 * prompt) / stages, stages)[5000:]
    law = station(rate, prompt, stages, router="random").ttft()
    assert law.mean_s == pytest.approx(seen.mean(), rel=mean)
    assert law.quantile_s(0.95) == pytest.approx(np.quantile(seen, 0.95), rel=p95)


def test_ttft_against_the_loop_at_one_load() -> None:
    prompt = lognormal(1.0, 30_000)
    rate = 0.6 * station(1e-3, prompt, 2, router="random").max_rate
    arrival = np.cumsum(np.random.default_rng(2).exponential(1 / rate, prompt.size))
    seen = pipelined(arrival, (0.004 + 1e-4 * prompt) / 2, 2)[2000:]
    law = station(rate, prompt, 2, router="random").ttft()
    # the wait of one stage alone, as was taken before, is 4 times too short
    assert law.mean_s == pytest.approx(seen.mean(), rel=0.08)
    assert law.quantile_s(0.95) == pytest.approx(np.quantile(seen, 0.95), rel=0.1)


def test_rate_that_only_equal_prompts_bear_is_refused() -> None:
    prompt = lognormal(1.0, 5000)
    equal = 2 / 0.104
    with pytest.raises(UnstableError):
        station(0.9 * equal, prompt, 2)
    same = ClassDemand("all", 0.9 * equal, np.array([1000.0]), np.ones(1), np.ones(1))
    assert PrefillStation([same], LINE, pipeline_stages=2).utilization == pytest.approx(0.9)


@given(st.floats(0.05, 0.9), st.integers(2, 8), st.lists(st.floats(0.01, 10), min_size=2, max_size=6))
def test_bounds_hold_for_every_mix(load: float, stages: int, times: list[float]) -> None:
    values = sorted(set(times))
    service = Atoms(values, [1 / len(values)] * len(values))
    rate = load / Pipeline(1e-9, service, stages).cycle_s
    law = Pipeline(rate, service, stages)
    assert service.mean_s * (1 - 1e-9) <= law.cycle_s <= values[-1] * (1 + 1e-9)
    assert 0 <= law.filled <= 1
    assert law.stretch >= 1 - 1e-6
    own = np.array(values)
    passing = law.passing_s(own)
    assert (passing >= stages * own * (1 - 1e-9)).all()
    assert (passing <= own + (stages - 1) * values[-1] + 1e-9).all()
