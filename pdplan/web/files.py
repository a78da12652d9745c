"""Files that a page takes: a bounded body at an address that only that page knows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pdplan.web.api import refusal
from pdplan.web.guard import plain_name
from pdplan.web.limits import Limits

#: Takes kind (trace, benchmark), name and content of a file.
Taker = Callable[[str, str, bytes], Awaitable[None]]
KINDS: Final = ("trace", "benchmark")
#: Longest that an upload may take [s].
_UPLOAD_S: Final = 120.0


class Files:
    """The pages that take files, each under a token of its own."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._takers: dict[str, Taker] = {}
        self._reading = asyncio.Semaphore(4)

    def open(self, taker: Taker) -> str:
        """Return the token under which a page takes files."""
        token = secrets.token_urlsafe(24)
        self._takers[token] = taker
        return token

    def close(self, token: str) -> None:
        """Take no more files for a page."""
        self._takers.pop(token, None)

    def route(self) -> Route:
        """Return the route of all uploads."""
        return Route("/upload/{token}/{kind}", self._post, methods=["POST"])

    async def _post(self, request: Request) -> Response:
        taker = self._takers.get(request.path_params["token"])
        kind = request.path_params["kind"]
        if taker is None or kind not in KINDS:
            return refusal(404, "no page takes this file: reload the page")
        try:
            async with self._reading:
                data = await asyncio.wait_for(self._read(request), _UPLOAD_S)
        except TimeoutError:
            return refusal(408, f"the file took longer than {_UPLOAD_S:g} s to arrive")
        except ClientDisconnect:
            return refusal(413, "the file was cut off, or is larger than this server takes")
        if len(data) > self._limits.upload_bytes:
            return refusal(413, f"the file is larger than {self._limits.upload_bytes // 2**20} MiB")
        await taker(kind, plain_name(request.query_params.get("name", "")), data)
        return Response(status_code=204)

    async def _read(self, request: Request) -> bytes:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self._limits.upload_bytes:
                break
        return bytes(data)
