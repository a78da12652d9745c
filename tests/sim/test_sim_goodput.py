"""Attainment against rate and scale, and goodput, against cases that can be worked by hand."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from pdplan.errors import InfeasibleError, InputError
from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.queueing import MM1
from pdplan.sim.attainment import at_rate, attainment_against_rate, attainment_against_scale
from pdplan.sim.config import DecodePool, PdConfig, PrefillPool
from pdplan.sim.goodput import goodput
from pdplan.sim.result import SimResult
from pdplan.sim.result_parts import Target
from pdplan.sim.run import run_pd
from pdplan.sim.stream import Stream

#: 1 us a token: exponential service in tokens, tokens as fine as microseconds.
MODEL = Fitted(PrefillFit(0.0, 1e-6), (DecodeFit(0.02, 0.0005),), (1, 1e7), (1, 256), "a test's")
FLEET = PdConfig(
    PrefillPool(1, MODEL, discipline="one_at_a_time"), DecodePool(1, MODEL), first_token_from="prefill"
)
RUN = partial(run_pd, FLEET)


def unit_stream(n: int, seed: int = 0) -> Stream:
    """Poisson at 1/s, prompts geometric of mean 100,000 tokens: exponential service of mean 0.1 s."""
    rng = np.random.default_rng(seed)
    return Stream.of(
        np.cumsum(rng.exponential(1.0, n)), np.minimum(rng.geometric(1e-5, n), 1 << 24), np.ones(n, dtype=int)
    )


def test_attainment_against_rate_is_the_response_law_of_mm1() -> None:
    """P(T <= x) = 1 - exp(-(mu - lam) x) for M/M/1; requests of one token have no TPOT."""
    curve = attainment_against_rate(RUN, unit_stream(100_000), [2.0, 5.0, 8.0], Target(ttft_s=0.5))
    for k, rate in enumerate(curve.x):
        exact = 1 - MM1(arrival_rate=float(rate), service_s=0.1).response_sf(0.5)
        assert curve.joint_low[k] - 0.003 <= exact <= curve.joint_high[k] + 0.003
    assert curve.joint.tolist() == sorted(curve.joint, reverse=True)
    assert curve.tpot.tolist() == [1.0] * 3
    assert set(curve.regimes) == {"steady"}
    json.dumps(curve.document(), allow_nan=False)


def test_attainment_against_scale_grows_with_the_limits() -> None:
    result = SimResult(RUN(at_rate(unit_stream(50_000), 8.0)))
    curve = attainment_against_scale(result, Target(ttft_s=0.5), [0.5, 1.0, 2.0, 4.0])
    assert curve.joint.tolist() == sorted(curve.joint)
    exact = [1 - MM1(arrival_rate=8.0, service_s=0.1).response_sf(0.5 * s) for s in curve.x]
    assert curve.joint == pytest.approx(exact, abs=0.03)
    assert curve.joint[1] == result.attainment(Target(ttft_s=0.5)).joint.value


def test_goodput_of_mm1() -> None:
    """1 - exp(-(10 - r) 0.5) = 0.9 at r = 10 + 2 ln 0.1 = 5.395/s."""
    best = goodput(RUN, unit_stream(200_000), Target(ttft_s=0.5), share=0.9)
    assert best.rate == pytest.approx(10 + 2 * np.log(0.1), rel=0.03)
    assert best.rate < best.fails_at <= 1.0101 * best.rate
    assert best.limited_by == "attainment"
    assert best.requests == 200_000
    assert [p.rate for p in best.points] == sorted(p.rate for p in best.points)
    assert all(p.holds for p in best.points if p.rate <= best.rate)
    assert "goodput 5." in str(best)
    json.dumps(best.document(), allow_nan=False)


def test_same_requests_give_the_same_goodput() -> None:
    unit = unit_stream(20_000)
    one, two = (goodput(RUN, unit, Target(ttft_s=0.5)) for _ in range(2))
    assert one.rate == two.rate
    # a starting point elsewhere ends in the same place, to the width of the bracket
    other = goodput(RUN, unit, Target(ttft_s=0.5), start_rate=37.0)
    assert other.rate == pytest.approx(one.rate, rel=0.02)


def test_goodput_stops_at_the_capacity_where_limits_are_loose() -> None:
    """A finite run meets a limit of 1000 s at any rate near 10/s: the backlog says no."""
    best = goodput(RUN, unit_stream(50_000), Target(ttft_s=1000.0))
    assert best.limited_by == "stability"
    assert 9.3 < best.rate < 10.6


def test_goodput_refuses() -> None:
    with pytest.raises(InfeasibleError, match="an idle fleet reaches"):
        goodput(RUN, unit_stream(2000), Target(ttft_s=0.01))
    with pytest.raises(InputError, match="closed loop"):
        at_rate(Stream.of([0.0], [1], [1], users=1), 1.0)
    with pytest.raises(InputError, match="give at least one"):
        attainment_against_rate(RUN, unit_stream(100), [], Target())
