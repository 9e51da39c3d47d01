"""Responses with a batch's files."""

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
from starlette.types import Receive, Scope, Send

from ..errors import ErrorCode
from ..services import Services
from .rest.errors import error_response

is_not_modified = StaticFiles().is_not_modified
"""True if a request's `If-None-Match` or `If-Modified-Since` matches the response's headers."""


class BatchFileResponse(FileResponse):
    """A file of a batch, leased while it is sent so that no clean-up deletes it.

    A malformed `Range` is ignored (RFC 9110, 14.2).
    """

    def __init__(self, services: Services, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or 304 when the client has it."""
        with self._services.folders.lease(Path(self.path)):
            try:
                await self._stat()
                if is_not_modified(self.headers, Headers(scope=scope)):
                    await NotModifiedResponse(self.headers)(scope, receive, send)
                else:
                    await super().__call__(scope, receive, send)
            except HTTPException as error:
                code = ErrorCode.RANGE_BEYOND_END if error.status_code == 416 else ErrorCode.FILE_NOT_FOUND
                refusal = error_response(error.status_code, code, error.detail, headers=error.headers)
                await refusal(scope, receive, send)

    async def _stat(self) -> None:
        try:
            await asyncio.to_thread(self._services.folders.bring, Path(self.path))
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
            detail = f"This file has {file_size} bytes. Ask for a part of them, or for all of it."
            raise HTTPException(416, detail, {"Content-Range": f"bytes */{file_size}"}) from None


class GeneratedResponse(StreamingResponse):
    """A stream whose content is generated while it is sent; HEAD generates nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Starlette."""
        if scope["method"] == "HEAD":
            self.body_iterator = iterate_in_threadpool(())
        await super().__call__(scope, receive, send)
