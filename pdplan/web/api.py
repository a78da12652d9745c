"""The JSON API: a scenario in, exactly what the command line prints with ``--json`` out.

``POST /api/plan``, ``/api/split``, ``/api/validate``; parameters ``seed``, ``requests``, ``verify``, and
``brief`` of the plan.
The exit code of the command is in the header ``X-Pdplan-Exit-Code``. An honest no is an answer (200), what
cannot be used is 4xx with ``{"error": "one line"}``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pdplan.errors import EXIT_BUG
from pdplan.web.body import Refused, text_of
from pdplan.web.limits import Limits
from pdplan.web.pool import Busy, Pool
from pdplan.web.process import TaskError, TaskStopped

COMMANDS: Final = ("plan", "split", "validate")
_KEPT_ANSWERS: Final = 128
_KEPT_BYTES: Final = 16 * 2**20
_Question = tuple[Any, ...]


class Answers:
    """Answers that were given: the same question has the same bytes, so they are kept for a while."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Question, tuple[bytes, int]] = OrderedDict()
        self._bytes = 0

    def get(self, question: _Question) -> tuple[bytes, int] | None:
        """Return an answer that is kept."""
        found = self._kept.get(question)
        if found is not None:
            self._kept.move_to_end(question)
        return found

    def keep(self, question: _Question, body: bytes, exit_code: int) -> None:
        """Keep an answer; the longest unused ones go."""
        if question in self._kept:
            return
        self._kept[question] = (body, exit_code)
        self._bytes += len(body) + len(question[1])
        while len(self._kept) > _KEPT_ANSWERS or self._bytes > _KEPT_BYTES:
            old, (dropped, _) = self._kept.popitem(last=False)
            self._bytes -= len(dropped) + len(old[1])


class Api:
    """The routes, on a pool of workers."""

    def __init__(self, pool: Pool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._answers = Answers()
        self._reading = asyncio.Semaphore(256)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/{command}", self.post, methods=["POST"], name="api"),
            Route("/api/{command}", self.wrong_method, methods=["GET", "PUT", "DELETE", "PATCH"]),
        ]

    async def wrong_method(self, request: Request) -> Response:
        """Say how to ask."""
        return refusal(405, f"POST a scenario to /api/{{{'|'.join(COMMANDS)}}}", {"Allow": "POST"})

    async def post(self, request: Request) -> Response:
        """Answer one question."""
        try:
            async with self._reading:
                question = await self._question(request)
            body, exit_code = self._answers.get(question) or await self._computed(question)
        except Refused as error:
            return refusal(error.status, error.line, error.headers)
        except Busy:
            return refusal(429, "this server is busy: come back in a second", {"Retry-After": "1"})
        except TaskStopped as error:
            return refusal(422, f"{error}: ask the command line, which has no such limit")
        except TaskError as error:
            status = 500 if error.exit_code == EXIT_BUG else 400
            return refusal(status, error.line, {"X-Pdplan-Exit-Code": str(error.exit_code)})
        return Response(body, media_type="application/json", headers={"X-Pdplan-Exit-Code": str(exit_code)})

    async def _computed(self, question: _Question) -> tuple[bytes, int]:
        text, exit_code = await self._pool.ask(
            "answer", *question, limit_s=self._limits.compute_s, patience_s=self._limits.patience_s
        )
        body = text.encode()
        self._answers.keep(question, body, exit_code)
        return body, exit_code

    async def _question(self, request: Request) -> _Question:
        command = request.path_params["command"]
        if command not in COMMANDS:
            raise Refused(404, f"there is no /api/{command[:40]}: there are {', '.join(COMMANDS)}")
        unknown = sorted(set(request.query_params) - {"seed", "requests", "verify", "brief"})
        if unknown:
            raise Refused(
                400, f"parameter {unknown[0][:40]!r} is not known: use seed, requests, verify, brief"
            )
        seed = _whole(request, "seed", 0, 2**63 - 1)
        requests = _whole(request, "requests", 1000, self._limits.requests)
        verify, brief = _whether(request, "verify", "true"), _whether(request, "brief", "false")
        return command, await text_of(request, self._limits), verify, brief, requests, seed or 0


def _whether(request: Request, name: str, default: str) -> bool:
    """Return a parameter that is true or false."""
    text = request.query_params.get(name, default)
    if text not in ("true", "false"):
        raise Refused(400, f"{name} is {text[:40]!r}: write true or false")
    return text == "true"


def _whole(request: Request, name: str, low: int, high: int) -> int | None:
    """Return a parameter that is a whole number, None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise Refused(400, f"{name} is {text[:40]!r}: give a whole number from {low:,} to {high:,}")
    return int(text)


def refusal(status: int, line: str, headers: dict[str, str] | None = None) -> Response:
    """Return one line as an error."""
    return JSONResponse({"error": line}, status, headers=headers)
