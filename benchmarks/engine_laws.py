"""The engine against the laws it must obey, and against two other simulators.

    python benchmarks/engine_laws.py       # about five minutes; writes docs/validation/engine_laws.md

Every cell is run by the protocol: the warm-up is read by MSER-5, 32 batch means, the customers are doubled
until the half-width is within the tolerance and the batches pass for independent; all comparisons are
corrected for their number after Holm. A cell agrees only if the interval holds the exact value and is
narrower than the tolerance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.queueing import MD1, MG1, MM1, MDc, MMc
from pdplan.serving.decode_step import AffineStep
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.stationary_batch import StationaryBatch
from pdplan.sim.config import DecodePool, KvLink, KvMemory, PdConfig, PrefillPool, Recording
from pdplan.sim.measured import gap_quantile_s, gap_sums
from pdplan.sim.run import run_pd
from pdplan.sim.statistics import (
    AgreementRow,
    Comparison,
    MeanEstimate,
    QuantileEstimate,
    agreement,
    mean_estimate,
    mser5,
    quantile_estimates,
    replication_estimate,
)
from pdplan.sim.stream import Stream
from pdplan.trust import Trust

OUTPUT = Path(__file__).parents[1] / "docs" / "validation" / "engine_laws.md"
#: Seconds a prompt token: geometric lengths in microseconds pass for exponential services.
TOKEN_S = 1e-6
BASE_S, PER_SEQUENCE_S, STEPS = 0.008, 1e-4, 400
MODEL = Fitted(
    PrefillFit(0.0, TOKEN_S), (DecodeFit(BASE_S, PER_SEQUENCE_S),), (1, 1 << 24), (1, 4096), "one us a token"
)
MEAN_TOLERANCE, P99_TOLERANCE = 0.025, 0.04
START, LONGEST, MOST, BATCHES = 500_000, 8_000_000, 64_000_000, 32
#: Level at which the doubling looks at widths: that of one comparison among sixty.
LOOK = 1 - 0.01 / 60
#: (seconds, probability) of the service laws of M/G/1: squared coefficients of variation 1.0 and 4.7.
MILD = ((0.2, 0.5), (1.0, 0.35), (3.0, 0.15))
WILD = ((0.3, 0.9), (8.0, 0.1))

Draw = Callable[[np.random.Generator, int], np.ndarray]


def random(seed: int, role: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, role])))


def fixed(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.full(n, 1_000_000)


def geometric(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.minimum(rng.geometric(1e-6, n), 1 << 24)


def atoms(law: tuple[tuple[float, float], ...], rng: np.random.Generator, n: int) -> np.ndarray:
    seconds, weight = zip(*law, strict=True)
    return rng.choice(np.rint(np.array(seconds) / TOKEN_S).astype(int), n, p=weight)


@dataclass(frozen=True)
class Queue:
    """A prefill pool that is a textbook queue."""

    name: str
    rate: float
    servers: int
    router: str
    draw: Draw
    law: Any
    utilization: float

    def waits(self, n: int, seed: int = 1) -> np.ndarray:
        arrival = np.cumsum(random(seed, 0).exponential(1 / self.rate, n))
        pool = PrefillPool(self.servers, MODEL, router=self.router, discipline="one_at_a_time")
        config = PdConfig(pool, DecodePool(1, MODEL), first_token_from="prefill")
        stream = Stream.of(arrival, self.draw(random(seed, 1), n), np.ones(n, dtype=np.int32))
        return run_pd(config, stream).queue_s

    def compare(self) -> tuple[list[Comparison], int]:
        warmup = mser5(self.waits(100_000, seed=0)).observations
        n = START
        while True:
            mean, p99 = self.estimates(n, warmup)
            narrow = mean.half_width(LOOK) <= MEAN_TOLERANCE * mean.estimate
            narrow &= p99.half_width(LOOK) <= P99_TOLERANCE * p99.estimate
            if (narrow and mean.sound and p99.sound) or 2 * n > MOST:
                break
            n *= 2
        low, high = self._p99()
        trust = self.law.trust if hasattr(self.law, "trust") else Trust.EXACT
        label = f"{self.name} | {self.utilization:g}"
        return [
            Comparison(f"{label} | mean wait", float(self.law.mean_wait_s), trust, mean, MEAN_TOLERANCE),
            Comparison(f"{label} | p99 wait", (low, high), trust, p99, P99_TOLERANCE),
        ], n

    def estimates(self, n: int, warmup: int) -> tuple[MeanEstimate, QuantileEstimate]:
        """Mean and p99 of ``n`` customers: 32 batches of one run, or of each of several runs of LONGEST."""
        runs = max(1, n // LONGEST)
        size = n // runs // BATCHES * BATCHES  # batches never span two runs
        waits = np.concatenate(
            [self.waits(size + warmup, 1 + k)[warmup:].astype(np.float32) for k in range(runs)]
        )
        (p99,) = quantile_estimates(waits, (0.99,), BATCHES * runs)
        return mean_estimate(waits, BATCHES * runs), p99

    def _p99(self) -> tuple[float, float]:
        if hasattr(self.law, "wait_quantile_bounds_s"):
            low, high = self.law.wait_quantile_bounds_s(0.99)
            return float(low), float(high)
        return (float(self.law.wait_quantile_s(0.99)),) * 2


@dataclass(frozen=True)
class Decode:
    """A decode instance whose batch is negative binomial."""

    name: str
    phi: float
    fixed: bool
    runs: int = 32
    requests: int = 125_000

    def compare(self) -> tuple[list[Comparison], int]:
        rate = self.phi / (STEPS * PER_SEQUENCE_S)
        step_s = BASE_S / (1 - self.phi)
        memory_s = STEPS * step_s**2 / BASE_S
        pool = DecodePool(1, MODEL, max_batch=4096, memory=KvMemory(reservation="full"))
        config = PdConfig(PrefillPool(1, MODEL, discipline="one_at_a_time"), pool)
        kept = Recording(from_s=12 * memory_s)
        mean, p99 = [], []
        for seed in range(self.runs):
            n = self.requests + int(kept.from_s * rate)
            arrival = np.cumsum(random(seed, 0).exponential(1 / rate, n))
            out = np.full(n, STEPS) if self.fixed else random(seed, 1).geometric(1 / STEPS, n)
            run = run_pd(config, Stream.of(arrival, np.ones(n, dtype=int), out), recording=kept)
            spent, gaps = gap_sums(run, (run.arrival_s > kept.from_s) & (run.output_tokens > 1), 1.0, 0)
            mean.append(spent.sum() / gaps.sum())
            p99.append(gap_quantile_s(run, 0.99))
        lengths = np.full(1, float(STEPS))
        work = DecodeWork.from_lengths(np.zeros(1), lengths, np.ones(1))
        law = StationaryBatch(rate, work, AffineStep(BASE_S, PER_SEQUENCE_S))
        q = float(law.itl_quantile_s(0.99))
        # a sample of a law on steps of the batch, read from bins of 0.4%: no point value is sharper than that
        blur = 0.5 * PER_SEQUENCE_S + 0.002 * q
        label = f"{self.name} | {self.phi:g}"
        return [
            Comparison(
                f"{label} | mean ITL",
                law.mean_itl_s,
                law.trust,
                replication_estimate(np.array(mean)),
                MEAN_TOLERANCE,
            ),
            Comparison(
                f"{label} | p99 ITL",
                (q - blur, q + blur),
                law.trust,
                replication_estimate(np.array(p99)),
                P99_TOLERANCE,
            ),
        ], self.runs * self.requests


def cells() -> Iterator[Queue | Decode]:
    for rho in (0.5, 0.8, 0.9):
        yield Queue("M/M/1", rho, 1, "round_robin", geometric, MM1(rho, 1.0), rho)
        yield Queue("M/D/1", rho, 1, "round_robin", fixed, MD1(rho, 1.0), rho)
        for servers in (2, 4, 8):
            law = MDc(rho * servers, 1.0, servers)
            yield Queue(f"M/D/{servers}, round robin", rho * servers, servers, "round_robin", fixed, law, rho)
        for name, service in (("M/G/1, SCV 1.0", MILD), ("M/G/1, SCV 4.7", WILD)):
            seconds, weight = zip(*service, strict=True)
            rate = rho / float(np.dot(seconds, weight))
            law = MG1.from_atoms(arrival_rate=rate, values_s=list(seconds), weights=list(weight))
            yield Queue(name, rate, 1, "round_robin", partial(atoms, service), law, rho)
        yield Queue("M/M/4, least work", 4 * rho, 4, "least_work", geometric, MMc(4 * rho, 1.0, 4), rho)
    for phi in (0.3, 0.5, 0.8):
        yield Decode("decode, geometric outputs", phi, False)
        yield Decode("decode, fixed outputs", phi, True)


# -- other simulators, given the same arrivals and services, customer by customer


def shared_sample(n: int, servers: int, rho: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals [s] and prompts of mean 1 s of prefill."""
    arrival = np.cumsum(random(5, 0).exponential(1 / (rho * servers), n))
    return arrival, geometric(random(5, 1), n)


def engine_pool(arrival: np.ndarray, prompts: np.ndarray, servers: int, router: str) -> np.ndarray:
    """Waits at a pool of ``servers`` prefill instances [s]."""
    pool = PrefillPool(servers, MODEL, router=router, discipline="one_at_a_time")
    config = PdConfig(pool, DecodePool(1, MODEL), first_token_from="prefill")
    return run_pd(config, Stream.of(arrival, prompts, np.ones(arrival.size, dtype=int))).queue_s


def engine_tandem(arrival: np.ndarray, prompts: np.ndarray, link_s: float) -> np.ndarray:
    """When the KV of each request has left one prefill instance and its link [s]."""
    link = KvLink(1.0, 1.0 / (link_s * TOKEN_S), mode="push")
    pool = DecodePool(1, MODEL, max_batch=4096)
    config = PdConfig(PrefillPool(1, MODEL, discipline="one_at_a_time"), pool, link)
    run = run_pd(config, Stream.of(arrival, prompts, np.ones(arrival.size, dtype=int)))
    return run.arrival_s + run.queue_s + run.prefill_s + run.transfer_s


def simpy_stages(arrival: np.ndarray, services: list[np.ndarray], servers: list[int]) -> np.ndarray:
    """(begin, end) of service of each customer at each stage, by simpy."""
    import simpy

    environment = simpy.Environment()
    pools = [simpy.Resource(environment, capacity=c) for c in servers]
    times = np.zeros((arrival.size, len(servers), 2))

    def customer(k: int) -> Iterator[Any]:
        yield environment.timeout(arrival[k])
        for stage, pool in enumerate(pools):
            with pool.request() as place:
                yield place
                times[k, stage, 0] = environment.now
                yield environment.timeout(services[stage][k])
                times[k, stage, 1] = environment.now

    for k in range(arrival.size):
        environment.process(customer(k))
    environment.run()
    return times


def ciw_stages(arrival: np.ndarray, services: list[np.ndarray], servers: list[int]) -> np.ndarray:
    """(begin, end) of service of each customer at each stage, by ciw."""
    import ciw

    stages, n = len(servers), arrival.size
    gaps = [*np.diff(arrival, prepend=0.0).tolist(), 1e12]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential(gaps)] + [None] * (stages - 1),
        service_distributions=[ciw.dists.Sequential(s.tolist()) for s in services],
        number_of_servers=servers,
        routing=[[1.0 if j == i + 1 else 0.0 for j in range(stages)] for i in range(stages)],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(n, method="Finish")
    times = np.zeros((n, stages, 2))
    for record in simulation.get_all_records():
        at = record.id_number - 1, record.node - 1
        times[at] = record.service_start_date, record.service_end_date
    return times


def peers(n: int = 20_000) -> list[tuple[str, str, float]]:
    """(system, simulator, largest difference [s])."""
    found = []
    for name, stages in (("simpy", simpy_stages), ("ciw", ciw_stages)):
        try:
            arrival, prompts = shared_sample(n, 4)
            times = stages(arrival, [np.ones(n)], [4])
        except ImportError:
            continue
        same = engine_pool(arrival, np.full(n, 1_000_000), 4, "round_robin")
        found.append(("M/D/4, round robin", name, _off(same, times[:, 0, 0] - arrival)))
        if name == "simpy":  # ciw deals services in order of start: the same customers, other services
            times = stages(arrival, [prompts * TOKEN_S], [4])
            same = engine_pool(arrival, prompts, 4, "least_work")
            found.append(("M/M/4, least work", name, _off(same, times[:, 0, 0] - arrival)))
        arrival, prompts = shared_sample(n, 1)
        times = stages(arrival, [prompts * TOKEN_S, 0.9 * prompts * TOKEN_S], [1, 1])
        found.append(
            (
                "tandem: prefill, then its link",
                name,
                _off(engine_tandem(arrival, prompts, 0.9), times[:, 1, 1]),
            )
        )
    return found


def _off(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max())


def compare_all(chosen: list[Queue | Decode]) -> tuple[tuple[AgreementRow, ...], dict[str, int]]:
    comparisons, customers = [], {}
    for cell in chosen:
        start = time.time()
        found, n = cell.compare()
        comparisons += found
        customers |= {c.quantity: n for c in found}
        print(f"{found[0].quantity}: {n:,} in {time.time() - start:.1f} s", file=sys.stderr, flush=True)
    return agreement(comparisons), customers


HEAD = f"""# The engine against laws and against other simulators

Written by `python benchmarks/engine_laws.py`. Prefill instances with one prompt at a time are textbook
queues: equal prompts dealt round robin wait as in M/D/c, least work left as in one queue. Decode without KV
reads (step {BASE_S * 1e3:g} ms + {PER_SEQUENCE_S * 1e3:g} ms a sequence, {STEPS} steps a request) has a
negative binomial batch with success phi. Warm-up by MSER-5 from a pilot, 32 batches (decode: 32 runs),
customers doubled until the half-width is within {MEAN_TOLERANCE:.1%} of a mean and {P99_TOLERANCE:.0%} of a
p99. The intervals hold together with 99% (Holm, {{count}} comparisons). ITL percentiles are compared to half
a sequence's time and 0.2%, the width of the engine's histogram.

| system | load | quantity | law | simulated | interval | difference | customers | verdict |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def table_row(row: AgreementRow, customers: int) -> str:
    law = f"{row.formula_low:.5g}"
    if row.formula_high > row.formula_low:
        law = f"{row.formula_low:.5g} .. {row.formula_high:.5g}"
    middle = 0.5 * (row.formula_low + row.formula_high)
    return (
        f"| {row.quantity} | {law} | {row.simulated:.5g} | {row.low:.5g} .. {row.high:.5g} "
        f"| {row.simulated / middle - 1:+.2%} | {customers:,} | {row.verdict} |"
    )


PEERS = """
## The same customers in simpy and ciw

Arrivals and services are drawn once and given to each; {n:,} customers at utilisation 0.8. The largest
difference of any wait (of any departure, for the tandem) is that of rounding.

| system | simulator | largest difference, s |
| --- | --- | --- |
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUTPUT)
    chosen = parser.parse_args()
    rows, customers = compare_all(list(cells()))
    lines = [table_row(row, customers[row.quantity]) for row in rows]
    n = 20_000
    others = "\n".join(f"| {system} | {name} | {off:.1e} |" for system, name, off in peers(n))
    text = HEAD.format(count=len(rows)) + "\n".join(lines) + "\n" + PEERS.format(n=n, rows=others)
    chosen.out.write_text(text)
    print(text)
    sys.exit(0 if all(row.verdict == "agrees" for row in rows) else 1)


if __name__ == "__main__":
    main()
