"""Calibration against the discrete-event engine: what was put in comes back, within what the laws can do."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.latency.measured import ServedRequest, ServingRun, Spread
from pdplan.planner.calibrate import calibrate
from pdplan.planner.calibrate_overhead import overhead_line
from pdplan.planner.calibrate_predict import predict

MODEL = Fitted(PrefillFit(0.012, 4e-5, 1e-9), (DecodeFit(0.010, 1.2e-4, 2e-8),), (1, 1e5), (1, 512), "test")
FACTOR, FIXED, PER_TOKEN = 0.85, 0.020, 1e-5


def at(tp: int, pp: int) -> Fitted:
    assert (tp, pp) == (1, 1)
    return MODEL


def engine_run(split: bool, closed: bool, prompt: int, load: float, seed: int) -> ServingRun:
    """4000 requests in the engine; a closed client takes no overhead per token."""
    from pdplan.sim.config import ColocatedConfig, DecodePool, PdConfig, PrefillPool
    from pdplan.sim.run import run_colocated, run_pd
    from pdplan.sim.stream import Stream

    rng = np.random.default_rng(seed)
    n = 4000
    prompts = np.maximum(rng.gamma(2, prompt / 2, n).astype(int), 1)
    outputs = np.maximum(rng.geometric(1 / 150, n), 2)
    arrivals = np.cumsum(rng.exponential(1 / load, n))
    stream = Stream.of(arrivals, prompts, outputs, users=int(load) if closed else 0)
    per_token = 0.0 if closed else PER_TOKEN
    if split:
        pools = PrefillPool(2, MODEL), DecodePool(2, MODEL, step_factor=FACTOR)
        raw = run_pd(PdConfig(*pools, overhead_s=FIXED, overhead_s_per_token=per_token), stream)
    else:
        raw = run_colocated(
            ColocatedConfig(1, MODEL, step_factor=FACTOR, overhead_s=FIXED, overhead_s_per_token=per_token),
            stream,
        )
    took = float(raw.end_s.max())
    return ServingRun(
        n,
        float(prompts.mean()),
        float(outputs.mean()),
        duration_s=took,
        request_rate=None if closed else load,
        concurrency=load if closed else None,
        throughput=n / took,
        ttft=Spread(mean=float(raw.ttft_s.mean())),
        tpot=Spread(mean=float(raw.tpot_s.mean())),
        served=tuple(
            ServedRequest(None, int(a), int(b), 1.0, 2.0) for a, b in zip(prompts, outputs, strict=True)
        ),
        prefill_instances=2 if split else None,
        decode_instances=2 if split else None,
        label=f"{load:g}",
    )


@pytest.mark.parametrize(
    ("split", "closed", "loads", "tolerance"),
    [
        pytest.param(False, False, (1.0, 2.0, 4.0), 0.02, marks=pytest.mark.slow),
        (False, True, (8, 32, 64), 0.03),
        (True, False, (2.0, 6.0, 10.0), 0.015),
        pytest.param(True, True, (8, 32, 64), 0.02, marks=pytest.mark.slow),
    ],
)
def test_the_engine_gives_back_its_step_factor_and_overhead(
    split: bool, closed: bool, loads: tuple[float, ...], tolerance: float
) -> None:
    """Tolerances: what the laws of docs/validation are known to miss at these loads, not the noise of a run.

    Overhead: 20 ms and 10 us a token (closed: 20 ms alone), of TTFTs between 65 and 170 ms, within 8 ms at
    1000 tokens.
    """
    loads_of = {500: loads[0], 1000: loads[1], 2000: loads[0]}
    runs = [((1, 1), engine_run(split, closed, n, load, n)) for n, load in loads_of.items()]
    runs.append(((1, 1), engine_run(split, closed, 1000, loads[2], 7)))
    found = calibrate(runs, at)
    assert found.step_factor == pytest.approx(FACTOR, abs=tolerance)
    assert found.ttft_overhead_s is not None
    assert found.ttft_overhead_per_token_s is not None
    expected = FIXED + (0.0 if closed else PER_TOKEN * 1000)
    assert found.ttft_overhead_s + 1000 * found.ttft_overhead_per_token_s == pytest.approx(
        expected, abs=0.008
    )
    assert len(found.rows) == 4


def steady(**fields: object) -> ServingRun:
    base: dict[str, object] = {
        "requests": 500,
        "prompt_tokens": 1000.0,
        "output_tokens": 101.0,
        "request_rate": 0.5,
        "throughput": 0.5,
        "ttft": Spread(mean=0.1),
        "tpot": Spread(mean=0.0125),
    }
    return ServingRun(**(base | fields))  # type: ignore[arg-type]


def test_an_engine_faster_than_its_steps_gets_factor_one() -> None:
    bare = predict(steady(), MODEL, 1.0, 0.5, 2048)
    assert bare is not None
    found = calibrate([((1, 1), steady(tpot=Spread(mean=0.8 * bare.tpot_s)))], at)
    assert found.step_factor == 1.0
    assert found.span == pytest.approx((1.25, 1.25))
    assert any("25.0% below" in n for n in found.notes)


def test_runs_that_cannot_tell_are_named() -> None:
    burst = steady(request_rate=None, label="burst")
    silent = steady(tpot=Spread(), label="silent")
    slow = steady(tpot=Spread(mean=0.5), label="slow")
    found = calibrate([((1, 1), r) for r in (burst, silent, slow)], at)
    assert found.step_factor is None
    assert found.rows == ()
    assert "burst: everything was sent at once: no steady load to compare with" in found.notes
    assert "silent: without throughput and TPOT it says nothing of steps" in found.notes
    assert any(n.startswith("slow: TPOT is out of reach") for n in found.notes)


def test_steps_that_came_from_runs_are_in_system() -> None:
    found = calibrate([((1, 1), steady())], at, in_steps=True, in_prefill=True)
    assert (found.step_factor, found.ttft_overhead_s) == (1.0, None)
    assert any("step factor 1" in n for n in found.notes)


def test_overhead_of_one_length_is_fixed_and_never_negative() -> None:
    tokens = np.array([1000.0, 1010.0, 990.0])
    a, b, remark = overhead_line(tokens, np.array([0.13, 0.12, 0.14]), np.full(3, 0.1))
    assert (a, b) == (pytest.approx(0.03), 0.0)
    assert remark.startswith("one prompt length (1,000 tokens)")
    assert overhead_line(tokens, np.full(3, 0.09), np.full(3, 0.1))[:2] == (0.0, 0.0)
