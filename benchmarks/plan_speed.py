"""How long a plan takes: the planner itself, the command, and the law of a TTFT through three stations.

``python benchmarks/plan_speed.py`` prints the table; ``--write`` puts it into docs/validation/plan_speed.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

OUT = Path(__file__).parents[1] / "docs" / "validation" / "plan_speed.md"


def best_of(call: Callable[[], object], times: int = 7) -> float:
    """Shortest wall time of a call [s]; what the machine does besides only adds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


#: A numba program of one line, compiled before: what any use of numba costs a process.
BARE_NUMBA = """
import numba, numpy
@numba.njit(cache=True)
def first(x): return x[0]
first(numpy.zeros(1))
"""


def bare_numba(folder: Path) -> Callable[[], object]:
    """A process that calls one cached numba function; the first call here compiles it."""
    script = folder / "bare.py"
    script.write_text(BARE_NUMBA)
    run = lambda: subprocess.run([sys.executable, str(script)], check=True)  # noqa: E731
    run()
    return run


def libraries() -> object:
    return subprocess.run([sys.executable, "-c", "import numpy, pydantic, typer, yaml"], check=True)


def command(*arguments: str) -> Callable[[], object]:
    # as installed: with bytecode beside the source
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run(
        [sys.executable, "-m", "pdplan", *arguments], check=True, capture_output=True, env=environment
    )


def rows() -> list[tuple[str, float, float | None]]:
    from pdplan.planner.problem import assemble
    from pdplan.planner.search import Search
    from pdplan.planner.sizing import size, verified
    from pdplan.spec.builtin import builtin_scenario

    scenario = builtin_scenario()
    sized = size(scenario)
    verified(sized)

    def search() -> object:
        return Search(assemble(scenario)).best()

    def law() -> float:
        fleet = sized.basis.search.evaluator.fleet(
            sized.basis.best.prefill,
            sized.basis.best.prefill_count,
            sized.basis.best.decode,
            sized.basis.best.decode_count,
        )
        return float(fleet.ttft(fleet.problem.demand).quantile_s(0.99))

    with tempfile.TemporaryDirectory() as folder:
        numba_s = best_of(bare_numba(Path(folder)))
    return [
        ("`pdplan --help`", best_of(command("--help")), 0.3),
        ("`pdplan plan --no-verify`, built-in scenario", best_of(command("plan", "--no-verify")), 0.7),
        ("`pdplan plan`, with 20,000 simulated requests", best_of(command("plan")), 1.2),
        ("planner: read, search (cheapest fleet)", best_of(search), 0.1),
        ("planner: search, need, binding, colocated fleet, verdict", best_of(lambda: size(scenario)), None),
        ("TTFT law through three stations, one p99", best_of(law), 0.1),
        ("verification and settling, warm", best_of(lambda: verified(sized)), None),
        ("floor: a process that imports numpy, pydantic, typer and yaml", best_of(libraries), None),
        ("floor: a process that calls one cached numba function", numba_s, None),
    ]


def table() -> str:
    lines = ["| what | best of 7 | target |", "| --- | --- | --- |"]
    for what, seconds, target in rows():
        goal = "" if target is None else f"{target:g} s"
        lines.append(f"| {what} | {seconds * 1e3:.0f} ms | {goal} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    made = table()
    print(made)
    if parser.parse_args().write:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        OUT.write_text(
            "# How fast a plan is\n\nWall times, warm (second run on the machine), one process.\n\n"
            "The last two rows are floors of this machine that no planner can go below: libraries alone.\n\n"
            f"{made}\n\n{datetime.date.today()}, {machine}; `python benchmarks/plan_speed.py --write`.\n"
        )
