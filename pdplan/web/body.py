"""Bodies of requests: never more bytes, nor for longer, than the server gives."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdplan.web.limits import Limits


class Refused(Exception):
    """A request that is turned down: a status of 4xx and one line."""

    def __init__(self, status: int, line: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.headers = headers or {}


async def text_of(request: Request, limits: Limits) -> str:
    """Return the body as text.

    Raises
    ------
    Refused
        Too large (413), too slow (408), empty, cut off or not UTF-8 (400).
    """
    try:
        data = await asyncio.wait_for(_read(request, limits.body_bytes), limits.body_s)
    except TimeoutError:
        raise Refused(408, f"the body took longer than {limits.body_s:g} s to arrive") from None
    except ClientDisconnect:
        raise Refused(400, "the body was cut off") from None
    if not data.strip():
        raise Refused(400, "the body is empty: send a scenario, as YAML or JSON")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(400, "the body is not UTF-8 text: send a scenario, as YAML or JSON") from None


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    too_large = Refused(413, f"the body is larger than {limit // 1024} KiB: a scenario is a short text")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise too_large
    return bytes(data)


_TOO_LARGE: Final = b'{"error": "the upload is larger than this server takes"}\n'


class BoundedBodies:
    """Middleware that cuts off any body beyond the largest upload, whichever route it goes to."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self.app = app
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; its body is counted as it comes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
        if declared.isdigit() and int(declared) > self.limit_bytes:
            await _refuse(send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return {"type": "http.disconnect"} if seen > self.limit_bytes else message

        await self.app(scope, counted, send)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_LARGE})
