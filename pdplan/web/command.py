"""The command line itself, for what it writes: manifests and fitted profiles are the same files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pdplan.errors import EXIT_BAD_INPUT
from pdplan.web.guard import one_line
from pdplan.web.process import TaskError

_LIMIT_S = 60.0


def run_command(*arguments: str, text: str = "", folder: str | Path | None = None) -> str:
    """Run ``pdplan`` with these arguments, ``text`` on its standard input, and return what it prints.

    Raises
    ------
    TaskError
        It ended with a message.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pdplan", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            cwd=folder,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TaskError("it takes longer than this server computes", EXIT_BAD_INPUT) from None
    if done.returncode:
        said = [x for x in done.stderr.splitlines() if x.startswith("pdplan: ")] or ["failed"]
        raise TaskError(one_line(said[-1].removeprefix("pdplan: ")), done.returncode)
    return done.stdout
