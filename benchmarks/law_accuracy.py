"""How far the waiting-time laws are from simulation, over load, servers and service laws.

    python benchmarks/law_accuracy.py            # at most 30 minutes; writes docs/validation/law_accuracy.md
    python benchmarks/law_accuracy.py --log2-customers 21 --output /tmp/quick.md

Every cell is one queue before c servers, first come first served, driven by the recursion of Kiefer and
Wolfowitz on a heap. The same arrivals and lengths drive a single server c times as fast, whose law is known
exactly: its mean and its tail at p99 are control variates. Batch means with 32 batches; the run is doubled
until the 95% interval is within 1% of the mean and 2% of p99 and the batches are uncorrelated (lag 1 below
0.3), or that cannot be had from the customers allowed: then the cell says undetermined. One server has no
control (it would be its own). Round robin over the same servers is measured alongside, for what accuracy the
run happens to give.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numba
import numpy as np
from scipy import stats

from pdplan.queueing import (
    GIG1,
    MD1,
    MG1,
    MM1,
    Deterministic,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    MDc,
    MGc,
    MMc,
    ServiceLaw,
    WaitingLaw,
)
from pdplan.trust import Trust

RHOS = (0.3, 0.6, 0.8, 0.9, 0.95, 0.98)
SERVERS = (1, 2, 4, 8, 32)
BATCHES = 32
BLOCK = 1 << 15
BINS = 4096
BINS_TO_P99 = 512
P = 0.99
LEVEL = 0.95
MEAN_LIMIT, P99_LIMIT = 0.01, 0.02
OUTPUT = Path(__file__).parents[1] / "docs" / "validation" / "law_accuracy.md"

Sampler = Callable[[np.random.Generator, int], np.ndarray]


def _two_phases(rng: np.random.Generator, n: int) -> np.ndarray:
    share = (1 + np.sqrt(3 / 5)) / 2  # balanced means at scv 4
    mean = np.where(rng.random(n) < share, 1 / (2 * share), 1 / (2 * (1 - share)))
    return rng.standard_exponential(n) * mean


SERVICES: dict[str, tuple[Callable[[float], ServiceLaw], Sampler]] = {
    "deterministic": (Deterministic, lambda rng, n: np.ones(n)),
    "Erlang-4": (lambda s: Erlang(s, 4), lambda rng, n: rng.standard_gamma(4.0, n) / 4),
    "exponential": (Exponential, lambda rng, n: rng.standard_exponential(n)),
    "lognormal, scv 2": (
        lambda s: Lognormal(s, 2.0),
        lambda rng, n: np.exp(rng.standard_normal(n) * np.sqrt(np.log(3)) - np.log(3) / 2),
    ),
    "H2, scv 4": (lambda s: Hyperexponential(s, 4.0), _two_phases),
}


@numba.njit(cache=True)
def _drive(gaps, lengths, scale, heap, turn, state, sums, hists, inverse_widths):  # type: ignore[no-untyped-def]
    """One block of customers through the pool, the fast server and round robin; adds to one batch.

    ``heap`` and ``turn`` hold times relative to now at which servers fall free; ``state`` is the fast
    server's wait and the next server in turn.
    """
    c = heap.size
    last = hists.shape[1] - 1
    fast, place = state[0], int(state[1])
    now = 0.0
    for i in range(gaps.size):
        gap = gaps[i] * scale
        now += gap
        free = heap[0]
        start = free if free > now else now
        wait = start - now
        sums[0] += wait
        hists[0, min(int(wait * inverse_widths[0]), last)] += 1
        x = start + lengths[i]
        k = 0
        while True:
            child = 2 * k + 1
            if child >= c:
                break
            if child + 1 < c and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= x:
                break
            heap[k] = heap[child]
            k = child
        heap[k] = x
        fast = max(fast - gap, 0.0)
        sums[1] += fast
        hists[1, min(int(fast * inverse_widths[1]), last)] += 1
        fast += lengths[i] / c
        free = turn[place]
        start = free if free > now else now
        wait = start - now
        sums[2] += wait
        hists[2, min(int(wait * inverse_widths[2]), last)] += 1
        turn[place] = start + lengths[i]
        place = place + 1 if place + 1 < c else 0
    for j in range(c):
        heap[j] -= now
        turn[j] -= now
    state[0], state[1] = fast, place


@dataclass
class Estimate:
    """A simulated number with its 95% half-width and what the test of a law needs."""

    value: float
    error: float
    lag: float
    freedom: int

    @property
    def half_width(self) -> float:
        return float(stats.t.ppf(0.5 + LEVEL / 2, self.freedom)) * self.error

    def relative(self) -> float:
        return self.half_width / abs(self.value) if self.value else np.inf

    def p_value(self, claim: float) -> float:
        return (
            float(2 * stats.t.sf(abs(claim - self.value) / self.error, self.freedom)) if self.error else 1.0
        )


@dataclass
class Cell:
    """One load, one pool, one service law: the laws claimed and the run that checks them."""

    rho: float
    servers: int
    service: str
    law: WaitingLaw
    fast: WaitingLaw
    turn: WaitingLaw
    heap: np.ndarray = field(init=False)
    open: bool = True
    customers: int = 0

    def __post_init__(self) -> None:
        c = self.servers
        self.heap, self.free, self.state = np.zeros(c), np.zeros(c), np.zeros(2)
        p99 = [float(law.wait_quantile_s(P)) for law in (self.law, self.fast, self.turn)]
        self.law_p99, self.fast_p99, self.turn_p99 = p99
        self.widths = np.array([(q if q > 0 else 1 / c) / BINS_TO_P99 for q in p99])
        self.sums = np.zeros((BATCHES, 3))
        self.hists = np.zeros((BATCHES, 3, BINS), dtype=np.int64)
        self.controls = np.array(
            [self.fast.mean_wait_s, float(self.fast.wait_sf(BINS_TO_P99 * self.widths[1]))]
        )

    def drive(self, gaps: np.ndarray, lengths: np.ndarray, batch: int) -> None:
        scale = 1 / (self.rho * self.servers)
        args = (self.heap, self.free, self.state, self.sums[batch], self.hists[batch], 1 / self.widths)
        _drive(gaps, lengths, scale, *args)

    def forget(self) -> None:
        self.sums[:] = 0
        self.hists[:] = 0

    def merge(self) -> None:
        """Pairs of batches become one; the second half is free again."""
        for store in (self.sums, self.hists):
            store[: BATCHES // 2] = store[0::2] + store[1::2]
            store[BATCHES // 2 :] = 0

    def settle(self, per_batch: int, most: int) -> None:
        """Estimate, and close the cell if both intervals are narrow enough."""
        self.customers = per_batch * BATCHES
        means = self.sums / per_batch
        beyond = 1 - np.cumsum(self.hists, axis=2) / per_batch  # P(W >= right edge of the bin)
        controls = np.column_stack([means[:, 1], beyond[:, 1, BINS_TO_P99 - 1]]) - self.controls
        if self.servers == 1:
            controls = controls[:, :0]
        self.mean = _controlled(means[:, 0], controls)
        self.p99 = _quantile(beyond[:, 0], controls, self.widths[0])
        self.turn_mean = _controlled(means[:, 2], controls)
        self.turn_q = _quantile(beyond[:, 2], controls, self.widths[2])
        self.waiting = 1 - self.hists[:, 0, 0].sum() / self.customers
        one_queue = [(self.mean, MEAN_LIMIT), (self.p99, P99_LIMIT)]
        in_turn = [(self.turn_mean, MEAN_LIMIT), (self.turn_q, P99_LIMIT)] if self.servers > 1 else []
        left = [self._share_done(seen, limit) for seen, limit in one_queue + in_turn]
        reachable = [share for share in left if share < 1 and self.customers < share * 4 * most]
        self.open = bool(reachable) if self.customers >= 1 << 23 else min(left) < 1

    def _share_done(self, seen: Estimate, limit: float) -> float:
        """Customers so far over customers needed for an interval within ``limit``, 1 if it is."""
        if seen.value == 0 and limit == P99_LIMIT:
            return 1.0  # fewer than 1% wait
        if seen.relative() < limit:
            return 1.0 if abs(seen.lag) < 0.3 else 0.99
        return (limit / seen.relative()) ** 2


def _design(controls: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Weights that give the intercept of a regression on the controls, its matrix and degrees of freedom."""
    scale = controls.std(axis=0)
    kept = controls[:, scale > 0] / scale[scale > 0]
    x = np.column_stack([np.ones(len(controls)), kept])
    weights = np.linalg.pinv(x)[0]
    return weights, x, len(controls) - x.shape[1]


def _controlled(y: np.ndarray, controls: np.ndarray) -> Estimate:
    weights, x, freedom = _design(controls)
    rest = y - x @ (np.linalg.pinv(x) @ y)
    spread = rest @ rest / freedom
    lag = float(rest[1:] @ rest[:-1] / (rest @ rest)) if spread > 0 else 0.0
    return Estimate(float(weights @ y), float(np.sqrt(spread * (weights @ weights))), lag, freedom)


def _quantile(beyond: np.ndarray, controls: np.ndarray, width: float) -> Estimate:
    """p99 where the controlled tail crosses 1%, its error by the slope of the tail there."""
    weights, _, freedom = _design(controls)
    tail = weights @ beyond
    below = np.flatnonzero(tail <= 1 - P)
    if not below.size:
        return Estimate(np.inf, np.inf, 0.0, freedom)
    j = int(below[0])
    at = _controlled(beyond[:, j], controls)
    if j == 0:
        return Estimate(0.0, 0.0, at.lag, freedom)
    a, b = max(j - 24, 0), min(j + 24, BINS - 1)
    slope = (tail[a] - tail[b]) / ((b - a) * width)
    value = (j + 1 - (1 - P - tail[j]) / max(tail[j - 1] - tail[j], 1e-300)) * width
    return Estimate(float(value), at.error / slope if slope > 0 else np.inf, at.lag, freedom)


def _law(rho: float, servers: int, service: ServiceLaw) -> WaitingLaw:
    """The law that a plan would use."""
    rate = rho * servers / service.mean_s
    if service.scv == 0:
        return MD1(rate, service.mean_s) if servers == 1 else MDc(rate, service.mean_s, servers)
    if isinstance(service, type(Exponential(1.0))) and service.scv == 1:
        return MM1(rate, service.mean_s) if servers == 1 else MMc(rate, service.mean_s, servers)
    return MG1(rate, service) if servers == 1 else MGc(rate, service, servers)


def _cells(name: str) -> list[Cell]:
    make = SERVICES[name][0]
    cells = []
    for servers in SERVERS:
        for rho in RHOS:
            gaps = Erlang(1 / rho, servers)
            law, fast = _law(rho, servers, make(1.0)), _law(rho, 1, make(1.0 / servers))
            turn = GIG1(arrival_rate=rho, service=make(1.0), interarrival=gaps)
            cells.append(Cell(rho, servers, name, law, fast, turn))
    return cells


def simulate(name: str, log2_customers: int, seed: int) -> list[Cell]:
    """All cells of one service law, on common random numbers."""
    cells, draw = _cells(name), SERVICES[name][1]
    streams = np.random.SeedSequence(seed).spawn(2)
    arrivals, services = (np.random.Generator(np.random.Philox(s)) for s in streams)
    per_batch, batch = BLOCK, 0
    for _ in range(2 * BATCHES):  # warm-up: two million customers
        gaps, lengths = arrivals.standard_exponential(BLOCK), draw(services, BLOCK)
        for cell in cells:
            cell.drive(gaps, lengths, 0)
    for cell in cells:
        cell.forget()
    while any(cell.open for cell in cells):
        for _ in range(per_batch // BLOCK):
            gaps, lengths = arrivals.standard_exponential(BLOCK), draw(services, BLOCK)
            for cell in cells:
                if cell.open:
                    cell.drive(gaps, lengths, batch)
        batch += 1
        if batch < BATCHES:
            continue
        for cell in cells:
            if cell.open:
                cell.settle(per_batch, 1 << log2_customers)
        if per_batch * BATCHES >= 1 << log2_customers:
            break
        for cell in cells:
            if cell.open:
                cell.merge()
        per_batch, batch = 2 * per_batch, BATCHES // 2
    return cells


def _error(claim: float, seen: Estimate, limit: float) -> str:
    if seen.value == 0:
        return "none wait" if claim < 1e-6 else f"law {claim:.3g}, seen 0"
    if not seen.relative() < limit:
        return "undetermined"
    return f"{100 * (claim / seen.value - 1):+.2f} ±{100 * seen.relative():.2f}"


def _table(cells: list[Cell], shown: Callable[[Cell], str], servers: tuple[int, ...]) -> list[str]:
    lines = ["| c | " + " | ".join(f"rho {r}" for r in RHOS) + " |", "|---" * (len(RHOS) + 1) + "|"]
    for c in servers:
        row = [shown(cell) for cell in cells if cell.servers == c]
        lines.append(f"| {c} | " + " | ".join(row) + " |")
    return lines


def _worst(errors: list[float]) -> str:
    if not errors:
        return "- | -"
    return f"{100 * float(np.median(errors)):.2f}% | {100 * max(errors):.2f}%"


def _errors(cells: list[Cell]) -> tuple[list[float], list[float]]:
    mean = [abs(x.law.mean_wait_s / x.mean.value - 1) for x in cells if x.mean.relative() < MEAN_LIMIT]
    p99 = [
        abs(x.law_p99 / x.p99.value - 1) for x in cells if x.p99.value > 0 and x.p99.relative() < P99_LIMIT
    ]
    return mean, p99


def contradictions(cells: list[Cell]) -> list[str]:
    """Claims that the runs refute: Holm's test at 1% over determined numbers of exact or bounded laws."""
    tests: list[tuple[float, str]] = []

    def test(claim: float, seen: Estimate, limit: float, what: str) -> None:
        if seen.value > 0 and seen.relative() < limit and abs(seen.lag) < 0.3:
            tests.append((seen.p_value(claim), what))

    for cell in cells:
        place = f"{cell.service}, c = {cell.servers}, rho = {cell.rho}"
        if cell.law.trust is not Trust.APPROXIMATE:
            test(cell.law.mean_wait_s, cell.mean, MEAN_LIMIT, f"mean, {place}")
        if cell.law.trust is Trust.EXACT:
            test(cell.law_p99, cell.p99, P99_LIMIT, f"p99, {place}")
        if cell.law.trust is Trust.BOUNDED:
            nearest = np.clip(cell.p99.value, *cell.law.wait_quantile_bounds_s(P))  # type: ignore[attr-defined]
            test(float(nearest), cell.p99, P99_LIMIT, f"p99 bracket, {place}")
        if cell.servers > 1 and cell.turn.trust is Trust.EXACT:
            test(cell.turn.mean_wait_s, cell.turn_mean, MEAN_LIMIT, f"mean, round robin, {place}")
            test(cell.turn_p99, cell.turn_q, P99_LIMIT, f"p99, round robin, {place}")
    tests.sort()
    return [what for i, (p, what) in enumerate(tests) if p < 0.01 / (len(tests) - i)]


def report(results: dict[str, list[Cell]], seconds: float, log2_customers: int, seed: int) -> list[str]:
    """The page."""
    everything = [cell for cells in results.values() for cell in cells]
    lines = [
        "# Accuracy of the waiting-time laws",
        "",
        f"Made by `python benchmarks/law_accuracy.py` (seed {seed}, up to 2^{log2_customers} customers a "
        f"cell) on {date.today().isoformat()}, one core of {_machine()}, in {seconds / 60:.1f} minutes.",
        "",
        "Error of the law in percent of the simulated number, and the half-width of the simulation's 95% "
        "interval. Batch means with 32 batches; for c > 1 a single server c times as fast, driven by the "
        "same arrivals and lengths, is the control variate. A cell is undetermined where the interval is "
        "wider than 1% of the mean or 2% of p99; `none wait` where fewer than 1% of the customers do.",
        "",
        "## Summary",
        "",
        "| law | trust | service | mean: median | mean: worst | p99: median | p99: worst | cells |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in everything:
        groups.setdefault((type(cell.law).__name__, cell.law.trust.value, cell.service), []).append(cell)
    for (law, trust, service), cells in groups.items():
        mean, p99 = _errors(cells)
        counted = f"{len(mean)} means, {len(p99)} p99 of {len(cells)}"
        lines.append(f"| {law} | {trust} | {service} | {_worst(mean)} | {_worst(p99)} | {counted} |")
    refuted = contradictions(everything)
    lines += ["", "Determined cells that refute a claim of exactness or a bracket (Holm's test, 1%): "]
    lines[-1] += "; ".join(refuted) + "." if refuted else "none."
    for name, cells in results.items():
        lines += ["", f"## Service: {name}", "", "Mean wait, one queue (least work left):", ""]
        lines += _table(cells, lambda x: _error(x.law.mean_wait_s, x.mean, MEAN_LIMIT), SERVERS)
        lines += ["", "p99 of the wait, one queue:", ""]
        lines += _table(cells, lambda x: _error(x.law_p99, x.p99, P99_LIMIT), SERVERS)
        lines += ["", "Round robin (`GIG1` with Erlang-c gaps), mean wait:", ""]
        lines += _table(cells, lambda x: _error(x.turn.mean_wait_s, x.turn_mean, MEAN_LIMIT), SERVERS[1:])
        lines += ["", "Round robin, p99 of the wait:", ""]
        lines += _table(cells, lambda x: _error(x.turn_p99, x.turn_q, P99_LIMIT), SERVERS[1:])
    return [*lines, ""]


def _machine() -> str:
    try:
        model = next(x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name"))
        return f"{model.split(':', 1)[1].strip()} ({platform.system()})"
    except (OSError, StopIteration):
        return f"{platform.machine()} ({platform.system()})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--log2-customers", type=int, default=27, help="largest run of a cell, 2^n customers")
    parser.add_argument("--seed", type=int, default=20240501)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    started, results = time.perf_counter(), {}
    for i, name in enumerate(SERVICES):
        results[name] = simulate(name, options.log2_customers, options.seed + i)
        still = sum(cell.open for cell in results[name])
        print(f"{name}: {time.perf_counter() - started:.0f} s, {still} cells open", file=sys.stderr)
    seconds = time.perf_counter() - started
    lines = report(results, seconds, options.log2_customers, options.seed)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(lines))
    print(f"{options.output} written in {seconds:.0f} s")
    refuted = contradictions([cell for cells in results.values() for cell in cells])
    return 1 if refuted else 0


if __name__ == "__main__":
    raise SystemExit(main())
