"""How long the waiting-time laws take, against their targets.

    python benchmarks/queueing_speed.py          # about a minute; writes docs/validation/queueing_speed.md

The best of several runs of each, on one core, after imports. A missed target is printed and exits with 1.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from page import machine

from pdplan.queueing import (
    GIG1,
    MG1,
    Atoms,
    Erlang,
    ErlangA,
    Hyperexponential,
    MDc,
    MGc,
    MMc,
    erlang_b,
    erlang_c,
    erlang_c_servers,
    md1_wait_quantile,
    mdc_wait_probability_and_mean,
    mg1_wait_quantile_bounds_fast,
    mmc_servers_for_wait_tail,
)

OUTPUT = Path(__file__).parents[1] / "docs" / "validation" / "queueing_speed.md"


@dataclass(frozen=True)
class Task:
    """Something to time [s], with the time it may take, if one was promised."""

    name: str
    run: Callable[[], object]
    limit_s: float | None = None


def _histogram() -> Atoms:
    values = np.linspace(0.02, 1.5, 101)
    return Atoms(values, np.exp(-((np.log(values) + 1.2) ** 2) / 0.8))


def tasks() -> list[Task]:
    """Every task builds its law anew: nothing is cached between runs."""
    histogram, varied = _histogram(), Hyperexponential(1.0, 4.0)
    rate = 0.9 / histogram.mean_s
    many = np.tile(np.linspace(0.5, 0.9999, 100), 100)
    loads = np.repeat(np.linspace(0.3, 0.95, 100), 100)
    return [
        Task(
            "10,000 M/D/1 quantiles, 100 loads x 100 p, one call", lambda: md1_wait_quantile(loads, many), 0.2
        ),
        Task(
            "M/G/1 from a 101-point histogram, rho 0.9: bracket at p99 within 1%",
            lambda: MG1(rate, histogram).wait_quantile_bounds_s(0.99),
            0.05,
        ),
        Task(
            "two-sided cheap bound on that p99",
            lambda: mg1_wait_quantile_bounds_fast(rate, histogram, 0.99),
            0.001,
        ),
        Task("Erlang C staffing, 100,000 erlangs", lambda: erlang_c_servers(1e5, 0.2), 0.001),
        Task(
            "M/M/c staffing to a p99 of the wait, 100,000 erlangs",
            lambda: mmc_servers_for_wait_tail(1e5, 1.0, 1e-3, 0.99),
            0.001,
        ),
        Task("Erlang B, 10 million servers", lambda: erlang_b(10_000_000, 9_990_000.0)),
        Task("Erlang C, 1000 loads at once", lambda: erlang_c(1000, np.linspace(800, 999, 1000))),
        Task("M/M/c p99 of the response, c = 1000", lambda: MMc(980.0, 1.0, 1000).response_quantile_s(0.99)),
        Task("M/D/c mean, c = 4, rho 0.9", lambda: MDc(3.6, 1.0, 4).mean_wait_s),
        Task("M/D/c mean, c = 100,000, rho 0.999", lambda: MDc(99_900.0, 1.0, 100_000).mean_wait_s),
        Task("M/D/c by Spitzer's sums, c = 4, rho 0.9999", lambda: mdc_wait_probability_and_mean(0.9999, 4)),
        Task("M/D/c p99, c = 4, rho 0.9", lambda: MDc(3.6, 1.0, 4).wait_quantile_s(0.99)),
        Task("M/D/c p99, c = 1000, rho 0.99", lambda: MDc(990.0, 1.0, 1000).wait_quantile_s(0.99)),
        Task(
            "M/G/c mean and p99, Erlang-4, c = 8", lambda: MGc(7.2, Erlang(1.0, 4), 8).wait_quantile_s(0.99)
        ),
        Task("M/G/c mean and p99, H2 scv 4, c = 8", lambda: MGc(7.2, varied, 8).wait_quantile_s(0.99)),
        Task(
            "M/G/c p99 of the response, H2 scv 4, c = 8",
            lambda: MGc(7.2, varied, 8).response_quantile_s(0.99),
        ),
        Task(
            "GI/G/1 p99, round robin over 4, H2 scv 4",
            lambda: GIG1(arrival_rate=0.9, service=varied, interarrival=Erlang(1 / 0.9, 4)).wait_quantile_s(
                0.99
            ),
        ),
        Task("Erlang-A, a million servers", lambda: ErlangA(1e6, 1.0, 1_000_000, 1.0).abandon_probability),
    ]


def best_of(run: Callable[[], object], *, seconds: float = 1.5, most: int = 200) -> float:
    """Shortest of as many runs as fit [s]."""
    run()
    times: list[float] = []
    while sum(times) < seconds and len(times) < most:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def _shown(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lines = [
        "# Speed of the waiting-time laws",
        "",
        f"Made by `python benchmarks/queueing_speed.py` on {date.today().isoformat()}, one core of "
        f"{machine()}, Python {platform.python_version()}. Best of several runs, each with a new law.",
        "",
        "| task | time | target | |",
        "|---|---|---|---|",
    ]
    missed = 0
    for task in tasks():
        seconds = best_of(task.run)
        late = task.limit_s is not None and seconds > task.limit_s
        missed += late
        target = _shown(task.limit_s) if task.limit_s else ""
        verdict = "" if task.limit_s is None else ("missed" if late else "met")
        lines.append(f"| {task.name} | {_shown(seconds)} | {target} | {verdict} |")
        print(lines[-1])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join([*lines, ""]))
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
