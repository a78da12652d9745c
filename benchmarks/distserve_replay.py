"""Replay DistServe's measured runs through the engine and compare; writes docs/validation/distserve.md.

    python benchmarks/distserve_replay.py FILE.csv [--write]

FILE.csv holds the requests of the runs, one a line: run, prompt_len, output_len, arrival_s, ttft_ms, tpot_ms,
from https://github.com/LLMServe/DistServe (evaluation results of OPT-13B on A100-SXM 80 GB, Apache-2.0).
Nothing is tuned to a run. Exits with 1 where a limit set beforehand is missed.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pdplan.latency import Fitted, LatencyModel, PrefillFit, load_profile
from pdplan.sim.config import ColocatedConfig, DecodePool, KvMemory, PdConfig, PrefillPool
from pdplan.sim.result import SimResult
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Stream
from pdplan.spec import catalog_path, load_link

OUT = Path(__file__).parents[1] / "docs" / "validation" / "distserve.md"
DISTSERVE = load_profile(catalog_path("latency", "distserve-opt-13b-a100"))
VLLM = load_profile(catalog_path("latency", "distserve-vllm-opt-13b-a100"))
BATCH_TOKENS, STEP_FACTOR, DECODE_BATCH, VLLM_BATCH = 2048, 0.92, 1024, 256
PREFILL_KV, DECODE_KV = DISTSERVE.kv_capacity_tokens(2), DISTSERVE.kv_capacity_tokens(1)
#: K and V of 40 layers of width 5120 in two bytes.
KV_BYTES_PER_TOKEN = 2 * 40 * 5120 * 2
PD_RUNS = tuple(f"distserve-c21d11-300-{r}" for r in ("3", "4.5", "6", "7.5", "9"))
LONG_RUN = "distserve-c21d11-600-6"
VLLM_RUNS = ("vllm-100-1", "vllm-150-1.5", "vllm-200-2")
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Measured:
    requests: Stream
    ttft_s: np.ndarray
    tpot_s: np.ndarray


def load(path: Path) -> dict[str, Measured]:
    """Read the runs; a request of one output token has no TPOT."""
    lines: dict[str, list[dict[str, str]]] = {}
    with path.open() as file:
        for line in csv.DictReader(file):
            lines.setdefault(line["run"], []).append(line)

    def column(rows: list[dict[str, str]], key: str) -> np.ndarray:
        return np.array([float(r[key]) for r in rows])

    return {
        run: Measured(
            Stream.of(column(rows, "arrival_s"), column(rows, "prompt_len"), column(rows, "output_len")),
            column(rows, "ttft_ms") / 1e3,
            column(rows, "tpot_ms")[column(rows, "output_len") > 1] / 1e3,
        )
        for run, rows in lines.items()
    }


def swapping(model: Fitted, factor: float) -> Fitted:
    """Return decode step times whose evicted sequences come back over PCIe instead of being computed again.

    The measured engine swaps out to host memory beside its steps and a step waits for what is swapped in
    (decoding_stage_scheduler.py and worker.py of the source). PCIe is not slowed by the step factor.
    """
    link = load_link("pcie-gen4-x16")
    per_token_s = KV_BYTES_PER_TOKEN / link.bytes_per_s * factor - model.token_overhead_s
    return replace(model, prefill=PrefillFit(0.0, per_token_s))


def fleet(
    *,
    step_factor: float = STEP_FACTOR,
    slower: float = 1.0,
    overhead: str = "published",
    kv: str = "limited",
    evicted: str = "swapped",
) -> PdConfig:
    """Prefill TP 2, decode TP 1, the first token from prefill; ``slower`` stretches every step."""
    model = DISTSERVE.engine_model if overhead == "published" else DISTSERVE.model
    prefill, decode = model(2), model(1)
    assert isinstance(decode, Fitted)
    assert PREFILL_KV is not None
    assert DECODE_KV is not None
    factor = step_factor / slower
    if evicted == "swapped":
        decode = swapping(decode, factor)
    limited = kv == "limited"
    return PdConfig(
        PrefillPool(
            1,
            prefill,
            discipline="batched",
            batch_tokens=BATCH_TOKENS,
            kv_capacity_tokens=PREFILL_KV if limited else math.inf,
            step_factor=1.0 / slower,
        ),
        DecodePool(
            1,
            decode,
            max_batch=DECODE_BATCH,
            memory=KvMemory(DECODE_KV if limited else math.inf),
            step_factor=factor,
        ),
        first_token_from="prefill",
    )


def vllm(*, step_factor: float = 1.0, overhead: str = "published") -> ColocatedConfig:
    """One instance of TP 1 that runs waiting prompts before decodes."""
    model: LatencyModel = VLLM.engine_model(1) if overhead == "published" else VLLM.model(1)
    assert DECODE_KV is not None
    return ColocatedConfig(
        1,
        model,
        discipline="prefill_first",
        batch_tokens=BATCH_TOKENS,
        max_batch=VLLM_BATCH,
        memory=KvMemory(DECODE_KV),
        step_factor=step_factor,
    )


@dataclass(frozen=True)
class Replayed:
    """Percentiles 50, 90 and 99 of TTFT and TPOT, measured and simulated [s]."""

    run: str
    variant: str
    measured: dict[str, np.ndarray]
    simulated: dict[str, np.ndarray]
    evictions: int

    def error(self, quantity: str, share: float) -> float:
        at = SHARES.index(share)
        return float(self.simulated[quantity][at] / self.measured[quantity][at] - 1)


def replay(run: str, measured: Measured, config: PdConfig | ColocatedConfig, variant: str = "") -> Replayed:
    """Run one configuration over one run; a replay is a transient, so every request counts."""
    if isinstance(config, PdConfig):
        raw = run_pd(config, measured.requests)
    else:
        raw = run_colocated(config, measured.requests)
    result = SimResult(raw, config, transient=True)
    return Replayed(
        run,
        variant,
        {"ttft": np.quantile(measured.ttft_s, SHARES), "tpot": np.quantile(measured.tpot_s, SHARES)},
        {q: np.quantile(result.values(q), SHARES) for q in ("ttft", "tpot")},
        result.decode.evictions,
    )


PD_VARIANTS: Mapping[str, PdConfig] = {
    "engine": fleet(),
    "evicted are computed again": fleet(evicted="computed again"),
    "no KV limit": fleet(kv="unlimited"),
    "step factor 1": fleet(step_factor=1.0),
    "no overhead": fleet(overhead="none"),
}
VLLM_VARIANTS: Mapping[str, ColocatedConfig] = {
    "engine": vllm(),
    "step factor 0.92": vllm(step_factor=STEP_FACTOR),
    "no overhead": vllm(overhead="none"),
}


@dataclass(frozen=True)
class Limit:
    """A limit on an error, set beforehand."""

    what: str
    error: float
    allowed: float

    @property
    def met(self) -> bool:
        return abs(self.error) <= self.allowed


def limits(runs: Mapping[str, Measured]) -> list[Limit]:
    """Everything that was promised, and how it came out."""
    found = []
    for run in PD_RUNS:
        got = replay(run, runs[run], PD_VARIANTS["engine"])
        for quantity, share, allowed in (("ttft", 0.5, 0.10), ("tpot", 0.5, 0.10), ("ttft", 0.9, 0.15)):
            what = f"{run} {quantity.upper()} p{100 * share:g}"
            found.append(Limit(what, got.error(quantity, share), allowed))
    for run in VLLM_RUNS:
        got = replay(run, runs[run], VLLM_VARIANTS["engine"])
        for quantity in ("ttft", "tpot"):
            found.append(Limit(f"{run} {quantity.upper()} p50", got.error(quantity, 0.5), 0.25))
    low, middle, high = band(runs[LONG_RUN])
    real = float(np.quantile(runs[LONG_RUN].tpot_s, 0.9))
    inside = low.simulated["tpot"][1] <= real <= high.simulated["tpot"][1]
    error = 0.0 if inside else middle.error("tpot", 0.9)
    found.append(Limit(f"{LONG_RUN} TPOT p90, outside its 2% band by", error, 0.25))
    return found


def band(measured: Measured, variant: str = "swapped") -> tuple[Replayed, Replayed, Replayed]:
    """The long run with steps 2% faster, as modelled, and 2% slower."""
    low, middle, high = (
        replay(LONG_RUN, measured, fleet(slower=s, evicted=variant), f"steps x {s:g}")
        for s in (0.98, 1.0, 1.02)
    )
    return low, middle, high


def cells(values: np.ndarray, real: np.ndarray | None = None) -> str:
    if real is None:
        return " | ".join(f"{v * 1e3:,.0f}" for v in values)
    return " | ".join(f"{v * 1e3:,.0f} ({v / r - 1:+.1%})" for v, r in zip(values, real, strict=True))


HEADER = """| | TTFT p50 | p90 | p99 | TPOT p50 | p90 | p99 | evictions |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def measured_row(got: Replayed) -> str:
    return f"| **{got.run}: measured** | {cells(got.measured['ttft'])} | {cells(got.measured['tpot'])} | |"


def row(got: Replayed) -> str:
    parts = [cells(got.simulated[q], got.measured[q]) for q in ("ttft", "tpot")]
    return f"| {got.variant} | {' | '.join(parts)} | {got.evictions} |"


def table(
    runs: Mapping[str, Measured], names: tuple[str, ...], variants: Mapping[str, PdConfig | ColocatedConfig]
) -> str:
    lines = [HEADER]
    for name in names:
        for k, (variant, config) in enumerate(variants.items()):
            got = replay(name, runs[name], config, variant)
            lines += [measured_row(got)] if k == 0 else []
            lines.append(row(got))
    return "\n".join(lines)


def sensitivity(measured: Measured) -> str:
    lines = [HEADER]
    for evicted in ("swapped", "computed again"):
        for got in band(measured, evicted):
            lines += [measured_row(got)] if len(lines) == 1 else []
            lines.append(row(replace(got, variant=f"{got.variant}, evicted are {evicted}")))
    return "\n".join(lines)


def report(runs: Mapping[str, Measured]) -> tuple[str, bool]:
    checked = limits(runs)
    verdicts = "\n".join(
        f"| {c.what} | {c.error:+.1%} | {c.allowed:.0%} | {'met' if c.met else 'MISSED'} |" for c in checked
    )
    text = TEXT.format(
        pd=table(runs, PD_RUNS, PD_VARIANTS),
        long=table(runs, (LONG_RUN,), PD_VARIANTS),
        sensitivity=sensitivity(runs[LONG_RUN]),
        vllm=table(runs, VLLM_RUNS, VLLM_VARIANTS),
        limits=verdicts,
        vllm_batch=VLLM_BATCH,
        prefill_kv=PREFILL_KV,
        decode_kv=DECODE_KV,
        link=load_link("pcie-gen4-x16").bytes_per_s / 1e9,
    )
    return text, all(c.met for c in checked)


TEXT = """# The engine against DistServe's measured runs

Written by `benchmarks/distserve_replay.py`. OPT-13B on A100-SXM 80 GB, ShareGPT lengths, Poisson arrivals
replayed; requests and latencies as measured by DistServe's authors (https://github.com/LLMServe/DistServe,
Apache-2.0). A run of 300 requests is a transient: it never reaches a steady state, and neither does its
replay. ms; errors in brackets.

The engine is `pdplan.sim`: published step times (catalog: `distserve-opt-13b-a100`) plus the published
simulator's 2 ms and 0.0001 ms a token on every step; prefill TP 2 with whole prompts up to 2048 tokens a
step, decode TP 1 in steps of the modelled time over 0.92; KV room of {prefill_kv:,} and {decode_kv:,} tokens;
decode pulls KV when it has room and what it has not pulled stays with prefill; the first token leaves
prefill. Out of KV, the measured engine swaps the sequence that came last to host memory: it comes back over
PCIe ({link:g} GB/s) before the step in which it goes on. Nothing is tuned to a run.

## What was promised

| | error | allowed | |
| --- | --- | --- | --- |
{limits}

## Disaggregated, 300 requests

{pd}

## Disaggregated, 600 requests at 6 req/s

{long}

Its tail hangs on the step time: past the knee the KV memory is full and every sequence that has to wait for
room adds seconds. All steps 2% faster and slower:

{sensitivity}

## vLLM, colocated

Prompts before decodes, TP 1, at most {vllm_batch} sequences, the published fit of vLLM
(`distserve-vllm-opt-13b-a100`).

{vllm}

## Misses, and their causes

- **TPOT p90 at 9 req/s** (33% low) and p99 of every run from 6 req/s on (14-18% low): a few dozen sequences
  wait for KV memory after prefill, the wait falls into TPOT, and 2% of step time moves it by a fifth. The
  measured engine also fills a full memory by another rule: it counts the prompt of the sequence it tries
  twice.
- **Evicted sequences computed again**, as vLLM does and as the engine does without being told otherwise: TPOT
  p90 of the 600 requests comes out 51% too high and its band misses the measurement, since every prompt
  computed again stops the batch for 80 ms and more. That swapping is the measured engine's way was looked up
  in its source after this row had missed; its time is the catalog's PCIe link, fitted to nothing.
- **No KV limit**, the published simulator's assumption: nothing waits for memory, and the tail of TPOT is
gone. - **Step factor 1**: isolated step times are too fast for the running system; TPOT p50 is 6-10% low.
- **vLLM**: TTFT is 15-18% high at 1 and 1.5 req/s, TPOT 22% low at 2 req/s. Steps over 0.92 fit the run at
  2 req/s (-8%) and put TTFT at 1 req/s out of its limit (+33%): no factor was published for vLLM, so none is
  used. TPOT p99 at 1 req/s (61% high) is made by two answers of two tokens whose only gap met a prompt.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--write", action="store_true", help=f"write {OUT.name}, not just print")
    chosen = parser.parse_args()
    text, good = report(load(chosen.file))
    print(text)
    if chosen.write:
        OUT.write_text(text)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
