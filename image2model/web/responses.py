"""Files on their way to somebody: while one is sent, no rule of the host deletes it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, StreamingResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ErrorCode
from ..jobs.storage.folders import Folders
from .rest.errors import answer

UNCHANGED = StaticFiles().is_not_modified
"""Whether a request's `If-None-Match` or `If-Modified-Since` says that what would be sent is known."""


class SentFile(FileResponse):
    """A file of a batch; takes `Range`, but for one that it cannot read, which counts as none (RFC 9110)."""

    def __init__(self, folders: Folders, path: Path, **given: Any) -> None:
        super().__init__(path, **given)
        self._folders = folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless the other side tells that it has it."""
        with self._folders.reading(Path(self.path)):
            try:
                await self._look()
                if UNCHANGED(self.headers, Headers(scope=scope)):
                    await NotModifiedResponse(self.headers)(scope, receive, send)
                else:
                    await super().__call__(scope, receive, send)
            except HTTPException as error:
                code = ErrorCode.RANGE_BEYOND_END if error.status_code == 416 else ErrorCode.FILE_NOT_FOUND
                refusal = answer(error.status_code, code, error.detail, headers=error.headers)
                await refusal(scope, receive, send)

    async def _look(self) -> None:
        try:
            self.stat_result = await asyncio.to_thread(os.stat, self.path)
        except FileNotFoundError:
            raise HTTPException(404, "This file has just been deleted.") from None
        self.set_stat_headers(self.stat_result)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable:
            told = f"This file has {file_size} bytes. Ask for a part of them, or for all of it."
            raise HTTPException(416, told, {"Content-Range": f"bytes */{file_size}"}) from None


class Streamed(StreamingResponse):
    """What is made while it is sent; nothing of it is made for HEAD."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if scope["method"] == "HEAD":
            self.body_iterator = iterate_in_threadpool(())
        await super().__call__(scope, receive, send)


class LentFiles:
    """The middleware that does the same for what Gradio hands out by its own route."""

    ROUTE = "/gradio_api/file="

    def __init__(self, app: ASGIApp, folders: Folders) -> None:
        self._app, self._folders = app, folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; the file that it names stays until then."""
        _, asked, path = scope.get("path", "").partition(self.ROUTE)
        with self._folders.reading(*[Path(path)] if asked else []):
            await self._app(scope, receive, send)
