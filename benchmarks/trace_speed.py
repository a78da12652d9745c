"""How fast and in how much memory traces are described.

    python benchmarks/trace_speed.py [--rows 10000000] [--out docs/validation/trace_speed.md]

Each trace is written to a temporary folder and described by a process of its own, the command a person would
type: start-up, reading, all statistics and the text. The memory is that process's peak resident size.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv

CHUNK = 500_000
#: Run the command, then say the peak [KiB] on the last line of standard error. Linux counts it anew for each
#: program there, while ru_maxrss starts from what the process that started it held.
WATCHED = """
import contextlib, pathlib, sys
from pdplan.cli import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), file=sys.stderr)
"""


class Cost(NamedTuple):
    seconds: float
    peak_mib: float
    output: str


def write_plain(path: Path, rows: int) -> None:
    """Drifting Poisson arrivals in microseconds, lognormal lengths: arrival_s and both lengths."""
    names = ("arrival_s", "prompt_tokens", "output_tokens")
    write_rows(path, names, rows, lambda t: np.round(t, 6))


def write_azure(path: Path, rows: int) -> None:
    """The same in the columns of the Azure traces, with dates."""
    start = np.datetime64("2023-11-16T18:15:46", "us")
    names = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
    write_rows(path, names, rows, lambda t: start + (t * 1e6).astype("timedelta64[us]"))


def write_rows(
    path: Path, names: tuple[str, ...], rows: int, times: Callable[[np.ndarray], np.ndarray]
) -> None:
    rng = np.random.Generator(np.random.Philox(7))
    at, writer = 0.0, None
    for begin in range(0, rows, CHUNK):
        n = min(CHUNK, rows - begin)
        rate = 100.0 * (1.0 + 0.5 * np.sin(2 * np.pi * at / 86400.0))
        arrivals = at + np.cumsum(rng.exponential(1.0 / rate, n))
        at = float(arrivals[-1])
        prompts = np.ceil(rng.lognormal(6.6, 0.9, n)).astype(np.int64)
        outputs = np.ceil(rng.lognormal(5.1, 0.8, n)).astype(np.int64)
        columns = (times(arrivals), prompts, outputs)
        table = pa.table(dict(zip(names, columns, strict=True)))
        writer = writer or csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def described(path: Path) -> Cost:
    """Run ``pdplan workload describe`` and measure it."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "workload", "describe", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - start
    kib = int(done.stderr.strip().splitlines()[-1])
    return Cost(seconds, kib / 1024, done.stdout)


def page(rows: int, costs: dict[str, tuple[Cost, float]]) -> str:
    lines = [
        "# How fast traces are described",
        "",
        f"Computed by `python benchmarks/trace_speed.py --rows {rows}` on {platform.machine()} with "
        f"{os.cpu_count()} cores,",
        f"Python {platform.python_version()}: best of three runs of `pdplan workload describe`: start-up, "
        "reading, all",
        "statistics and the text. Peak is the resident memory of the process.",
        "",
        "| trace | rows | file | seconds | peak |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {rows:,} | {mib:.0f} MiB | {cost.seconds:.2f} | {cost.peak_mib:.0f} MiB |"
        for name, (cost, mib) in costs.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, help="write the page here")
    given = parser.parse_args()
    costs: dict[str, tuple[Cost, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("plain CSV", write_plain), ("Azure CSV", write_azure)):
            path = Path(folder) / "trace.csv"
            write(path, given.rows)
            best = min((described(path) for _ in range(3)), key=lambda cost: cost.seconds)
            costs[name] = (best, path.stat().st_size / 2**20)
            print(f"{name}: {best.seconds:.2f} s, {best.peak_mib:.0f} MiB")
    if given.out is not None:
        given.out.write_text(page(given.rows, costs))


if __name__ == "__main__":
    main()
