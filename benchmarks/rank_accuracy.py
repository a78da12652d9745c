"""Measure the laws of attention ranks and of prefill pipelines against the engine.

``python benchmarks/rank_accuracy.py --write`` puts the tables into docs/validation/moe.md, between its marks.
Prefill alone: prompts of one class, Poisson arrivals, one instance; lognormal prompts. About two minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.latency.roofline import Roofline
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_station import PrefillStation
from pdplan.sim import DecodePool, PdConfig, PrefillPool, Stream, run_pd
from pdplan.spec.catalog import load_accelerator, load_model

DOC = Path(__file__).parents[1] / "docs" / "validation" / "moe.md"
QUICK = Fitted(PrefillFit(0.0, 1e-12), (DecodeFit(1e-9, 0.0),), (1, 1e5), (1, 512), "decode of no time")
LINE = Fitted(PrefillFit(0.004, 1e-4), (DecodeFit(1e-9, 0.0),), (1, 1e6), (1, 512), "4 ms + 0.1 ms a token")
RANKS = [(16, 4096, 0.01), (16, 4096, 1.0), (32, 2048, 1.0), (16, 16384, 1.0)]
PIPELINES = [(2, 0.3), (2, 1.0), (4, 0.3), (4, 1.0), (4, 3.0)]


def lengths(mean: float, scv: float, n: int) -> Any:
    """Lognormal prompts [tok]."""
    rng = np.random.Generator(np.random.Philox(1))
    sigma = np.log(1 + scv) ** 0.5
    return np.maximum(1, np.rint(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, n))).astype(int)


def demand(rate: float, prompt: Any) -> ClassDemand:
    """At most 300 atoms of length, the largest 1% finely."""
    n = prompt.size
    cuts = np.unique(np.r_[np.linspace(0, 0.99 * n, 151), np.linspace(0.99 * n, n, 151)].astype(int))
    atoms = np.add.reduceat(np.sort(prompt).astype(float), cuts[:-1]) / np.diff(cuts)
    return ClassDemand("all", rate, atoms, np.ones(atoms.size), np.diff(cuts) / n)


def compare(prompt: Any, load: float, model: Any, pool: PrefillPool, discipline: str) -> str:
    """One row's numbers: rate, TTFT of the engine, errors of the law."""

    def law(rate: float) -> PrefillStation:
        return PrefillStation(
            [demand(rate, prompt)], model, pool.instances, pool.router, discipline,  # type: ignore[arg-type]
            float(pool.batch_tokens), pool.pipeline_stages,
        )  # fmt: skip

    rate = load * law(1e-6).max_rate
    arrival = np.cumsum(np.random.Generator(np.random.Philox(2)).exponential(1 / rate, prompt.size))
    config = PdConfig(pool, DecodePool(1, QUICK, max_batch=5000), first_token_from="prefill")
    seen = run_pd(config, Stream.of(arrival, prompt, np.ones(prompt.size, int)), seed=3).ttft_s
    seen = seen[prompt.size // 10 :]
    ttft = law(rate).ttft()
    error = [
        100 * (a / b - 1)
        for a, b in (
            (ttft.mean_s, seen.mean()),
            (float(ttft.quantile_s(0.5)), np.quantile(seen, 0.5)),
            (float(ttft.quantile_s(0.95)), np.quantile(seen, 0.95)),
        )
    ]
    return (
        f"{load} | {rate:.1f} | {1e3 * seen.mean():,.0f} | {error[0]:+.0f}% | {error[1]:+.0f}% "
        f"| {1e3 * np.quantile(seen, 0.95):,.0f} | {error[2]:+.0f}%"
    )


def rank_rows(n: int) -> list[str]:
    """DeepSeek-R1 on H800, prompts of mean 1900."""
    device, shape, rows = load_accelerator("h800-80gb").device, load_model("deepseek-r1").shape, []
    for ranks, budget, scv in RANKS:
        model = Roofline(
            shape, device, weights_dtype="fp8", dp_attention=ranks, ep=ranks, nic_bytes_per_s=50e9
        )
        for router in ("random", "round_robin"):
            for load in (0.3, 0.6, 0.85):
                pool = PrefillPool(1, model, router, "chunked", budget * ranks, ranks=ranks)  # type: ignore[arg-type]
                row = compare(lengths(1900, scv, n), load, model, pool, "batched")
                rows.append(f"| {ranks} | {budget} | {scv:g} | {router} | {row} |")
    return rows


def pipeline_rows(n: int) -> list[str]:
    """Prompts of mean 1000, one at a time."""
    rows = []
    for stages, scv in PIPELINES:
        for load in (0.3, 0.6, 0.85):
            pool = PrefillPool(1, LINE, "random", "one_at_a_time", 8192, stages)
            row = compare(lengths(1000, scv, n), load, LINE, pool, "one_at_a_time")
            rows.append(f"| {stages} | {scv:g} | {row} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    numbers = "load | prompts/s | TTFT, ms | mean error | p50 error | p95, ms | p95 error"
    tables = {
        "ranks": (f"ranks | budget of one | SCV | router | {numbers}", rank_rows(asked.requests)),
        "pipelines": (f"stages | SCV | {numbers}", pipeline_rows(asked.requests)),
    }
    text = DOC.read_text()
    for name, (columns, rows) in tables.items():
        part = "\n".join([f"| {columns} |", "|---" * (columns.count("|") + 1) + "|", *rows])
        print(part, end="\n\n")
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{part}\n{end}{rest.split(end)[1]}"
    if asked.write:
        DOC.write_text(text)


if __name__ == "__main__":
    main()
