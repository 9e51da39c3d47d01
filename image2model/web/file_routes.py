"""The page's own routes for files: results, thumbnails and the zip, streamed and never copied to a cache.

Knowing a batch's id, which nobody can guess, is the right to read its files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import Image2ModelError
from ..services import Stream, Studio, archive_name
from .middleware.request_metrics import Counted
from .responses import SentFile, Streamed
from .ui.picture_cache import PictureCache

Handler = Callable[[Request], Awaitable[Response]]


def routes(studio: Studio, previews: PictureCache) -> list[Counted]:
    """The routes, to be placed before Gradio's; `previews` are pictures that are not stored yet."""

    async def file(request: Request) -> Response:
        params = request.path_params
        served = await studio.file(params["batch_id"], params["number"], params["name"])
        return SentFile(
            studio.folders,
            served.path,
            media_type=served.media_type,
            filename=served.filename,
            content_disposition_type="attachment" if served.filename.endswith(".glb") else "inline",
            headers={"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"},
        )

    async def archive(request: Request) -> Response:
        batch_id = request.path_params["batch_id"]
        return _zip(await studio.archive(batch_id), archive_name(batch_id))

    async def export(request: Request) -> Response:
        asked = dict(request.query_params)
        (choice,) = studio.meshes.choices([asked.pop("format", "glb")], asked)
        made = await studio.meshes.export(request.path_params["batch_id"], request.path_params["number"], choice)
        return SentFile(
            studio.folders,
            made.path,
            media_type=made.media_type,
            filename=made.filename,
            headers={"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"},
        )

    async def exports(request: Request) -> Response:
        asked, batch_id = dict(request.query_params), request.path_params["batch_id"]
        choices = studio.meshes.choices(asked.pop("format", "glb"), asked)
        return _zip(await studio.meshes.archive(batch_id, choices), archive_name(batch_id, choices))

    async def print_check(request: Request) -> Response:
        params, asked = request.path_params, request.query_params
        found = await studio.meshes.print_check(
            params["batch_id"], params["number"], asked.get("size"), asked.get("unit"), asked.get("measure")
        )
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})

    return [
        Counted("/batches/{batch_id}/zip", _answering(archive)),
        Counted("/batches/{batch_id}/export", _answering(exports)),
        Counted("/batches/{batch_id}/{number:int}/export", _answering(export)),
        Counted("/batches/{batch_id}/{number:int}/print-check", _answering(print_check)),
        Counted("/batches/{batch_id}/{number:int}/{name}", _answering(file)),
        Counted("/previews/{token}.webp", previews.answer),
        Counted("/alive", alive),
    ]


def _zip(stream: Stream, name: str) -> Response:
    return Streamed(
        stream.chunks,
        media_type="application/zip",
        headers={
            "Content-Length": str(stream.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Cache-Control": "no-store",
        },
    )


def _answering(handler: Handler) -> Handler:
    """The handler, its errors told as JSON with their stable code."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Image2ModelError as error:
            body = {"error": True, "error_code": error.code, "message": str(error), "status_code": error.http_status}
            return JSONResponse(body, error.http_status)

    return answer
