"""Compiled work that can be watched and stopped: it runs beside the main thread, which keeps Ctrl-C alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

#: Told the requests served so far, about every `INTERVAL_S` of a run that takes that long.
OnProgress = Callable[[int], None]

INTERVAL_S = 0.1
#: How long a stopped run may take to notice; one that is still compiling is left behind.
PATIENCE_S = 2.0


def watched(kernel: Callable[..., Any], *arguments: Any, on_progress: OnProgress | None = None) -> Any:
    """Return ``kernel(*arguments, watch)``, run without the global lock.

    The kernel writes the requests served so far to ``watch[0]`` and returns early once ``watch[1]`` is set:
    by an exception here (Ctrl-C, or one of ``on_progress``).

    Examples
    --------
    >>> watched(lambda a, b, watch: a + b + int(watch[1]), 1, 2)
    3
    """
    watch = np.zeros(2, dtype=np.int64)
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(kernel(*arguments, watch))
        except BaseException as error:  # raised again below, in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, name="pdplan-engine", daemon=True)
    thread.start()
    try:
        thread.join(INTERVAL_S)
        while thread.is_alive():
            if on_progress is not None:
                on_progress(int(watch[0]))
            thread.join(INTERVAL_S)
    except BaseException:
        watch[1] = 1
        thread.join(PATIENCE_S)
        raise
    if failure:
        raise failure[0]
    return outcome[0]
