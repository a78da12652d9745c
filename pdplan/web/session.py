"""One open page: its scenario, the answer on the way, and what follows when it rests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.web.address import MAX_CHARACTERS, packed
from pdplan.web.limits import Limits
from pdplan.web.pool import Busy, Pool
from pdplan.web.process import TaskError, TaskStopped
from pdplan.web.state import Document

_LOG: Final = logging.getLogger("pdplan.web")
#: Rest after a change before the full answer is asked for, and before map and frontier are [s].
REST_S: Final = 0.3
LONG_REST_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """What all pages share: workers, the folder of uploads, limits."""

    quick: Pool
    deep: Pool
    uploads: str
    limits: Limits


class View:
    """What a session tells its page; the page fills these in."""

    def show(self, answer: dict[str, Any], revision: int, *, settled: bool) -> None:
        """Show an answer."""

    def show_map(self, drawn: dict[str, Any] | None) -> None:
        """Show the map; None: it is on its way."""

    def show_frontier(self, found: dict[str, Any] | None, answer: dict[str, Any]) -> None:
        """Show the frontier; None: it is on its way."""

    def show_error(self, line: str) -> None:
        """Show one line, or take it away."""

    def show_address(self, query: str) -> None:
        """Put the state into the address."""


class Session:
    """The state of one page and the answers to it.

    Every change gives a new revision. The newest is answered at once; when it rests, the full answer follows,
    then the map and the frontier. Answers to older revisions are dropped.
    """

    def __init__(self, service: Service, document: Document, view: View) -> None:
        self._service = service
        self._view = view
        self._kinds: Any = None
        self._mapped = 0
        self._wanted = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.document = document
        self.revision = 0
        self.answer: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The scenario as text."""
        return json.dumps(self.document, ensure_ascii=False)

    @property
    def uploads(self) -> str:
        """The folder of files that were uploaded."""
        return self._service.uploads

    @property
    def query(self) -> str:
        """The query that restores this state; empty where it is too long for an address."""
        state = packed(self.document)
        return f"?s={state}" if len(state) <= MAX_CHARACTERS else ""

    def change(self, document: Document) -> None:
        """Take a new scenario."""
        if _names(document) != _names(self.document):
            self._mapped = 0
        self.document = document
        self.revision += 1
        self._stop("rest", "map", "verify")
        self._wanted.set()

    def start(self) -> None:
        """Begin to answer."""
        self._start("quick", self._answer_always())
        self._wanted.set()

    def close(self) -> None:
        """Stop everything: the page is gone."""
        self._stop(*self._tasks)

    # ---------------------------------------------------------------- answers

    async def _answer_always(self) -> None:
        """Answer the newest revision, again and again."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            revision = self.revision
            arguments = (self.text, self._service.uploads, self._kinds)
            answer = await self._asked(self._service.quick, "quick", *arguments)
            if answer is None:
                continue
            if revision:  # what was said of the first state stays until it changes
                self._view.show_error("")
            self._view.show(answer, revision, settled=False)
            if revision == self.revision:
                self._start("rest", self._rest(revision))

    async def _rest(self, revision: int) -> None:
        """Give the full answer of a revision that stays, then what belongs to it."""
        await asyncio.sleep(REST_S)
        text, folder = self.text, self._service.uploads
        answer = await self._asked(self._service.deep, "full", text, folder)
        if answer is None or revision != self.revision:
            return
        self.answer = answer
        self._kinds = answer.get("kinds", self._kinds)
        self._view.show(answer, revision, settled=True)
        self._view.show_address(self.query)
        if not answer["feasible"]:
            return
        await asyncio.sleep(LONG_REST_S)
        self._view.show_map(None)
        self._view.show_frontier(None, answer)
        gpus = answer["fleet"]["cost"]["gpus"]
        found = await self._asked(self._service.deep, "frontier", text, folder, gpus)
        if found is not None:
            self._view.show_frontier(found, answer)
        self._start("map", self._draw_map())

    def map_of(self, index: int) -> None:
        """Draw the map of another class."""
        self._mapped = index
        self._view.show_map(None)
        self._start("map", self._draw_map())

    async def _draw_map(self) -> None:
        """Draw the map of the class that was chosen, column by column."""
        index = min(self._mapped, len(self.document["classes"]) - 1)
        arguments = (self.text, self._service.uploads, index)
        drawn = await self._asked(
            self._service.deep, "split_map", *arguments, on_progress=self._view.show_map
        )
        if drawn is not None and "states" in drawn:
            self._view.show_map(drawn)

    async def verify(self, on_progress: Any) -> dict[str, Any] | None:
        """Check the plan by simulation; None where that was refused."""
        self._stop("rest")
        revision = self.revision
        answer: dict[str, Any] | None = await self._asked(
            self._service.deep, "verify", self.text, self._service.uploads, 0, on_progress=on_progress
        )
        if answer is None or revision != self.revision:
            return None
        self.answer = answer
        self._view.show(answer, revision, settled=True)
        return answer

    async def ask(self, task: str, *arguments: Any) -> Any:
        """Do a task of the page: an export, an upload; None where it was refused."""
        return await self._asked(self._service.deep, task, *arguments)

    async def _asked(self, pool: Pool, task: str, *arguments: Any, on_progress: Any = None) -> Any:
        """Ask a pool; what it refuses is shown as one line."""
        limit_s = self._service.limits.compute_s
        try:
            return await pool.ask(task, *arguments, limit_s=limit_s, on_progress=on_progress)
        except (TaskError, TaskStopped, InputError) as error:
            self._view.show_error(str(error))
        except Busy:
            self._view.show_error("this server is busy: move on in a moment")
        return None

    # ---------------------------------------------------------------- work under way

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do some work beside the answers; the same name replaces what is under way."""
        self._start(name, work)

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._stop(name)
        task = asyncio.create_task(work, name=f"pdplan-{name}")
        task.add_done_callback(self._ended)
        self._tasks[name] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say on the page and in the log what should not have happened."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOG.error("the page failed", exc_info=error)
            self._view.show_error(f"a bug in pdplan: {type(error).__name__}: {error}")

    def _stop(self, *names: str) -> None:
        for name in names:
            task = self._tasks.get(name)
            if task is not None and task is not asyncio.current_task():
                task.cancel()


def _names(document: Document) -> list[Any]:
    return [c.get("name") for c in document["classes"]]
