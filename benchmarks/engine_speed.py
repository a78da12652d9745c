"""How fast the engine is: requests per second on one core, memory for ten million, time to compile.

    python benchmarks/engine_speed.py          # about a minute; writes docs/validation/engine_speed.md

Each case is run several times and the fastest counts: other work on the machine only makes it slower.
Compiling and memory are measured in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.sim.config import ColocatedConfig, DecodePool, KvLink, KvMemory, PdConfig, PrefillPool
from pdplan.sim.raw import RawRun
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Stream

MODEL = Fitted(PrefillFit(0.003, 2e-5), (DecodeFit(0.008, 5e-5, 2e-8),), (1, 1e5), (1, 256), "benchmark")
CHUNKING = Fitted(PrefillFit(0.008, 2e-5), (DecodeFit(0.008, 5e-5, 2e-8),), (1, 1e5), (1, 256), "benchmark")
LINK = KvLink(131072, 25e9)
REPEATS = 7


def lognormal_stream(n: int, rate: float) -> Stream:
    """Poisson arrivals; prompts of mean 1000 and outputs of mean 200, lognormal with sigma 0.8."""
    random = [np.random.Generator(np.random.Philox(s)) for s in np.random.SeedSequence(0).spawn(3)]
    arrival = random[0].standard_exponential(n)
    np.cumsum(arrival, out=arrival)
    arrival /= rate

    def lengths(source: np.random.Generator, mean: float, top: int) -> np.ndarray:
        drawn = source.lognormal(math.log(mean) - 0.32, 0.8, n)
        return np.clip(drawn, 1, top, out=drawn).astype(np.int32)

    return Stream.of(arrival, lengths(random[1], 1000.0, 32000), lengths(random[2], 200.0, 8000))


def fleet(prefills: int, decodes: int, **changes: object) -> PdConfig:
    """A fleet with KV limits on both sides, pull, growth with eviction and a queueing link."""
    decode = {"memory": KvMemory(600_000)} | changes
    return PdConfig(
        PrefillPool(prefills, MODEL, kv_capacity_tokens=400_000),
        DecodePool(decodes, MODEL, **decode),  # type: ignore[arg-type]
        LINK,
    )


def cases(n: int) -> dict[str, Callable[[], RawRun]]:
    """The runs that are timed."""
    usual, many, over = (
        lognormal_stream(n, 104.0),
        lognormal_stream(n, 104.0 * 16),
        lognormal_stream(n, 150.0),
    )
    together = lognormal_stream(n, 60.0)
    small = ColocatedConfig(4, CHUNKING, batch_tokens=512, memory=KvMemory(600_000))
    return {
        "4 prefill + 4 decode": lambda: run_pd(fleet(4, 4), usual),
        "the same, JSQ and power of two": lambda: run_pd(
            PdConfig(
                PrefillPool(4, MODEL, router="power_of_two", kv_capacity_tokens=400_000),
                DecodePool(4, MODEL, router="jsq", memory=KvMemory(600_000)),
                LINK,
            ),
            usual,
        ),
        "64 prefill + 64 decode": lambda: run_pd(fleet(64, 64), many),
        "4 + 4, overload, KV full, evictions": lambda: run_pd(fleet(4, 4, memory=KvMemory(100_000)), over),
        "4 colocated, chunks of 512": lambda: run_colocated(small, together),
        "4 colocated, prefill first": lambda: run_colocated(
            ColocatedConfig(4, CHUNKING, discipline="prefill_first", memory=KvMemory(600_000)), together
        ),
    }


def timed(n: int) -> list[tuple[str, float, float, float]]:
    """(case, requests/s, mean batch, runs for each request), the fastest of several."""
    runs = cases(n)
    fastest = dict.fromkeys(runs, math.inf)
    seen: dict[str, RawRun] = {}
    for _ in range(REPEATS):  # in turns, so that a busy spell hits all alike
        for name, run in runs.items():
            start = time.process_time()
            seen[name] = run()
            fastest[name] = min(fastest[name], time.process_time() - start)
    return [
        (
            name,
            n / fastest[name],
            float(r.decode.batch_s.sum() / r.decode.busy_s.sum()),
            float(r.decode.runs.sum() / n),
        )
        for name, r in seen.items()
    ]


def _fresh(code: str, **environment: str) -> dict[str, float]:
    """Run code in a process of its own and read the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parent)},
    )
    return dict(json.loads(done.stdout))


FIRST = """
import json, time
from engine_speed import *
few = lognormal_stream(1000, 100.0)
start, cpu = time.perf_counter(), time.process_time()
run_pd(fleet(4, 4), few)
middle, cpu_middle = time.perf_counter(), time.process_time()
run_colocated(ColocatedConfig(4, CHUNKING, batch_tokens=512), few)
print(json.dumps(dict(pd=middle - start, pd_cpu=cpu_middle - cpu, colocated=time.perf_counter() - middle,
                      colocated_cpu=time.process_time() - cpu_middle)))
"""
LARGE = """
import json, resource, time
from engine_speed import *
many = lognormal_stream({n}, 104.0)
start = time.perf_counter()
run_pd(fleet(4, 4), many)
print(json.dumps(dict(seconds=time.perf_counter() - start,
                      mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
"""


def page(n: int, large: int) -> str:
    """Measure everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        cold = _fresh(FIRST, NUMBA_CACHE_DIR=folder)
        warm = _fresh(FIRST, NUMBA_CACHE_DIR=folder)
    memory = _fresh(LARGE.format(n=large))
    rows = "\n".join(
        f"| {name} | {rate / 1e6:.2f} | {batch:.0f} | {runs:.2f} |" for name, rate, batch, runs in timed(n)
    )
    first = "\n".join(
        f"| {what} | "
        + " | ".join(f"{m[k]:.2f} s ({m[k + '_cpu']:.2f} s)" for k in ("pd", "colocated"))
        + " |"
        for what, m in (("nothing compiled yet", cold), ("compiled before", warm))
    )
    beside = os.getloadavg()[0]
    return f"""# Speed of the engine

`python benchmarks/engine_speed.py` wrote this page: {platform.machine()},
Python {platform.python_version()}, one of {os.cpu_count()} cores, {beside:.1f} processes on average.
Processor time, the fastest of {REPEATS}; {n:,} requests each, prompts of mean 1000, outputs of mean 200;
KV limits, eviction, pull, link and gap histogram at work; preparing the arrays included.

Targets: 1 million requests/s for 4 prefill + 4 decode, 1.5 million colocated with chunks, 10 million requests
in 2 GB, first compilation in 10 s.

| fleet | million requests/s | mean batch | runs a request |
| --- | --- | --- | --- |
{rows}

{large:,} requests through 4 prefill + 4 decode: {memory["seconds"]:.1f} s, {memory["mb"]:.0f} MB at most, the
requests themselves included.

| first call in a process: wall (processor) | disaggregated | colocated |
| --- | --- | --- |
{first}
"""


def main() -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=Path("docs/validation/engine_speed.md"))
    options = parser.parse_args()
    text = page(options.requests, options.large)
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
