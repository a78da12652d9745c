"""How far the stationary law of decode is from a step-by-step simulation; writes the document.

    python benchmarks/decode_accuracy.py [--seeds 8] [--requests 500000] [--out FILE.md]

About ten minutes on one core with numba.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from decode_sim import Sample, lognormal_lengths, simulate

from pdplan.serving.decode import AffineStep, DecodeWork, StationaryBatch

A, SLOPE, MEAN_IN, MEAN_OUT = 0.008, 1e-4, 1000.0, 200.0
#: Student's t, 99% two-sided, by degrees of freedom
T99 = {3: 5.84, 7: 3.50, 11: 3.11, 15: 2.95}

HEAD = """# Decode: the stationary law against a step-by-step simulation

Written by `benchmarks/decode_accuracy.py`: {seeds} seeds of {requests:,} requests a cell (twice that at
phi = 0.8 and with a cap), the first tenth of each left out. One instance, Poisson arrivals, step 8 ms + 0.1
ms per request at the mean context (part of it KV reads, by the context of each request), outputs of mean 200
tokens, joining at the end of the step under way. Every error is law / simulation - 1 with the half-width of
its 99% interval over seeds: where the interval holds 0 the two cannot be told apart at that width.

`trust` follows these tables: **exact** without KV reads and with a cap that is never reached (fluid-step
limit); **approximate** with KV reads or a cap that is.
"""


def outputs(kind: str, n: int, seed: int, mean: float) -> Any:
    rng = np.random.default_rng([seed, 7])
    if kind == "fixed":
        return np.full(n, mean)
    if kind == "geometric":
        return rng.geometric(1 / mean, n).astype(float)
    sigma2 = np.log1p(2.0)
    return np.maximum(1.0, np.round(rng.lognormal(np.log(mean) - sigma2 / 2, sigma2**0.5, n)))


def enough(requests: int, phi: float) -> int:
    """Twice as many requests where the batch remembers for longer."""
    return requests if phi < 0.7 else 2 * requests


def errors(rows: list[list[float]]) -> list[str]:
    table = np.array(rows)
    half = T99[len(rows) - 1] * table.std(axis=0, ddof=1) / len(rows) ** 0.5
    return [f"{100 * m:+.1f} ± {100 * h:.1f}" for m, h in zip(table.mean(axis=0), half, strict=True)]


def compare(law: StationaryBatch, seen: Sample) -> list[float]:
    plain = StationaryBatch(law.arrival_rate, law.work, AffineStep(A, SLOPE), law.max_batch)
    p99 = seen.itl_quantile_s(0.99)
    return [
        law.mean_tpot_s / seen.mean_itl_s - 1,
        float(law.itl_quantile_s(0.5)) / seen.itl_quantile_s(0.5) - 1,
        float(law.itl_quantile_s(0.99)) / p99 - 1,
        float(plain.itl_quantile_s(0.99)) / p99 - 1,
        float(law.tpot_quantile_s(0.99)) / float(np.quantile(seen.tpot_s, 0.99)) - 1,
        law.kv.mean_tokens / seen.mean_kv - 1,
        float(law.kv.quantile(0.99)) / seen.kv_quantile(0.99) - 1,
    ]


def kv_table(seeds: int, requests: int) -> list[str]:
    lines = [
        "",
        "## KV share, prompt variability, correlation",
        "",
        "KV share: gamma E kv / (beta + gamma E kv). Prompts lognormal of mean 1000, outputs lognormal of",
        "mean 200 and SCV 1, their logarithms correlated. All errors in percent; *plain* is the law with",
        "every context at its mean, which the exact second moments of the contexts improve on.",
        "",
        "| phi | KV share | prompt SCV | correlation | mean TPOT | ITL p50 | ITL p99 | ITL p99, plain "
        "| TPOT p99 | KV mean | KV p99 | trust |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for phi in (0.5, 0.8):
        for share in (0.0, 0.5, 0.9):
            for scv, correlation in ((0.0, 0.0), (1.0, 0.0), (1.0, 0.6), (3.0, 0.0), (3.0, 0.6)):
                rows = []
                for seed in range(seeds):
                    n = enough(requests, phi)
                    prompt, output = lognormal_lengths(seed, n, MEAN_IN, scv, MEAN_OUT, 1.0, correlation)
                    work = DecodeWork.from_lengths(prompt, output, np.full(n, 1 / n))
                    gamma, beta = share * SLOPE / work.mean_context, (1 - share) * SLOPE
                    rate = phi / (SLOPE * work.mean_steps)
                    law = StationaryBatch(rate, work, AffineStep(A, beta, gamma, work.mean_context))
                    seen = simulate(
                        seed, n, rate, prompt, output, A, beta, gamma, typical_step_s=A / (1 - phi)
                    )
                    rows.append(compare(law, seen))
                shown = " | ".join(errors(rows))
                lines.append(f"| {phi} | {share} | {scv:g} | {correlation} | {shown} | {law.trust} |")
                print(lines[-1], flush=True)
    return lines


def output_table(seeds: int, requests: int) -> list[str]:
    lines = [
        "",
        "## Output lengths, without KV reads",
        "",
        "The law does not depend on the law of the outputs. Lognormal: SCV 2. Errors in percent.",
        "",
        "| phi | outputs | mean TPOT | ITL p50 | ITL p99 | TPOT p99 | join wait, mean |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for phi in (0.5, 0.8):
        for kind in ("fixed", "geometric", "lognormal"):
            rows = []
            for seed in range(seeds):
                n = enough(requests, phi)
                steps = outputs(kind, n, seed, MEAN_OUT)
                zeros = np.zeros(n)
                work = DecodeWork.from_lengths(zeros, steps, np.full(n, 1 / n))
                rate = phi / (SLOPE * work.mean_steps)
                law = StationaryBatch(rate, work, AffineStep(A, SLOPE))
                seen = simulate(seed, n, rate, zeros, steps, A, SLOPE, 0.0, typical_step_s=A / (1 - phi))
                all_errors = compare(law, seen)
                rows.append([*all_errors[:3], all_errors[4], law.join.mean_s / seen.join_s.mean() - 1])
            lines.append(f"| {phi} | {kind} | {' | '.join(errors(rows))} |")
            print(lines[-1], flush=True)
    return lines


def cap_table(seeds: int, requests: int) -> list[str]:
    lines = [
        "",
        "## A full batch: the wait for a place",
        "",
        "Errors in percent, load is lam G t(B)/B. P(wait) is the law's. The wait is counted from the end of",
        "the step under way at the arrival.",
        "",
        "| batch | load | outputs | KV share | P(wait) | wait, mean | wait, p99 | mean TPOT | ITL p99 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cap, loads in ((32, (0.7, 0.8, 0.9, 0.95)), (128, (0.9, 0.95))):
        for load in loads:
            for kind, share in (("fixed", 0.0), ("geometric", 0.0), ("lognormal", 0.0), ("lognormal", 0.5)):
                rows = []
                for seed in range(seeds):
                    steps = outputs(kind, requests, seed, MEAN_OUT)
                    prompt, _ = lognormal_lengths(seed, requests, MEAN_IN, 1.0, MEAN_OUT, 1.0, 0.0)
                    work = DecodeWork.from_lengths(prompt, steps, np.full(requests, 1 / requests))
                    gamma, beta = share * SLOPE / work.mean_context, (1 - share) * SLOPE
                    rate = load * cap / (work.mean_steps * (A + SLOPE * cap))
                    law = StationaryBatch(rate, work, AffineStep(A, beta, gamma, work.mean_context), cap)
                    seen = simulate(
                        seed,
                        requests,
                        rate,
                        prompt,
                        steps,
                        A,
                        beta,
                        gamma,
                        cap=cap,
                        typical_step_s=A + SLOPE * cap,
                    )
                    p99 = float(np.quantile(seen.wait_s, 0.99))
                    rows.append(
                        [
                            law.admission.mean_s / seen.wait_s.mean() - 1,
                            float(law.admission.quantile_s(0.99)) / p99 - 1,
                            law.mean_tpot_s / seen.mean_itl_s - 1,
                            float(law.itl_quantile_s(0.99)) / seen.itl_quantile_s(0.99) - 1,
                        ]
                    )
                wait = law.admission.wait_probability
                shown = " | ".join(errors(rows))
                lines.append(f"| {cap} | {load} | {kind} | {share} | {wait:.1%} | {shown} |")
                print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, choices=[k + 1 for k in T99])
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "docs/validation/decode_accuracy.md"
    )
    chosen = parser.parse_args()
    start = time.time()
    lines = [HEAD.format(seeds=chosen.seeds, requests=chosen.requests)]
    lines += output_table(chosen.seeds, chosen.requests)
    lines += kv_table(chosen.seeds, chosen.requests)
    lines += cap_table(chosen.seeds, 2 * chosen.requests)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text("\n".join(lines) + "\n")
    print(f"{chosen.out} written in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
