"""A progress bar for long work: on standard error, on a terminal, gone when the work is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Work shorter than this shows nothing [s].
QUIET_S = 0.5


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None] | None]:
    """Give a function that takes what is done so far; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(what, total)
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    """A bar with rate and time left, made when the work turns out to be long."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.begin = time.monotonic()
        self.shown: Any = None

    def update(self, done: int) -> None:
        if self.shown is None:
            if time.monotonic() - self.begin < QUIET_S:
                return
            self.shown = self._made()
            self.shown.start()
        rate = done / max(time.monotonic() - self.begin, 1e-9)
        self.shown.update(0, completed=done, rate=_short(rate))

    def close(self) -> None:
        if self.shown is not None:
            self.shown.stop()

    def _made(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}/s "),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        bar = Progress(*columns, console=Console(file=sys.stderr), transient=True)
        bar.add_task(self.what, total=self.total, rate="-")
        return bar


def _short(rate: float) -> str:
    """Write a rate in three digits."""
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if rate >= unit:
            return f"{rate / unit:.3g}{name}"
    return f"{rate:.3g} "
