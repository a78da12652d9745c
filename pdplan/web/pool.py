"""Several workers behind one queue: bounded waiting, bounded computing, an honest "come back later"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pdplan.web.process import Report, TaskStopped, Worker


class Busy(Exception):
    """No worker became free: come back later."""


class Pool:
    """Workers that take tasks in turn.

    Parameters
    ----------
    workers : int
        Processes.
    make : callable
        Makes one of them.
    waiting : int
        Tasks that may wait for a worker.
    """

    def __init__(self, workers: int, make: Callable[[], Worker], waiting: int) -> None:
        self._workers = [make() for _ in range(workers)]
        self._waiting = waiting
        self._queued = 0
        self._over = False
        self._free: asyncio.Queue[Worker] | None = None
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="pdplan-worker")

    def start(self) -> None:
        """Start the processes; call it inside the event loop."""
        self._free = asyncio.Queue()
        for worker in self._workers:
            worker.start()
            self._free.put_nowait(worker)

    def stop(self) -> None:
        """End the processes."""
        self._over = True
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ask(
        self,
        task: str,
        *arguments: Any,
        limit_s: float,
        patience_s: float = 30.0,
        on_progress: Report | None = None,
    ) -> Any:
        """Do a task and return its answer.

        ``on_progress`` is called in the event loop. Cancelling the caller stops the task.

        Raises
        ------
        Busy
            The queue is full, or no worker became free in time.
        TaskError, TaskStopped
            See `pdplan.web.process.Worker.ask`.
        """
        worker = await self._worker(patience_s)
        if self._over:
            raise TaskStopped("the server ends")
        loop = asyncio.get_running_loop()
        told: Report | None = None
        if on_progress is not None:
            report = on_progress

            def told(payload: Any) -> None:
                loop.call_soon_threadsafe(report, payload)

        work = loop.run_in_executor(
            self._threads, lambda: worker.ask(task, arguments, limit_s=limit_s, on_progress=told)
        )
        work.add_done_callback(lambda done: self._give_back(worker, done))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            worker.cancel()
            raise

    async def _worker(self, patience_s: float) -> Worker:
        assert self._free is not None, "start the pool first"
        if self._queued >= self._waiting + self._free.qsize():
            raise Busy
        self._queued += 1
        try:
            return await asyncio.wait_for(self._free.get(), patience_s)
        except TimeoutError:
            raise Busy from None
        finally:
            self._queued -= 1

    def _give_back(self, worker: Worker, done: asyncio.Future[Any]) -> None:
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have left
        if self._free is not None:
            self._free.put_nowait(worker)
