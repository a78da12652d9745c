"""Measure the colocated stations against a step-by-step simulation; writes docs/validation/colocated.md.

Run ``python benchmarks/colocated_accuracy.py`` (needs numba; about two minutes).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.demand import ClassDemand
from pdplan.trust import Trust

OUT = Path(__file__).parents[1] / "docs" / "validation" / "colocated.md"


@dataclass(frozen=True)
class Affine:
    """t = a + beta b + gamma context + kappa q; a prefill step is a + kappa q."""

    a: float = 0.008
    beta: float = 1e-4
    gamma: float = 0.0
    kappa: float = 5e-5
    trust: Trust = Trust.EXACT
    source: str = "made for tests"
    prefill_range: tuple[float, float] = (1.0, 1e9)
    decode_range: tuple[float, float] = (1.0, 1e9)

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        return self.a + self.kappa * np.asarray(new_tokens)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        return self.a + self.beta * np.asarray(batch) + self.gamma * np.asarray(context_tokens)

    def mixed_step_s(self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_sq: Any) -> Any:
        return self.decode_step_s(batch, context_tokens) + self.kappa * np.asarray(chunk_tokens)


@njit(cache=True)
def simulate(arr, plen, out, budget, prefill_first, a, beta, gamma, kappa, warm):  # type: ignore[no-untyped-def]
    """One engine, iteration by iteration: TTFT, TPOT per request, and gap lengths with their counts."""
    n = len(arr)
    ttft = np.zeros(n)
    tpot = np.zeros(n)
    start = np.zeros(n)
    left = np.zeros(n, np.int64)
    running = np.zeros(100_000, np.int64)
    gap_s = np.zeros(20_000_000)
    gap_n = np.zeros(20_000_000, np.int64)
    gaps = 0
    b = 0
    context = 0.0
    t = 0.0
    came = 0  # arrived
    head = 0  # first prompt not finished
    rem = plen[0]
    stall = 0.0
    while head < n or b > 0:
        while came < n and arr[came] <= t:
            came += 1
        if head == came and b == 0:
            t = arr[came]
            continue
        limit = budget if prefill_first else budget - b
        q = 0
        first = head
        while head < came and q < limit:
            take = min(rem, limit - q)
            if prefill_first and take < rem and q > 0 and rem <= budget:
                break  # whole prompts only
            q += take
            rem -= take
            if rem == 0:
                head += 1
                if head < n:
                    rem = plen[head]
        decode = b > 0 and not (prefill_first and q > 0)
        step = a + kappa * q
        if decode:
            step += beta * b + gamma * context
        t += step
        stall += step
        if decode:
            old = b
            k = 0
            while prefill_first and k < b:  # who joined during the stall has waited for less of it
                i = running[k]
                if left[i] == out[i] - 1:
                    old -= 1
                    if first >= warm and gaps < 20_000_000:
                        gap_s[gaps] = t - start[i]
                        gap_n[gaps] = 1
                        gaps += 1
                k += 1
            if first >= warm and gaps < 20_000_000 and old > 0:
                gap_s[gaps] = stall
                gap_n[gaps] = old
                gaps += 1
            stall = 0.0
            k = 0
            while k < b:
                i = running[k]
                left[i] -= 1
                context += 1.0
                if left[i] == 0:
                    tpot[i] = (t - start[i]) / (out[i] - 1)
                    context -= plen[i] + out[i]
                    b -= 1
                    running[k] = running[b]
                else:
                    k += 1
        for i in range(first, head):
            ttft[i] = t - arr[i]
            if out[i] > 1:
                start[i] = t
                left[i] = out[i] - 1
                running[b] = i
                b += 1
                context += plen[i] + 1
        if b == 0:
            stall = 0.0
    return ttft, tpot, gap_s[:gaps], gap_n[:gaps]


def lengths(n: int, seed: int, sigma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Lognormal prompts of mean 1000, geometric outputs of mean 200."""
    prompts, outputs = (
        np.random.Generator(np.random.Philox(s)) for s in np.random.SeedSequence(seed).spawn(2)
    )
    p = np.maximum(np.rint(prompts.lognormal(np.log(1000) - sigma**2 / 2, sigma, n)), 1)
    return p.astype(np.int64), np.asarray(outputs.geometric(1 / 200, n), dtype=np.int64)


def demand(rate: float, prompts: np.ndarray, outputs: np.ndarray) -> ClassDemand:
    """Prompts at 400 values, the largest 1% finely (they carry the second moment), outputs at 8."""
    n = prompts.size
    cuts = np.unique(np.r_[np.linspace(0, 0.99 * n, 201), np.linspace(0.99 * n, n, 201)].astype(int))
    ordered = np.sort(prompts)
    p = np.add.reduceat(ordered, cuts[:-1]) / np.diff(cuts)
    g = np.array([block.mean() for block in np.array_split(np.sort(outputs), 8)])
    pp, gg = np.meshgrid(p, g, indexing="ij")
    weight = np.repeat(np.diff(cuts) / n / 8, 8)
    return ClassDemand("all", rate, pp.ravel(), gg.ravel(), weight)


def weighted_quantile(values: np.ndarray, count: np.ndarray, p: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(count[order])
    return float(values[order][np.searchsorted(total, p * total[-1])])


def cell(
    discipline: str, budget: int, load: float, n: int, seed: int = 1, model: Affine = Affine()
) -> dict[str, float]:
    """One comparison; ``load`` is the share of time u spent on prefill tokens, over its largest value."""
    plen, out = lengths(n, seed)
    # choose the rate by bisection on the station's own utilisation
    low, high = 1e-3, 100.0
    for _ in range(40):
        mid = (low * high) ** 0.5
        try:
            used = colocated_station(
                [demand(mid, plen[:20000], out[:20000])],
                model,
                discipline=discipline,  # type: ignore[arg-type]
                budget_tokens=budget,
                step_factor=1.0,
            ).utilization
        except Exception:
            used = 9.9
        low, high = (mid, high) if used < load else (low, mid)
    rate = low
    station = colocated_station(
        [demand(rate, plen, out)],
        model,
        discipline=discipline,
        budget_tokens=budget,
        step_factor=1.0,  # type: ignore[arg-type]
    )
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed + 1000)))
    arr = np.cumsum(stream.exponential(1 / rate, n))
    warm = n // 10
    ttft, tpot, gap, count = simulate(
        arr,
        plen,
        out,
        budget,
        discipline == "prefill_first",
        model.a,
        model.beta,
        model.gamma,
        model.kappa,
        warm,
    )
    seen = slice(warm, n - n // 20)
    per_request = tpot[seen][out[seen] > 1]
    law = station.ttft()
    batches = ttft[seen][: 20 * ((n - n // 20 - warm) // 20)].reshape(20, -1).mean(axis=1)
    low_p99, high_p99 = station.tpot_quantile_bounds_s(0.99)
    return {
        "rate": rate,
        "batch": station.mean_batch,
        "share": station.prefill_share,
        "tpot": station.mean_tpot_s,
        "tpot_sim": float(gap @ count / count.sum()),
        "itl99": float(station.itl_quantile_s(0.99)),
        "itl99_sim": weighted_quantile(gap, count, 0.99),
        "ttft": law.mean_s,
        "ttft_sim": float(batches.mean()),
        "ttft_ci": float(2.09 * batches.std(ddof=1) / 20**0.5),
        "ttft99": float(law.quantile_s(0.99)),
        "ttft99_sim": float(np.quantile(ttft[seen], 0.99)),
        "tpot99_low": low_p99,
        "tpot99_high": high_p99,
        "tpot99_sim": float(np.quantile(per_request, 0.99)),
    }


def table(n: int) -> tuple[list[str], list[dict[str, float]]]:
    """Rows of the document."""
    rows, cells = [], []
    for discipline, budget in (
        ("chunked", 256),
        ("chunked", 512),
        ("chunked", 2048),
        ("prefill_first", 8192),
    ):
        for load in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9):
            c = cell(discipline, budget, load, n)
            cells.append(c)
            err = {k: 100 * (c[k] / c[k + "_sim"] - 1) for k in ("tpot", "itl99", "ttft", "ttft99")}
            inside = c["tpot99_low"] <= c["tpot99_sim"] <= c["tpot99_high"]
            ms = {k: 1e3 * v for k, v in c.items()}
            rows.append(
                f"| {discipline} | {budget} | {load} | {c['rate']:.2f} | {c['batch']:.1f} "
                f"| {ms['tpot_sim']:.2f} | {err['tpot']:+.1f}% "
                f"| {ms['itl99_sim']:.1f} | {err['itl99']:+.1f}% "
                f"| {ms['ttft_sim']:.1f} ± {ms['ttft_ci']:.1f} | {err['ttft']:+.1f}% "
                f"| {ms['ttft99_sim']:.0f} | {err['ttft99']:+.1f}% "
                f"| {ms['tpot99_low']:.1f} .. {ms['tpot99_high']:.1f} | {ms['tpot99_sim']:.1f} "
                f"{'' if inside else '(outside)'}|"
            )
            print(rows[-1], flush=True)
    return rows, cells


COLUMNS = (
    "engine | budget | load | req/s | mean batch | TPOT | error | ITL p99 | error | TTFT | error "
    "| TTFT p99 | error | TPOT p99 bracket | simulated"
)
HEAD = """# The colocated stations against a step-by-step simulation

Written by `benchmarks/colocated_accuracy.py`. One engine, t = a + beta b + kappa q with a = 8 ms,
beta = 0.1 ms, kappa = 0.05 ms per prompt token; lognormal prompts (mean 1000, sigma 1), geometric outputs
(mean 200), Poisson arrivals, {n} requests a row, seed 1. *Load* is `utilization`: the larger of prompt tokens
over those that full iterations carry, and of decode between prefills. Times in ms; errors are formula over
simulation; the bracket is that of the TPOT p99 over requests.

Chunked: ITL p99 within 4% and TPOT within 5% at any load; up to load 0.7 mean TTFT within 5% and its p99
within 8%. Above load 0.8 its TTFT is too low (36% and 49% at 0.9): the batch swings with the prompt queue,
and the law holds it at its mean. Prefill first: TTFT within 3% (mean) and 10% (p99) at any load, TPOT up to
13% low, ITL p99 within 12%. The TPOT bracket is measured, not proved: it holds every cell up to load 0.7 and
fails one above.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400_000)
    n = parser.parse_args().requests
    rows, _ = table(n)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    rule = "|---" * (COLUMNS.count("|") + 1) + "|"
    OUT.write_text(HEAD.format(n=n) + "\n".join([f"| {COLUMNS} |", rule, *rows]) + "\n")


if __name__ == "__main__":
    main()
