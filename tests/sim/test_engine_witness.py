"""The engine against a simulator written apart from it: lists, one step at a time (`plain_sim`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdplan.sim.config import (
    ColocatedConfig,
    DecodePool,
    KvLink,
    KvMemory,
    PdConfig,
    PrefillPool,
)
from pdplan.sim.raw import RawRun
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Stream
from tests.sim.engine_cases import MODEL, REGIMES, lognormal_stream, rows
from tests.sim.plain_sim import Req, simulate_colocated, simulate_pd

N = 400
TIGHT = KvMemory(6000.0, 16)


def assert_agrees(run: RawRun, plain: list[Req], from_prefill: bool = False) -> None:
    output = run.output_tokens
    ends = np.array([r.end for r in plain])
    first = np.array([r.first for r in plain]) - run.arrival_s
    assert np.abs(run.end_s - ends).max() < 1e-9
    assert np.abs(run.ttft_s - first).max() < 1e-9
    assert np.abs(run.queue_s - [r.queue for r in plain]).max() < 1e-9
    assert np.abs(run.prefill_s - [r.prefill_end - r.start for r in plain]).max() < 1e-9
    assert np.abs(run.itl_worst_s - [r.worst for r in plain]).max() < 1e-9
    tpot = (ends - run.arrival_s - first) / np.maximum(output - 1, 1)
    assert np.abs(run.tpot_s - np.where(output > 1, tpot, 0)).max() < 1e-9
    assert run.decode.evictions.sum() >= sum(r.evictions for r in plain)


PD_CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "one at a time": {"discipline": "one_at_a_time"},
    "chunked": {"discipline": "chunked", "batch_tokens": 256},
    "push": {"mode": "push"},
    "first token from prefill": {"first": "prefill"},
    "two regimes": {"model": REGIMES, "rate": 45.0},
    "full reservation, tight": {"memory": KvMemory(6000.0, 16, "full")},
    "evictions": {"memory": TIGHT, "rate": 45.0},
    "evictions, push": {"memory": KvMemory(3000.0, 16), "mode": "push", "rate": 20.0},
    "evictions, from prefill": {"memory": TIGHT, "first": "prefill", "rate": 45.0},
    "prefill memory": {"capacity_p": 3000, "memory": TIGHT},
    "small batch": {"max_batch": 4},
}


@pytest.mark.parametrize("name", PD_CASES)
def test_disaggregated_agrees_with_plain_simulator(name: str) -> None:
    case = PD_CASES[name]
    model = case.get("model", MODEL)
    memory = case.get("memory", KvMemory())
    discipline = case.get("discipline", "batched")
    budget = case.get("batch_tokens", 2048)
    longest = 2000
    stream = lognormal_stream(N, case.get("rate", 30.0), seed=11)
    stream = Stream.of(stream.arrival_s, np.minimum(stream.prompt_tokens, longest), stream.output_tokens)
    config = PdConfig(
        PrefillPool(
            2,
            model,
            discipline=discipline,
            batch_tokens=budget,
            kv_capacity_tokens=case.get("capacity_p", np.inf),
        ),
        DecodePool(2, model, max_batch=case.get("max_batch", 64), memory=memory),
        KvLink(1000.0, 2e7, startup_s=0.001, mode=case.get("mode", "pull")),
        first_token_from=case.get("first", "decode"),
    )
    run = run_pd(config, stream)
    plain = simulate_pd(
        rows(stream),
        {
            "prefills": 2,
            "decodes": 2,
            "budget": 1 if discipline == "one_at_a_time" else budget,
            "chunked": discipline == "chunked",
            "capacity_p": case.get("capacity_p", np.inf),
            "link_s": 0.001,
            "link_token_s": 1000.0 / 2e7,
            "push": case.get("mode") == "push",
            "from_prefill": case.get("first") == "prefill",
            "max_batch": case.get("max_batch", 64),
            "capacity_d": memory.blocks,
            "grow": memory.reservation == "prompt",
            "prefill": lambda n, sq: float(model.prefill_step_s(n, sq)),
            "again": lambda n, sq: float(model.prefill_step_s(n, sq)),
            "decode": lambda b, c: float(model.decode_step_s(b, c)),
        },
    )
    assert_agrees(run, plain)
    if "evictions" in name:
        assert run.decode.evictions.sum() > 10
    sums = run.queue_s + run.prefill_s + run.transfer_s + run.admission_s
    moved = run.transfer_s > 0
    if case.get("first") != "prefill":
        assert moved.all()
        assert (run.ttft_s - sums > 0.005).all()  # what is left is the first step


COLOCATED_CASES: dict[str, dict[str, Any]] = {
    "chunked": {},
    "small chunks": {"batch_tokens": 96},
    "prefill first": {"discipline": "prefill_first", "batch_tokens": 1024},
    "evictions": {"memory": KvMemory(5000.0, 16), "rate": 25.0},
    "evictions, prefill first": {
        "memory": KvMemory(5000.0, 16),
        "discipline": "prefill_first",
        "rate": 25.0,
    },
    "full reservation": {"memory": KvMemory(5000.0, 16, "full"), "rate": 25.0},
    "small batch": {"max_batch": 5},
}


@pytest.mark.parametrize("name", COLOCATED_CASES)
def test_colocated_agrees_with_plain_simulator(name: str) -> None:
    case = COLOCATED_CASES[name]
    memory = case.get("memory", KvMemory())
    stream = lognormal_stream(N, case.get("rate", 18.0), seed=12)
    stream = Stream.of(stream.arrival_s, np.minimum(stream.prompt_tokens, 2000), stream.output_tokens)
    config = ColocatedConfig(
        2,
        MODEL,
        discipline=case.get("discipline", "chunked"),
        batch_tokens=case.get("batch_tokens", 512),
        max_batch=case.get("max_batch", 64),
        memory=memory,
    )
    run = run_colocated(config, stream)
    plain = simulate_colocated(
        rows(stream),
        {
            "instances": 2,
            "chunked": config.discipline == "chunked",
            "budget": config.batch_tokens,
            "max_batch": config.max_batch,
            "capacity": memory.blocks,
            "grow": memory.reservation == "prompt",
            "order": 0,
            "prefill": lambda n, sq: float(MODEL.prefill_step_s(n, sq)),
            "mixed": lambda b, c, q, sq: float(MODEL.mixed_step_s(b, c, q, sq)),
            "decode": lambda b, c: float(MODEL.decode_step_s(b, c)),
        },
    )
    assert_agrees(run, plain)
    if "evictions" in name:
        assert run.decode.evictions.sum() > 10
