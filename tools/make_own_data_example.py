"""Make scenarios/own-data: what an operator would bring, from the engine instead of a cluster.

    python tools/make_own_data_example.py

bench.json has results in the form of `vllm bench serve` (one document after another, as it appends them) of
one colocated Llama-3.1-8B on an H100: prompts of several lengths alone, then rising concurrency. requests.csv
has four minutes of requests, lengths as in azure-conv-2023 and a rate that swings between 20 and 60 a second.
Both are synthetic: step times are the catalog's roofline, stretched by 8%.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.problem import assemble
from pdplan.sim import ColocatedConfig, SimResult, Stream, run_colocated
from pdplan.spec.builtin import builtin_scenario
from pdplan.workload import PoissonArrivals, Workload, generate_requests, load_workload

OUT = Path(__file__).resolve().parents[1] / "scenarios" / "own-data"
ROOT = Path(__file__).resolve().parents[1]
SLOWER = 1.08  # the cluster of this example is not quite the catalog's
ALONE = (128, 512, 1024, 2048, 4096, 8192, 16384)
HELD = (1, 4, 16, 32, 64, 128, 256)
SPAN_S, LOW, HIGH, CYCLE_S = 240.0, 20.0, 60.0, 180.0


def cluster() -> Any:
    scenario = builtin_scenario(("model=llama-3.1-8b", "prefill.parallel={tp: [1]}"))
    return ScaledLatency(assemble(scenario).options("prefill")[0].latency, prefill=SLOWER, decode=SLOWER)


def run(model: Any, prompt: int, output: int, users: int, requests: int) -> dict[str, Any]:
    """One benchmark that holds its concurrency, as `vllm bench serve` reports it."""
    lengths = (np.full(requests, prompt), np.full(requests, output))
    stream = Stream.of(None, *lengths, users=users)
    raw = run_colocated(ColocatedConfig(1, model, batch_tokens=2048, max_batch=256), stream)
    seen = SimResult(raw, transient=True)
    duration = float(raw.end_s.max())

    def three(name: str, quantity: str) -> dict[str, float]:
        values = {"mean": None, "median": 0.5, "p99": 0.99}
        found = {k: seen.statistic(quantity, p).value for k, p in values.items()}
        return {f"{k}_{name}_ms": round(1e3 * (v or 0.0), 3) for k, v in found.items()}

    return {
        "backend": "vllm",
        "model_id": "meta-llama/Llama-3.1-8B-Instruct",
        "tag": f"prompt {prompt}, {users} users",
        "num_prompts": requests,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": users,
        "duration": round(duration, 4),
        "completed": requests,
        "failed": 0,
        "total_input_tokens": prompt * requests,
        "total_output_tokens": output * requests,
        "request_throughput": round(requests / duration, 5),
        "output_throughput": round(output * requests / duration, 4),
        **three("ttft", "ttft"),
        **three("tpot", "tpot"),
        **three("itl", "itl"),
        **three("e2el", "e2e"),
    }


def bench() -> str:
    model = cluster()
    rows = [run(model, prompt, 32, 1, 32) for prompt in ALONE]
    rows += [run(model, 1024, 256, users, max(24 * users, 200)) for users in HELD]
    rows += [run(model, 4096, 256, users, 24 * users) for users in HELD[2:-2]]
    return "".join(json.dumps(row) + "\n" for row in rows)


def requests() -> str:
    """Thin a Poisson stream at the highest rate to one that swings."""
    workload: Workload = load_workload(ROOT / "models" / "workloads" / "azure-conv-2023.yaml")
    drawn = generate_requests(workload, PoissonArrivals(HIGH), int(SPAN_S * HIGH * 1.1), seed=8)
    t = drawn.arrival_s
    rate = 0.5 * (LOW + HIGH) - 0.5 * (HIGH - LOW) * np.cos(2 * np.pi * t / CYCLE_S)
    random = np.random.Generator(np.random.Philox(9)).random(t.size)
    kept = np.flatnonzero((random < rate / HIGH) & (t < SPAN_S))
    rows = [f"{t[i]:.3f},{drawn.prompt_tokens[i]},{drawn.output_tokens[i]}" for i in kept]
    return "arrival_s,prompt_tokens,output_tokens\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "bench.json").write_text(bench())
    (OUT / "requests.csv").write_text(requests())
