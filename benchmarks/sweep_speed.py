"""Time sweeps: 10,000 points of means on one core, planned points, and what loky and dask add.

Run as ``python benchmarks/sweep_speed.py [--workers 2] [--dask tcp://host:8786]``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from pdplan.planner.sweep_axes import axes_of
from pdplan.planner.sweep_grid import sweep
from pdplan.planner.sweep_points import Base, grid
from pdplan.planner.sweep_row import fleet_row
from pdplan.planner.sweep_run import run_points
from pdplan.spec.loading import parse_scenario

SCENARIO = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: 8 req/s
    workload: azure-conv-2023
    slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}
prefill: {parallel: {tp: [1]}}
decode: {parallel: {tp: [1]}}
fleet: {prefill: {count: 2}, decode: {count: 2}}
"""
SWEEPS = {
    "10,000 rates, one fleet": ["classes.chat.rate=1..60 req/s:10000"],
    "400 rates x 5 P x 5 D": [
        "classes.chat.rate=1..60 req/s:400",
        "fleet.prefill.count=1..5",
        "fleet.decode.count=1..5",
    ],
    "250 rates x 10 prices x 4 overlaps": [
        "classes.chat.rate=1..60 req/s:250",
        "prices.h100-sxm-80gb=1..4 USD/h:10",
        "overlap=0%..90%:4",
    ],
}
#: Held against each point computed by itself.
COMPARED = ("prefill_load", "decode_load", "link_load", "chat.ttft_mean_s", "chat.tpot_mean_s")


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of this process [s]: what one core does, whoever else shares the machine."""
    begin = time.process_time()
    found = call()
    return time.process_time() - begin, found


def walled(call: Callable[[], Any]) -> tuple[float, Any]:
    """Wall time [s]."""
    begin = time.perf_counter()
    found = call()
    return time.perf_counter() - begin, found


def means(name: str, over: list[str], sample: int = 60) -> None:
    scenario = parse_scenario(SCENARIO)
    seconds, result = timed(lambda: sweep(scenario, over, quantities="means"))
    base, points = Base.of(scenario), grid(axes_of(over))
    worst = 0.0
    compared = 0
    for i in np.random.default_rng(0).choice(len(points), sample, replace=False):
        if result.rows[i]["status"] == "overloaded":
            continue
        alone = fleet_row(base.scenario(points[i].settings))
        worst = max(worst, *(abs(result.rows[i][c] / alone[c] - 1) for c in COMPARED))
        compared += 1
    print(
        f"{name:36} {len(points):6} points {seconds:6.2f} s; largest difference from {compared} points "
        f"computed alone: {worst:.1e}; {result.counts}"
    )


def planned() -> None:
    scenario = parse_scenario(SCENARIO)
    for what, number in (("plan", 20), ("fleet", 20)):
        seconds, _ = timed(
            lambda what=what, number=number: sweep(
                scenario, [f"classes.chat.rate=2..40:{number}"], quantities=what, workers=1
            )
        )
        print(f"{what:36} {number:6} points {seconds:6.2f} s: {1000 * seconds / number:.0f} ms a point")


def overhead(workers: int, dask: str | None) -> None:
    """Points that end at once (an overlap above 1 is refused): all that is left is the way there and back."""
    base = Base.of(parse_scenario(SCENARIO))
    points = list(enumerate(grid(axes_of("overlap=2..3:2000"))))
    ways: dict[str, dict[str, Any]] = {
        "one process": {"workers": 1},
        f"loky, {workers}": {"workers": workers},
    }
    if dask is not None:
        ways["dask"] = {"dask": dask}
    alone = 0.0
    for name, how in ways.items():
        first, _ = walled(lambda how=how: list(run_points(base, points[:1], "plan", **how)))
        seconds, _ = walled(lambda how=how: list(run_points(base, points, "plan", **how)))
        alone = alone or seconds
        print(
            f"{name:36} {len(points):6} points {seconds:6.2f} s: "
            f"{1e6 * seconds / len(points):.0f} us each ({1e6 * (seconds - alone) / len(points):+.0f} us); "
            f"first point after {first:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask", default=None)
    asked = parser.parse_args()
    for name, over in SWEEPS.items():
        means(name, over)
    planned()
    overhead(asked.workers, asked.dask)


if __name__ == "__main__":
    main()
