"""Make every accuracy and speed table of docs/validation again, one after another.

    python tools/regenerate_validation.py --list
    python tools/regenerate_validation.py --data DIRECTORY [--only NAME ...]

The commands are those of the table in docs/validation.md. Some need published measurements that are not part
of the project: DIRECTORY holds them under the names below; without it these pages are left as they are, and
said so. What was run, when, on which machine and for how long is written to docs/validation/regenerated.md.
About an hour on two cores.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "validation" / "regenerated.md"
#: Arguments of scripts that need data from the given directory, or that only print without ``--write``.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "roofline_accuracy": ("{data}", "--write"),
    "fit_accuracy": ("{data}", "--write"),
    "closed_network": ("--measured", "{data}/measured_serving.csv"),
    "llmservingsim_replay": ("{data}/llmservingsim_vllm", "--write"),
    "distserve_replay": ("{data}/distserve_opt13b_a100.csv", "--write"),
    "moe_accuracy": ("--runs", "{data}/measured_serving.csv", "--write"),
}
_ROW = re.compile(
    r"^\| \[[^\]]*\]\((validation/[\w.]+)\) \|.*`python (benchmarks/(\w+)\.py)([^`]*)`", re.MULTILINE
)


def listed() -> list[tuple[str, str, str]]:
    """Return (page, script, arguments) of every row of docs/validation.md."""
    text = (ROOT / "docs" / "validation.md").read_text()
    return [(m[1], m[3], m[4].strip()) for m in _ROW.finditer(text)]


def command(script: str, written: str, data: Path | None) -> list[str] | None:
    """Return the command of a script; None where it needs data that are not there."""
    arguments = ARGUMENTS.get(script)
    if arguments is None:
        arguments = tuple(a for a in written.split() if not a.startswith("["))
    needs = any("{data}" in a for a in arguments)
    if needs and data is None:
        return None
    placed = [a.format(data=data) for a in arguments]
    if needs and not all(Path(a).exists() for a in placed if not a.startswith("--")):
        return None
    return [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), *placed]


def machine() -> str:
    """Return the processor, its cores and the Python."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.*)", info.read_text())
        name = found[1] if found else name
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> int:
    """Run what was asked for; exit with 1 if a script failed or missed a limit set beforehand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of published measurements")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="names of scripts, e.g. law_accuracy")
    parser.add_argument("--list", action="store_true", help="show what would run")
    asked = parser.parse_args()
    rows = [row for row in listed() if not asked.only or row[1] in asked.only]
    done: list[str] = []
    failed = 0
    for page, script, written in rows:
        run = command(script, written, asked.data)
        if asked.list or run is None:
            print(
                f"{page}: {'left as it is: needs --data' if run is None else ' '.join(run[1:])}", flush=True
            )
            continue
        print(f"== {page}", flush=True)
        start = time.perf_counter()
        code = subprocess.run(run, cwd=ROOT, check=False).returncode
        failed += code != 0
        minutes = (time.perf_counter() - start) / 60
        result = "done" if code == 0 else f"exit {code}: a limit was missed, or it failed"
        name = page.removeprefix("validation/")
        done.append(
            f"| [{name.removesuffix('.md')}]({name}) | {datetime.date.today()} | {minutes:.1f} | {result} |"
        )
    if done:
        head = ["| page | date | minutes | |", "| --- | --- | --- | --- |"]
        about = "Written by `python tools/regenerate_validation.py`."
        PAGE.write_text("\n".join(["# Last regeneration", "", f"{about} {machine()}.", "", *head, *done, ""]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
