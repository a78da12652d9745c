"""One worker process: does one task at a time, tells how far it is, and can be stopped or replaced.

The parent asks from a thread. A task that runs past its limit, or a process that dies, costs that task alone:
the process is replaced.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from pdplan.errors import EXIT_BAD_INPUT, EXIT_BUG, PdplanError
from pdplan.web.guard import one_line

_CANCEL: Final = "cancel"
#: How long a stopped task may take to notice before its process is replaced [s].
_PATIENCE_S: Final = 3.0

Report = Callable[[Any], None]


class TaskError(Exception):
    """A task that ended with a message: what, and the exit code that the command line would give."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.line = line
        self.exit_code = exit_code


class TaskStopped(Exception):
    """A task that was stopped: it took too long, or nobody wants its answer any more."""


class _Cancelled(Exception):
    """Raised inside a task when the parent wants it stopped."""


@dataclass
class Worker:
    """A process that computes.

    Parameters
    ----------
    warm : str
        Task that it starts with, so that its first answer is as fast as the next.
    niceness : int
        How far it steps back behind others.
    memory_bytes : int
        Address space [B].
    """

    warm: str = ""
    niceness: int = 0
    memory_bytes: int = 8 * 2**30
    _process: Any = field(default=None, init=False, repr=False)
    _pipe: Connection | None = field(default=None, init=False, repr=False)
    _busy: bool = field(default=False, init=False, repr=False)
    _over: bool = field(default=False, init=False, repr=False)

    def start(self) -> None:
        """Start the process; it warms up by itself."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        self._process = context.Process(
            target=serve, args=(there, self.warm, self.niceness, self.memory_bytes), daemon=True
        )
        self._process.start()
        there.close()
        self._pipe = here

    def ask(
        self, task: str, arguments: tuple[Any, ...], *, limit_s: float, on_progress: Report | None = None
    ) -> Any:
        """Do a task and return its answer; blocks.

        Raises
        ------
        TaskError
            The task ended with a message.
        TaskStopped
            It took longer than ``limit_s``, was cancelled, or its process died.
        """
        if self._process is None or not self._process.is_alive():
            self.replace()
        assert self._pipe is not None
        self._busy = True
        try:
            self._pipe.send((task, arguments))
            return self._await(time.monotonic() + limit_s, on_progress)
        except (EOFError, OSError):
            if self._over:
                raise TaskStopped("the server ends") from None
            self.replace()
            raise TaskStopped("the process that computed it died: too much memory, perhaps") from None
        finally:
            self._busy = False

    def _await(self, deadline: float, on_progress: Report | None) -> Any:
        pipe = self._pipe
        assert pipe is not None
        while True:
            if not pipe.poll(max(0.0, deadline - time.monotonic())):
                self.replace()
                raise TaskStopped("it takes longer than this server computes")
            kind, payload = pipe.recv()
            if kind == "progress":
                if on_progress is not None:
                    on_progress(payload)
            elif kind == "done":
                return payload
            elif kind == "failed":
                raise TaskError(*payload)
            elif kind == "cancelled":
                raise TaskStopped("cancelled")

    def cancel(self) -> None:
        """Ask the task under way to stop; harmless when there is none."""
        if self._busy and self._pipe is not None:
            try:
                self._pipe.send(_CANCEL)
            except OSError:
                return

    def replace(self) -> None:
        """End the process and start another."""
        self._end()
        self.start()

    def stop(self) -> None:
        """End the process for good."""
        self._over = True
        self._end()

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.terminate()
            self._process.join(_PATIENCE_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process = None


def serve(pipe: Connection, warm: str, niceness: int, memory_bytes: int) -> None:
    """Do tasks until the parent leaves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers itself
    if niceness:
        os.nice(niceness)
    _bound_memory(memory_bytes)
    from pdplan.web.tasks import TASKS  # the planner loads here

    if warm:
        TASKS[warm](lambda _: None)
    gc.freeze()  # what is loaded stays: no answer waits until it has been looked through once more
    while True:
        try:
            message = pipe.recv()
            if message == _CANCEL:  # of a task that was done already
                continue
            pipe.send(_done(TASKS[message[0]], message[1], pipe))
            gc.collect()  # now rather than during the next answer
        except (EOFError, OSError):
            return


def _done(task: Callable[..., Any], arguments: tuple[Any, ...], pipe: Connection) -> tuple[str, Any]:
    """Do one task; whatever it raises becomes a message."""

    def report(payload: Any) -> None:
        if pipe.poll() and pipe.recv() == _CANCEL:
            raise _Cancelled
        pipe.send(("progress", payload))

    try:
        return "done", task(report, *arguments)
    except _Cancelled:
        return "cancelled", None
    except PdplanError as error:
        return "failed", (one_line(error), error.exit_code)
    except MemoryError:
        return "failed", ("it needs more memory than this server gives one answer", EXIT_BAD_INPUT)
    except Exception as error:
        return "failed", (one_line(f"a bug in pdplan: {type(error).__name__}: {error}"), EXIT_BUG)


def _bound_memory(limit_bytes: int) -> None:
    """Let what grows without end fail inside this process."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    except (ImportError, ValueError, OSError):  # no such limits here: the time limit stays
        return
