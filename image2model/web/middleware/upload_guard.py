"""Refusal of uploads, before their bytes are read, on a full disk or after too many; the others are checked at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import LimitReached, Unavailable
from ..public_address import client_of
from ..rest.errors import response_to
from .body_limits import UPLOAD_PATHS

if TYPE_CHECKING:
    from ...services import Services
    from ...services.uploads import CountedUpload

GRADIO_UPLOAD = "/gradio_api/upload"


class UploadGuardMiddleware:
    """Admit each upload by its announced size (`Services.uploads`), and report its outcome there."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] == "POST" and UPLOAD_PATHS.fullmatch(scope["path"]):
            length = Headers(scope=scope).get("content-length")
            try:
                counted = self._services.uploads.admit(client_of(scope), int(length) if length else None)
            except (LimitReached, Unavailable) as error:
                await response_to(error)(scope, receive, send)
                return
            self._services.workers.start()
            await self._count(counted, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _count(self, counted: CountedUpload, scope: Scope, receive: Receive, send: Send) -> None:
        size, answer, is_gradios = 0, bytearray(), scope["path"] == GRADIO_UPLOAD

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def send_observed(message: Message) -> None:
            answer.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive_counted, send_observed if is_gradios else send)
        finally:
            counted.received(size)
        if is_gradios:
            self._services.uploads.check_early(_paths(answer))


def _paths(answer: bytes | bytearray) -> list[Path]:
    """Paths in Gradio's answer to an upload; none in that to a failed one, or to one of many files, compressed."""
    try:
        paths = json.loads(answer)
    except ValueError:
        return []
    return [Path(path) for path in paths] if isinstance(paths, list) else []
