"""What benchmarks share when they write a page: the section that is theirs, and the machine they ran on."""

from __future__ import annotations

import platform
from pathlib import Path


def put_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers of a page."""
    before, rest = page.read_text().split(begin)
    after = rest.split(end, 1)[1]
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def machine() -> str:
    """Return the processor's name and the system."""
    try:
        model = next(x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name"))
        return f"{model.split(':', 1)[1].strip()} ({platform.system()})"
    except (OSError, StopIteration):
        return f"{platform.machine()} ({platform.system()})"
