"""Limits on the size of a request's body, and on the speed at which it arrives."""

from __future__ import annotations

import asyncio
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import ErrorCode, TooLarge
from ..rest.errors import error_response

BODY_TIMEOUT = 30.0
"""Seconds for which a sender may be silent in the middle of a request."""
MIN_BYTES_PER_SECOND = 1000.0
"""Rate below which a sender's `BODY_TIMEOUT` runs out, however often a byte comes."""
UPLOAD_PATHS = re.compile(r"/(gradio_api|api/v1)/upload(/batch|/image)?/?")
MAX_TEXT_BYTES = 1_000_000
MAX_GRADIO_TEXT_BYTES = 4_000_000
"""Maximum bytes of a request that is not an upload."""
MESSAGE = (ErrorCode.REQUEST_TOO_LARGE, "This request is too large.", "Send less at a time.")
TOO_LARGE = error_response(413, MESSAGE[0], " ".join(MESSAGE[1:]))


class BodyLimitMiddleware:
    """Refuse bodies that are too large (413, `request_too_large`); disconnect senders that are too slow."""

    def __init__(self, app: ASGIApp, max_upload_bytes: int) -> None:
        self._app, self._max_upload_bytes = app, max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, response = self._limit(scope["path"]), ObservedSend(send)
        length = Headers(scope=scope).get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > limit:
            await TOO_LARGE(scope, receive, send)
            return
        try:
            await self._app(scope, BoundedReceive(receive, limit), response)
        except TooLarge:
            if not response.started:
                await TOO_LARGE(scope, receive, send)

    def _limit(self, path: str) -> int:
        """Maximum bytes of a request to this path."""
        if UPLOAD_PATHS.fullmatch(path):
            return self._max_upload_bytes
        return MAX_GRADIO_TEXT_BYTES if path.startswith("/gradio_api/") else MAX_TEXT_BYTES


class ObservedSend:
    """ASGI's `send`; `started` once a response is on its way, so that no other can be sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        """See ASGI."""
        self.started = self.started or message["type"] == "http.response.start"
        await self._send(message)


class BoundedReceive:
    """ASGI's `receive` that raises TooLarge beyond `limit` bytes and disconnects a sender that is too slow.

    `time_left` is how many seconds the sender may still be silent.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._bytes_left, self._more_body = receive, limit, True
        self.time_left = BODY_TIMEOUT

    async def __call__(self) -> Message:
        """See ASGI."""
        if not self._more_body:
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.time_left):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        size = len(message.get("body", b""))
        waited = time.monotonic() - began
        self.time_left = min(BODY_TIMEOUT, self.time_left - waited + size / MIN_BYTES_PER_SECOND)
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise TooLarge(*MESSAGE)
        self._more_body = bool(message.get("more_body", False))
        return message
