"""The page's own routes for files: results, thumbnails and the zip, streamed and not copied to Gradio's cache.

Knowing a batch's id, which cannot be guessed, is the right to read its files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ..errors import Image2ModelError
from ..services import Studio, ZipStream, archive_name
from .middleware.request_metrics import MeasuredRoute
from .responses import BatchFileResponse, GeneratedResponse
from .ui.picture_cache import PictureCache

Handler = Callable[[Request], Awaitable[Response]]


def file_routes(studio: Studio, previews: PictureCache) -> list[MeasuredRoute]:
    """The routes, to be placed before Gradio's; `previews` are pictures that are not stored yet."""

    async def file(request: Request) -> Response:
        params = request.path_params
        served = await studio.file(params["batch_id"], params["number"], params["name"])
        return BatchFileResponse(
            studio,
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
        query = dict(request.query_params)
        (choice,) = studio.exports.parse_options([query.pop("format", "glb")], query)
        exported = await studio.exports.export(request.path_params["batch_id"], request.path_params["number"], choice)
        return BatchFileResponse(
            studio,
            exported.path,
            media_type=exported.media_type,
            filename=exported.filename,
            headers={"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"},
        )

    async def exports(request: Request) -> Response:
        query, batch_id = dict(request.query_params), request.path_params["batch_id"]
        choices = studio.exports.parse_options(query.pop("format", "glb"), query)
        return _zip(await studio.exports.archive(batch_id, choices), archive_name(batch_id, choices))

    async def print_check(request: Request) -> Response:
        params, query = request.path_params, request.query_params
        report = await studio.exports.print_check(
            params["batch_id"], params["number"], *(query.get(name) for name in ("size", "unit", "measure", "repair"))
        )
        return JSONResponse(report, headers={"Cache-Control": "no-store"})

    async def printer_colours(request: Request) -> Response:
        params, query = request.path_params, request.query_params
        colours = await studio.exports.printer_colours(
            params["batch_id"], params["number"], *(query.get(name) for name in ("colors", "size", "unit", "measure"))
        )
        return JSONResponse(colours, headers={"Cache-Control": "no-store"})

    async def admin(request: Request) -> Response:
        """The Admin tab, at the address that the first image2model's admin page had."""
        return RedirectResponse("../?tab=admin" if request.url.path.endswith("/") else "./?tab=admin")

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})

    return [
        MeasuredRoute("/batches/{batch_id}/zip", _with_error_body(archive)),
        MeasuredRoute("/batches/{batch_id}/export", _with_error_body(exports)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/export", _with_error_body(export)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/print-check", _with_error_body(print_check)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/printer-colors", _with_error_body(printer_colours)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/{name}", _with_error_body(file)),
        MeasuredRoute("/previews/{token}.webp", previews.answer),
        MeasuredRoute("/admin", admin),
        MeasuredRoute("/admin/", admin),
        MeasuredRoute("/alive", alive),
    ]


def _zip(stream: ZipStream, name: str) -> Response:
    return GeneratedResponse(
        stream.chunks,
        media_type="application/zip",
        headers={
            "Content-Length": str(stream.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Cache-Control": "no-store",
        },
    )


def _with_error_body(handler: Handler) -> Handler:
    """The handler with its Image2ModelErrors answered as JSON."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except Image2ModelError as error:
            body = {"error": True, "error_code": error.code, "message": str(error), "status_code": error.http_status}
            return JSONResponse(body, error.http_status)

    return handle
