"""Step points out of end-to-end runs, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.latency.fitting.collect import chosen_runs, gather
from pdplan.latency.fitting.runs import in_flight, met_idle, points_from_runs, seen_batch, sent_at_once
from pdplan.latency.fitting.served import grouped_decode_points
from pdplan.latency.fitting.steps import fit_decode
from pdplan.latency.measured import (
    DecodePoint,
    Measurements,
    PrefillPoint,
    ServedRequest,
    ServingRun,
    Spread,
)


def run(**fields: object) -> ServingRun:
    base: dict[str, object] = {
        "requests": 200,
        "prompt_tokens": 1000.0,
        "output_tokens": 101.0,
        "throughput": 2.0,
    }
    return ServingRun(**(base | fields))  # type: ignore[arg-type]


def test_concurrency_one_gives_a_prefill_point_and_batch_one() -> None:
    alone = run(concurrency=1.0, throughput=0.4, ttft=Spread(mean=0.12, p50=0.11), tpot=Spread(mean=0.02))
    points = points_from_runs([alone], tp=4)
    assert points.prefill == (PrefillPoint(1000.0, 0.11, 4, 1, repeats=200),)
    assert points.decode == (DecodePoint(1.0, 1050.5, 0.02, 4, 1, 200),)
    assert "TTFTs of runs at concurrency 1" in points.prefill_notes[0]
    assert "mean TPOT of runs, which holds the prefill steps" in points.decode_notes[0]


def test_an_open_run_adds_the_token_itself() -> None:
    """2/s x 100 steps x 20 ms = 4 decode at a random time; a token sees them and itself."""
    open_run = run(request_rate=2.0, ttft=Spread(mean=0.1), tpot=Spread(mean=0.02))
    assert seen_batch(open_run) == pytest.approx(5.0)
    assert in_flight(open_run) == pytest.approx(2 * (0.1 + 100 * 0.02))
    assert points_from_runs([open_run]).prefill == ()


def test_decode_instances_share_the_batch() -> None:
    """8 users: 1 + 4 x 7/8 / 2."""
    shared = run(concurrency=8.0, tpot=Spread(mean=0.02), decode_instances=2.0)
    assert seen_batch(shared) == pytest.approx(1 + 4 * 7 / 8 / 2)


def test_low_load_gives_prefill_points() -> None:
    """0.1/s x (0.1 + 100 x 0.02) = 0.21 in flight: below 0.3."""
    light = run(request_rate=0.1, throughput=0.1, ttft=Spread(mean=0.1), tpot=Spread(mean=0.02))
    assert [p.seconds for p in points_from_runs([light]).prefill] == [0.1]


def test_median_itl_is_preferred_and_named() -> None:
    itl = run(concurrency=8.0, tpot=Spread(mean=0.02), itl=Spread(mean=0.02, p50=0.017))
    points = points_from_runs([itl])
    assert points.decode[0].seconds == 0.017
    assert points.decode_notes[0].startswith("decode times are the median ITL")


def test_requests_that_came_together_did_not_meet_an_idle_engine() -> None:
    pair = [ServedRequest(0.0, 100, 5, 0.2, 1.0), ServedRequest(0.1, 100, 5, 0.3, 1.0)]
    assert met_idle(pair) == []
    assert met_idle([pair[0], ServedRequest(5.0, 100, 5, 0.1, 1.0)])[1].sent_s == 5.0


def test_all_at_once_is_said() -> None:
    burst = run(requests=4, concurrency=32.0, tpot=Spread(mean=0.02))
    assert sent_at_once(burst)
    assert any("everything at once" in n for n in points_from_runs([burst]).decode_notes)


def test_a_run_without_tpot_gives_no_decode_point() -> None:
    points = points_from_runs([run(concurrency=4.0, label="short")])
    assert points.decode == ()
    assert points.decode_notes == ("short gives no decode point: it lacks TPOT or throughput",)


def test_isolated_steps_come_before_runs() -> None:
    """Prefill was timed alone, decode was not: decode comes from the run, prefill does not."""
    seen = gather(
        [
            Measurements("t", "/a/steps.csv", prefill=(PrefillPoint(512, 0.07),), model="m"),
            Measurements(
                "t", "/a/run.json", runs=(run(concurrency=1.0, ttft=Spread(p50=0.5), tpot=Spread(mean=0.02)),)
            ),
        ]
    )
    assert seen.prefill[1, 1] == (PrefillPoint(512, 0.07),)
    assert seen.from_runs == {("decode", 1, 1)}
    assert seen.files == ("steps.csv", "run.json")


def test_different_models_are_not_mixed() -> None:
    two = [Measurements("t", "a", model="llama"), Measurements("t", "b", model="qwen")]
    with pytest.raises(InputError, match=r"2 models .llama, qwen.: fit them apart"):
        gather(two)
    assert gather(two, model="both").model == "both"


def test_a_median_itl_above_the_mean_is_no_decode_step() -> None:
    mixed = run(concurrency=256.0, itl=Spread(mean=0.050, p50=0.069), label="256 users")
    points = points_from_runs([mixed])
    assert points.decode == ()
    assert points.decode_notes[0].startswith(
        "256 users gives no decode point: its median ITL is above the mean"
    )


def test_requests_one_by_one_give_back_the_steps_of_the_engine() -> None:
    """A disaggregated engine at 12 req/s: 8 ms + 0.15 ms a sequence + 40 ns a context token, from its TPOTs.

    Groups of one run see batches of like size: single coefficients are loose, the times are not (3%).
    """
    from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    from pdplan.sim.config import DecodePool, PdConfig, PrefillPool
    from pdplan.sim.run import run_pd
    from pdplan.sim.stream import Stream

    model = Fitted(PrefillFit(0.01, 3e-5), (DecodeFit(0.008, 1.5e-4, 4e-8),), (1, 1e5), (1, 512), "test")
    rng = np.random.default_rng(3)
    n = 3000
    prompts, outputs = rng.integers(200, 1800, n), rng.integers(50, 350, n)
    arrivals = np.cumsum(rng.exponential(1 / 12, n))
    raw = run_pd(PdConfig(PrefillPool(2, model), DecodePool(1, model)), Stream.of(arrivals, prompts, outputs))
    served = tuple(
        ServedRequest(float(a), int(p), int(o), float(t), float(e - a))
        for a, p, o, t, e in zip(arrivals, prompts, outputs, raw.ttft_s, raw.end_s, strict=True)
    )
    points = points_from_runs([ServingRun(n, 1000, 200, served=served)]).decode
    assert len(points) == 8
    for p in points:
        assert p.seconds == pytest.approx(
            float(model.decode_step_s(p.batch, p.batch * p.context_tokens)), rel=0.03
        )  # type: ignore[operator]
    assert fit_decode(points).time_s(20, 1100) == pytest.approx(0.008 + 0.003 + 4e-8 * 22_000, rel=0.03)


def test_runs_are_chosen_by_label() -> None:
    both = [Measurements("t", "f", runs=(run(label="split 1"), run(label="colocated 1")))]
    assert [r.label for r in chosen_runs(both, "split")[0].runs] == ["split 1"]
    with pytest.raises(InputError, match=r"--runs x: no run is called so; there are split 1, colocated 1"):
        chosen_runs(both, "x")


def test_few_requests_or_unknown_times_give_one_point() -> None:
    few = tuple(ServedRequest(float(i), 100, 50, 0.1, 2.0) for i in range(10))
    unknown = tuple(ServedRequest(None, 100, 50, 0.1, 2.0) for _ in range(100))
    assert grouped_decode_points(few) == ()
    assert grouped_decode_points(unknown) == ()
