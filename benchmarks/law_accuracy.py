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
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
from law_cells import BATCHES, MEAN_LIMIT, P99_LIMIT, Cell, Estimate, P
from page import machine

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
BLOCK = 1 << 15
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
        f"cell) on {date.today().isoformat()}, one core of {machine()}, in {seconds / 60:.1f} minutes.",
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
