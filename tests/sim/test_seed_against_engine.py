"""The step-by-step cluster and the event-skipping engine are the same physics where both apply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pdplan.interop.llmservingsim import build_fleet, read_cluster_config, read_dataset
from pdplan.sim.cluster import KvWire, ServingInstance
from pdplan.sim.config import DecodePool, KvLink, KvMemory, PdConfig, PrefillPool
from pdplan.sim.pool_sim import simulate_cluster
from pdplan.sim.run import run_pd
from pdplan.sim.stream import Stream

EXAMPLE = Path(__file__).parents[2] / "scenarios" / "llmservingsim"
FLEET = build_fleet(read_cluster_config(EXAMPLE / "configs" / "cluster" / "single_node_pd_instance.json"))
STEPS = FLEET.instances[0].latency
KV, RATE, START = 131_072.0, 16e9, 20e-6


def example() -> tuple[list[float], list[int], list[int]]:
    trace = read_dataset(EXAMPLE / "workloads" / "example_trace.jsonl")
    return [t / 1e9 for t in trace.arrival_ns], list(trace.prompt_tokens), list(trace.output_tokens)


def drawn(seed: int) -> tuple[list[float], list[int], list[int]]:
    rng = np.random.default_rng(seed)
    n = 150
    lengths = rng.integers(1, 6000, n), rng.integers(1, 120, n)
    return np.sort(rng.uniform(0, 20, n)).tolist(), *(x.tolist() for x in lengths)


@pytest.mark.parametrize("trace", [example(), *map(drawn, range(4))], ids=["example", *map(str, range(4))])
def test_every_request_to_a_nanosecond(trace):
    room = 400_000
    cluster = [ServingInstance(role, STEPS, room) for role in ("prefill", "decode")]
    mine = simulate_cluster(*trace, cluster, KvWire(RATE, START, KV))
    config = PdConfig(
        PrefillPool(1, STEPS, discipline="chunked", batch_tokens=2048, kv_capacity_tokens=room),
        DecodePool(1, STEPS, max_batch=128, memory=KvMemory(room, 16)),
        KvLink(kv_bytes_per_token=KV, bytes_per_s=RATE, startup_s=START),
        first_token_from="prefill",
    )
    engine = run_pd(config, Stream.of(*trace))
    assert mine.preemptions == 0
    np.testing.assert_allclose(mine.ttft_s, engine.ttft_s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(mine.end_s, engine.end_s, rtol=0, atol=1e-9)
