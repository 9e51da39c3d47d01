"""Responses in the forms of fal and its storage."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send


def error_response(status: int, detail: str, error_type: str | None = None) -> Response:
    """An error of fal's own machinery."""
    return JSONResponse({"detail": detail} | ({"error_type": error_type} if error_type else {}), status)


def platform_error_response(status: int, kind: str, message: str) -> Response:
    """An error of the platform API, which has a form of its own."""
    return JSONResponse({"error": {"type": kind, "message": message}}, status)


def range_response(request: Request, data: bytes, content_type: str | None) -> Response:
    """A file, or the requested end of it (https://www.rfc-editor.org/rfc/rfc9110#section-14)."""
    tag = f'"{zlib.crc32(data):08x}"'
    headers = {"etag": tag, "accept-ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range", tag) != tag:
        return Response(data, 200, headers, content_type)
    start, size = int(wanted[1]), len(data)
    if start >= size:
        return Response(b"", 416, {"content-range": f"bytes */{size}"})
    return Response(data[start:], 206, {**headers, "content-range": f"bytes {start}-{size - 1}/{size}"}, content_type)


def any_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """Bytes and texts as they are, all else as JSON."""
    if isinstance(body, bytes | str):
        return Response(
            body, status, headers, media_type=None if headers and "content-type" in headers else "text/html"
        )
    return JSONResponse(body, status, headers)


def split_send(send: Send, seconds: float, drop: Callable[[], None] | None = None) -> Send:
    """A `send` that passes on half of the body; after `seconds` it drops the connection, or sends the rest."""

    async def sending(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body, half = message["body"], len(message["body"]) // 2
        await send({**message, "body": body[:half], "more_body": True})
        await asyncio.sleep(seconds)
        if drop:
            drop()
        else:
            await send({**message, "body": body[half:]})

    return sending
