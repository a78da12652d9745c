"""Does a 99% interval of the mean wait hold the exact value 99 times in 100?

    python benchmarks/interval_coverage.py          # about five minutes; writes docs/validation/coverage.md

200 seeded replications of a queue at utilisation 0.9, empty at the start. The warm-up is read by MSER-5 from
a pilot run with a seed of its own; the interval is that of 32 batch means. The promise: a mean relative
half-width of at most 3%, and the exact mean wait inside at least 194 intervals of 200.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.queueing import MD1, MM1
from pdplan.sim.config import DecodePool, PdConfig, PrefillPool
from pdplan.sim.run import run_pd
from pdplan.sim.statistics import lindley_waits, mean_estimate, mser5
from pdplan.sim.stream import Stream

OUTPUT = Path(__file__).parents[1] / "docs" / "validation" / "coverage.md"
RHO = 0.9
REPLICATIONS, NEEDED, WIDEST = 200, 194, 0.03
#: Tokens of a mean prompt, a microsecond each, so that geometric lengths pass for exponential.
TOKENS = 1_000_000
MODEL = Fitted(
    PrefillFit(0.0, 1e-6), (DecodeFit(0.02, 0.0005),), (1, 1 << 24), (1, 256), "one second a prompt"
)
FLEET = PdConfig(
    PrefillPool(1, MODEL, discipline="one_at_a_time"), DecodePool(1, MODEL), first_token_from="prefill"
)


def arrivals(seed: int, n: int) -> np.ndarray:
    return np.cumsum(np.random.Generator(np.random.Philox(seed)).exponential(1 / RHO, n))


def prompts(kind: str, seed: int, n: int) -> np.ndarray:
    if kind == "fixed":
        return np.full(n, TOKENS, dtype=np.int32)
    drawn = np.random.Generator(np.random.Philox([seed, 1])).geometric(1 / TOKENS, n)
    return np.minimum(drawn, 1 << 24).astype(np.int32)


def engine_waits(kind: str, seed: int, n: int) -> np.ndarray:
    """Waits at the prefill station of the engine; one output token, so that nothing else is simulated."""
    stream = Stream.of(arrivals(seed, n), prompts(kind, seed, n), np.ones(n, dtype=np.int32))
    return run_pd(FLEET, stream).queue_s


def direct_waits(kind: str, seed: int, n: int) -> np.ndarray:
    """The same queue by Lindley's recursion."""
    return lindley_waits(arrivals(seed, n), 1e-6 * prompts(kind, seed, n))


@dataclass(frozen=True)
class Case:
    name: str
    waits: Callable[[int, int], np.ndarray]
    exact_s: float
    customers: int


@dataclass(frozen=True)
class Covered:
    case: Case
    replications: int
    warmup: int
    hits: int
    half_width: float
    correlated: int
    bias: float

    @property
    def good(self) -> bool:
        return self.hits >= NEEDED * self.replications / REPLICATIONS and self.half_width <= WIDEST


def cases() -> list[Case]:
    """Customers such that the half-width comes to 3%: fewer for fixed service, whose wait varies less."""
    md1 = MD1(arrival_rate=RHO, service_s=1.0).mean_wait_s
    mm1 = MM1(arrival_rate=RHO, service_s=1.0).mean_wait_s
    return [
        Case("M/D/1, engine's prefill station", partial(engine_waits, "fixed"), md1, MD1_CUSTOMERS),
        Case("M/D/1, Lindley's recursion", partial(direct_waits, "fixed"), md1, MD1_CUSTOMERS),
        Case("M/M/1, engine's prefill station", partial(engine_waits, "geometric"), mm1, MM1_CUSTOMERS),
        Case("M/M/1, Lindley's recursion", partial(direct_waits, "geometric"), mm1, MM1_CUSTOMERS),
    ]


MD1_CUSTOMERS, MM1_CUSTOMERS = 2_300_000, 4_200_000


def cover(case: Case, replications: int = REPLICATIONS, first_seed: int = 1000) -> Covered:
    """Count the intervals that hold the exact mean."""
    warmup = mser5(case.waits(first_seed - 1, 100_000)).observations
    found = [
        mean_estimate(case.waits(first_seed + k, case.customers + warmup)[warmup:])
        for k in range(replications)
    ]
    hits = sum(low <= case.exact_s <= high for low, high in (f.interval(0.99) for f in found))
    return Covered(
        case,
        replications,
        warmup,
        hits,
        float(np.mean([f.half_width(0.99) / f.estimate for f in found])),
        sum(not f.sound for f in found),
        float(np.mean([f.estimate for f in found]) / case.exact_s - 1),
    )


HEAD = f"""# Coverage of the intervals

Written by `python benchmarks/interval_coverage.py`. {REPLICATIONS} seeded replications of a queue at
utilisation {RHO}, empty at the start; 99% interval of the mean wait from 32 batch means after a warm-up read
by MSER-5 from a pilot run. Asked for: mean relative half-width at most {WIDEST:.0%} and the exact mean inside
at least {NEEDED} intervals. A fair 99% interval is expected to hold it {0.99 * REPLICATIONS:.0f} times, and
at least {NEEDED} times with probability 0.995.

| queue | exact mean | customers | left out | half-width | inside | mean of all means | correlated | |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def row(c: Covered) -> str:
    verdict = "as promised" if c.good else "MISSED"
    return (
        f"| {c.case.name} | {c.case.exact_s:.4g} | {c.case.customers:,} | {c.warmup:,} | {c.half_width:.2%} "
        f"| {c.hits} | {c.bias:+.2%} | {c.correlated} | {verdict} |"
    )


TAIL = f"""
Times in services. "Inside": intervals of {REPLICATIONS} that hold the exact mean. "Correlated": runs whose
batch means have a lag-1 correlation of 0.3 and more; the protocol would have gone on with twice as many
customers instead of giving an interval. They are counted here all the same.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    parser.add_argument("--out", type=Path, default=OUTPUT)
    chosen = parser.parse_args()
    rows, good = [], True
    for case in cases():
        start = time.time()
        found = cover(case, chosen.replications)
        good &= found.good
        rows.append(row(found))
        print(rows[-1], f"{time.time() - start:.0f} s", flush=True)
    if chosen.replications == REPLICATIONS:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(HEAD + "\n".join(rows) + "\n" + TAIL)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
