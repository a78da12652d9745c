"""Jumping from event to event and taking every step by itself are the same physics, to 1e-9 s."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from pdplan.latency import DecodeCurve, Device, ModelShape, Roofline, Tabulated
from pdplan.sim.config import ColocatedConfig, DecodePool, KvLink, KvMemory, PdConfig, PrefillPool, Recording
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Stream
from tests.sim.engine_cases import MODEL, REGIMES, assert_same, lognormal_stream

STREAM = lognormal_stream(1200, 40.0, seed=3)
LONG_OUTPUTS = lognormal_stream(1200, 40.0, seed=4, prompt=200.0, output=150.0)
TIGHT = KvMemory(7_100.0, 16)
TABLE = Tabulated(
    (100, 1000, 8000, 20000),
    (0.008, 0.03, 0.3, 0.9),
    (
        DecodeCurve((1, 8, 64), (0.009, 0.011, 0.02), 100.0),
        DecodeCurve((1, 8, 64), (0.010, 0.014, 0.03), 1500.0),
    ),
    "a table, for tests",
)
H100 = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
ROOFLINE = Roofline(ModelShape(32, 4096, 32, 8, 128, 14336, 128256), H100)

PREFILL: dict[str, dict[str, Any]] = {
    "batched": {},
    "chunked": {"discipline": "chunked", "batch_tokens": 128},
    "pipeline": {"pipeline_stages": 4},
    "pipeline, chunked": {"pipeline_stages": 3, "discipline": "chunked", "batch_tokens": 200},
    "jsq": {"router": "jsq"},
    "least work": {"router": "least_work", "discipline": "one_at_a_time"},
    "random": {"router": "random"},
    "patience and limit": {"patience_s": 0.02, "queue_limit": 1, "router": "power_of_two"},
}
DECODE: dict[str, dict[str, Any]] = {
    "jsq": {"router": "jsq"},
    "power of two": {"router": "power_of_two"},
    "least work": {"router": "least_work"},
    "three tokens a step": {"tokens_per_step": 2.7},
    "evictions": {"memory": TIGHT},
    "evictions with watermark": {"memory": dataclasses.replace(TIGHT, watermark=0.05)},
    "evictions, broken steps": {"memory": TIGHT, "tokens_per_step": 1.5},
    "step factor": {"step_factor": 0.92},
}
LINK: dict[str, dict[str, Any]] = {
    "ingress": {"ingress_bytes_per_s": 1.5e7},
    "shared": {"sharing": "shared"},
    "shared, ingress": {"sharing": "shared", "ingress_bytes_per_s": 1.5e7},
    "push, shared": {"sharing": "shared", "mode": "push"},
    "overlap": {"mode": "push", "overlap": 0.8, "layers": 32},
    "overlap, shared": {"mode": "push", "overlap": 0.8, "layers": 32, "sharing": "shared"},
}


def _config(prefill: Any = None, decode: Any = None, link: Any = None, model: Any = MODEL) -> PdConfig:
    return PdConfig(
        PrefillPool(3, model, **(prefill or {})),
        DecodePool(2, model, **(decode or {})),
        KvLink(1000.0, 2e7, startup_s=0.0005, **(link or {})),
    )


CASES = (
    {f"prefill: {k}": _config(prefill=v) for k, v in PREFILL.items()}
    | {f"decode: {k}": _config(decode=v) for k, v in DECODE.items()}
    | {f"link: {k}": _config(link=v) for k, v in LINK.items()}
    | {
        "regimes": _config(model=REGIMES),
        "table": _config(model=TABLE),
        "roofline": _config(model=ROOFLINE),
        "first token from prefill, evictions": dataclasses.replace(
            _config(decode={"memory": TIGHT}), first_token_from="prefill"
        ),
    }
)


@pytest.mark.parametrize("name", CASES)
def test_disaggregated_jumps_as_it_steps(name: str) -> None:
    stream = LONG_OUTPUTS if "evictions" in name else STREAM
    jump = run_pd(CASES[name], stream, seed=5)
    step = run_pd(CASES[name], stream, seed=5, stepwise=True)
    assert_same(jump, step)
    assert jump.decode.steps.sum() == step.decode.steps.sum()
    assert np.allclose(jump.decode.context_token_s, step.decode.context_token_s, rtol=1e-9)
    assert np.allclose(jump.batch_s, step.batch_s, atol=1e-9)
    if "evictions" in name:
        assert jump.decode.evictions.sum() > 10
    if "patience" in name:
        assert (jump.status == 1).any()
        assert (jump.status == 2).any()
    else:
        assert jump.completed.all()


@pytest.mark.parametrize(
    "model", [MODEL, REGIMES, TABLE, ROOFLINE], ids=["fit", "regimes", "table", "roofline"]
)
@pytest.mark.parametrize(
    "case",
    [
        {"batch_tokens": 128},
        {"batch_tokens": 512, "router": "jsq"},
        {"discipline": "prefill_first", "router": "least_work"},
        {"memory": KvMemory(13_000.0), "router": "power_of_two"},
        {"memory": KvMemory(13_000.0), "discipline": "prefill_first"},
        {"tokens_per_step": 2.5, "batch_tokens": 256},
        {"patience_s": 0.1, "queue_limit": 4},
    ],
    ids=lambda c: ", ".join(c),
)
def test_colocated_jumps_as_it_steps(case: dict[str, Any], model: Any) -> None:
    config = ColocatedConfig(3, model, **case)
    jump = run_colocated(config, STREAM, seed=5)
    assert_same(jump, run_colocated(config, STREAM, seed=5, stepwise=True))


def test_a_step_at_a_time_makes_the_same_series() -> None:
    """KV grows in blocks; the series draws a line through each run, so only that column may differ."""
    kept = Recording(interval_s=0.5)
    for runner, config in ((run_pd, _config()), (run_colocated, ColocatedConfig(3, MODEL))):
        jump = runner(config, STREAM, recording=kept)  # type: ignore[operator]
        step = runner(config, STREAM, recording=kept, stepwise=True)  # type: ignore[operator]
        assert jump.series is not None
        assert step.series is not None
        assert np.allclose(jump.series.decode[:, :, :2], step.series.decode[:, :, :2], atol=1e-9)
        busy = jump.series.decode[:, :, 0].sum(axis=0) * 0.5
        assert np.allclose(busy, jump.decode.busy_s, rtol=1e-9)
        kv = jump.series.decode[:, :, 3].sum(axis=0) * 0.5
        assert np.all(np.abs(kv / jump.decode.kv_token_s - 1) < 0.02)


def test_same_seed_same_run_and_another_seed_another() -> None:
    config = _config(prefill={"router": "random"}, decode={"router": "power_of_two"})
    a, b, c = (run_pd(config, STREAM, seed=s) for s in (1, 1, 2))
    assert_same(a, b, 0.0)
    assert np.array_equal(a.instance, b.instance)
    assert not np.array_equal(a.instance, c.instance)


def test_order_given_is_order_returned() -> None:
    order = np.random.Generator(np.random.Philox(7)).permutation(len(STREAM))
    straight = run_pd(_config(), STREAM)
    mixed = run_pd(_config(), STREAM.take(order))
    assert np.array_equal(mixed.arrival_s, STREAM.arrival_s[order])
    assert np.array_equal(mixed.ttft_s, straight.ttft_s[order])
    assert np.array_equal(mixed.decode_instance, straight.decode_instance[order])


def test_router_overhead_is_part_of_ttft() -> None:
    late = dataclasses.replace(_config(), overhead_s=0.02, overhead_s_per_token=1e-6)
    one = Stream.of([0.0], [1000], [5])
    assert run_pd(late, one).ttft_s[0] == pytest.approx(run_pd(_config(), one).ttft_s[0] + 0.021)
