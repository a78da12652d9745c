"""Replay measured vLLM runs step by step and compare; writes docs/validation/llmservingsim.md.

Usage: python benchmarks/llmservingsim_replay.py DIRECTORY [--write]

DIRECTORY holds RTXPRO6000_Llama-3.1-8B.requests.jsonl and its neighbours: the recorded requests of
https://github.com/casys-kaist/LLMServingSim, bench/examples (MIT). Nothing is tuned to a run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pdplan.latency import Fitted, LatencyModel, Roofline, load_profile, memory_fit
from pdplan.sim.cluster import ClusterRun, ServingInstance
from pdplan.sim.pool_sim import simulate_cluster
from pdplan.spec import catalog_path, load_accelerator, load_model

OUT = Path(__file__).parents[1] / "docs" / "validation" / "llmservingsim.md"
PROFILE = load_profile(catalog_path("latency", "llmservingsim-llama-3.1-8b-rtxpro6000")).model(1)
#: max_num_seqs, max_num_batched_tokens and gpu_memory_utilization of the runs
BATCH, BUDGET, FRACTION = 128, 2048, 0.9
SERVER_EDITION_BYTES_PER_S = 1597.6e9


@dataclass(frozen=True)
class MixedFit:
    """The profile, with mixed steps as tools/fit_llmservingsim_profile.py fits them on their own."""

    bare: Fitted = PROFILE
    fixed_s: float = 8.39648e-3
    per_token_s: float = 3.27854e-5
    per_token_sq_s: float = 1.1103e-9
    per_sequence_s: float = 3.93189e-5
    per_context_token_s: float = 1.79005e-7

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        return self.bare.prefill_step_s(new_tokens, attention_tokens_sq)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        return self.bare.decode_step_s(batch, context_tokens)

    def mixed_step_s(self, batch: Any, context_tokens: Any, chunk: Any, chunk_sq: Any) -> Any:
        prompts = self.per_token_s * chunk + self.per_token_sq_s * chunk_sq
        decodes = self.per_sequence_s * batch + self.per_context_token_s * context_tokens
        return self.fixed_s + prompts + decodes


def measured(path: Path) -> dict[str, np.ndarray]:
    """Arrivals at the engine, lengths, TTFT from the engine's queue, and TPOT."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    column = {key: np.array([r[key] for r in rows]) for key in rows[0] if key != "request_id"}
    spread = column["last_token_ts"] - column["first_token_ts"]
    return {
        "arrival": column["queued_ts"] - column["queued_ts"].min(),
        "prompt": column["input_toks"],
        "output": column["output_toks"],
        "ttft": column["first_token_ts"] - column["queued_ts"],
        "tpot": spread / (column["output_toks"] - 1),
    }


def replay(
    run: dict[str, np.ndarray], latency: LatencyModel, capacity: int, batch: int = BATCH
) -> ClusterRun:
    instance = ServingInstance("combined", latency, capacity, batch, BUDGET)
    return simulate_cluster(
        run["arrival"].tolist(), run["prompt"].tolist(), run["output"].tolist(), [instance]
    )


def row(name: str, run: dict[str, np.ndarray], got: ClusterRun) -> str:
    cells = [name]
    for real, simulated in ((run["ttft"] * 1e3, got.ttft_s * 1e3), (run["tpot"] * 1e3, got.tpot_s * 1e3)):
        for statistic in (np.mean, lambda x: np.quantile(x, 0.5), lambda x: np.quantile(x, 0.9)):
            r, s = float(statistic(real)), float(statistic(simulated))
            cells.append(f"{s:,.1f} ({s / r - 1:+.1%})")
    return "| " + " | ".join(cells) + " |"


def measured_row(name: str, run: dict[str, np.ndarray]) -> str:
    cells = [name]
    for real in (run["ttft"] * 1e3, run["tpot"] * 1e3):
        cells += [f"{x:,.1f}" for x in (real.mean(), *np.quantile(real, (0.5, 0.9)))]
    return "| " + " | ".join(cells) + " |"


def capacity(model: str, tp: int) -> int:
    fit = memory_fit(
        load_model(model).shape,
        load_accelerator("rtx-pro-6000-blackwell").memory_bytes,
        tp,
        fraction=FRACTION,
    )
    return fit.kv_capacity_tokens


def roofline(model: str, tp: int) -> Roofline:
    device = replace(
        load_accelerator("rtx-pro-6000-blackwell").device, memory_bytes_per_s=SERVER_EDITION_BYTES_PER_S
    )
    return Roofline(load_model(model).shape, device, tp=tp)


def early(run: dict[str, np.ndarray], seconds: float) -> dict[str, np.ndarray]:
    """The requests that came in the first seconds, before the batch was full."""
    keep = run["arrival"] < seconds
    return {key: values[keep] for key, values in run.items()}


def report(directory: Path) -> str:
    llama = measured(directory / "RTXPRO6000_Llama-3.1-8B.requests.jsonl")
    qwen = measured(directory / "RTXPRO6000_Qwen3-32B.requests.jsonl")
    room = capacity("llama-3.1-8b", 1)
    head = "| | TTFT mean | p50 | p90 | TPOT mean | p50 | p90 |\n|---|---|---|---|---|---|---|"
    first = 10.0
    keep = llama["arrival"] < first
    cut = early(llama, first)
    table = [
        head,
        measured_row("**Llama-3.1-8B, TP 1: measured**", llama),
        row("profile of the catalog", llama, replay(llama, PROFILE, room)),
        row("mixed steps fitted on their own", llama, replay(llama, MixedFit(), room)),
        row("roofline at 1597.6 GB/s", llama, replay(llama, roofline("llama-3.1-8b", 1), room)),
        measured_row("**Qwen3-32B, TP 2: measured**", qwen),
        row(
            "roofline at 1597.6 GB/s", qwen, replay(qwen, roofline("qwen3-32b", 2), capacity("qwen3-32b", 2))
        ),
    ]
    before = [head.replace("| |", f"| {int(keep.sum())} requests |", 1), measured_row("measured", cut)]
    for name, latency in (
        ("profile of the catalog", PROFILE),
        ("mixed steps fitted on their own", MixedFit()),
    ):
        got = replay(llama, latency, room)
        kept = replace(
            got,
            **{
                key: getattr(got, key)[keep]
                for key in (
                    "arrival_s",
                    "prompt_tokens",
                    "output_tokens",
                    "scheduled_s",
                    "moved",
                    "kv_ready_s",
                )
            },
            token_s=tuple(t for t, k in zip(got.token_s, keep, strict=True) if k),
        )
        before.append(row(name, cut, kept))
    return TEXT.format(table="\n".join(table), before="\n".join(before), first=first, room=room)


TEXT = """# The step-by-step cluster against vLLM on RTX PRO 6000

Written by `benchmarks/llmservingsim_replay.py`. Two runs recorded for LLMServingSim
(https://github.com/casys-kaist/LLMServingSim, bench/examples, MIT): vLLM 0.19, one instance, 300
ShareGPT requests at 10 req/s, at most 128 sequences and 2048 tokens a step, bfloat16. Arrivals are when
the engine queued a request, and TTFT runs from there to the engine's first token. KV room by the
catalog: {room:,} tokens for the 8B, never full. The engine is `pdplan.sim.pool_sim` with one combined
instance, the step times as named; nothing is tuned to the runs. Times in ms, in brackets the error
against the measurement. One run each, a transient: no interval can be given.

{table}

Both runs are overloaded: 128 sequences run from second 12 (8B) or 20 (32B) on, and the queue grows until
the arrivals end. TTFT is then the wait in that queue, and an error of some percent in the step time
becomes a multiple of it in TTFT. Requests of the first {first:g} s of the 8B run, before the batch is
full:

{before}

What is missing from the profile:

- **Steps that mix decodes with a chunk**, a quarter of the time of this run. The latency model adds the
  two parts and counts the larger fixed part once; in the tables the attention of the decodes costs twice
  as much beside a chunk as alone (0.179 against 0.088 us a context token). The second row takes mixed
  steps from a fit to the tables' mixed rows and halves the error. Prefill and decode instances, for
  which the profile is meant, run no mixed steps.
- **The host.** The tables are kernel time; scheduling, sampling and Python between the steps are not in
  them.
- **Prefix hits** work the other way: LLMServingSim counts 7% of the prompt tokens of this trace as found
  in the cache; here all are computed.

The roofline, whose factors were fixed before and which knows none of this, is within 3% on the 8B; that
is one run, and its own table is in roofline.md. On the 32B with TP 2 it is a quarter too fast: of a full
step of 253 ms it gives 54 ms to all-reduces, which that machine measured at 76 ms over PCIe (587 us for
20 MiB, profiler/perf/RTXPRO6000/hardware.yaml); the rest is not explained.

LLMServingSim itself, from the same tables with its own interpolation and corrections, reports -4.0% for
the mean TTFT and -1.0% for the mean TPOT of the 8B run (its validation/summary.txt). The third recorded
run, on an RTX 4090, is left out: neither the profile nor the catalog covers it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--write", action="store_true", help=f"write {OUT.name}, not just print")
    arguments = parser.parse_args()
    text = report(arguments.directory)
    print(text)
    if arguments.write:
        OUT.write_text(text)


if __name__ == "__main__":
    main()
