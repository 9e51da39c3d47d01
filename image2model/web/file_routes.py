"""The page's own routes: results, thumbnails and the zip, streamed and not copied to Gradio's cache; and boards.

Knowing a batch's id, which cannot be guessed, is the right to read its files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ..errors import Image2ModelError
from ..services import Services, ZipStream, archive_name
from .board_stream import BoardStreams
from .middleware.request_metrics import MeasuredRoute
from .responses import BatchFileResponse, GeneratedResponse
from .ui.picture_cache import PictureCache

Handler = Callable[[Request], Awaitable[Response]]
NO_STORE = {"Cache-Control": "no-store"}


def file_routes(services: Services, previews: PictureCache) -> list[MeasuredRoute]:
    """The routes, to be placed before Gradio's; `previews` are pictures of batches not yet submitted."""
    files = _FileRoutes(services)
    return [
        MeasuredRoute("/batches/{batch_id}/board", BoardStreams(services).stream),
        MeasuredRoute("/batches/{batch_id}/zip", _with_error_body(files.archive)),
        MeasuredRoute("/batches/{batch_id}/export", _with_error_body(files.exports)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/export", _with_error_body(files.export)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/print-check", _with_error_body(files.print_check)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/printer-colors", _with_error_body(files.printer_colours)),
        MeasuredRoute("/batches/{batch_id}/{number:int}/{name}", _with_error_body(files.file)),
        MeasuredRoute("/previews/{token}.webp", previews.answer),
        MeasuredRoute("/admin", _redirect_to_admin),
        MeasuredRoute("/admin/", _redirect_to_admin),
        MeasuredRoute("/alive", _alive),
    ]


class _FileRoutes:
    """The routes below `/batches`, each a method."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def file(self, request: Request) -> Response:
        params = request.path_params
        served = await self._services.file(params["batch_id"], params["number"], params["name"])
        return BatchFileResponse(
            self._services,
            served.path,
            media_type=served.media_type,
            filename=served.filename,
            content_disposition_type="attachment" if served.filename.endswith(".glb") else "inline",
            headers={"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"},
        )

    async def archive(self, request: Request) -> Response:
        batch_id = request.path_params["batch_id"]
        return _zip(await self._services.archive(batch_id), archive_name(batch_id))

    async def export(self, request: Request) -> Response:
        params, query, exports = request.path_params, dict(request.query_params), self._services.exports
        (choice,) = exports.parse_options([query.pop("format", "glb")], query)
        exported = await exports.export(params["batch_id"], params["number"], choice)
        return BatchFileResponse(
            self._services,
            exported.path,
            media_type=exported.media_type,
            filename=exported.filename,
            headers={"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"},
        )

    async def exports(self, request: Request) -> Response:
        query, batch_id = dict(request.query_params), request.path_params["batch_id"]
        choices = self._services.exports.parse_options(query.pop("format", "glb"), query)
        return _zip(await self._services.exports.archive(batch_id, choices), archive_name(batch_id, choices))

    async def print_check(self, request: Request) -> Response:
        params, query = request.path_params, request.query_params
        report = await self._services.exports.print_check(
            params["batch_id"], params["number"], *(query.get(name) for name in ("size", "unit", "measure", "repair"))
        )
        return JSONResponse(report, headers=NO_STORE)

    async def printer_colours(self, request: Request) -> Response:
        params, query = request.path_params, request.query_params
        colours = await self._services.exports.printer_colours(
            params["batch_id"], params["number"], *(query.get(name) for name in ("colors", "size", "unit", "measure"))
        )
        return JSONResponse(colours, headers=NO_STORE)


async def _redirect_to_admin(request: Request) -> Response:
    """Redirect the address of the first image2model's admin page to the Admin tab."""
    return RedirectResponse("../?tab=admin" if request.url.path.endswith("/") else "./?tab=admin")


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers=NO_STORE)


def _zip(stream: ZipStream, name: str) -> Response:
    return GeneratedResponse(
        stream.chunks,
        media_type="application/zip",
        headers={
            "Content-Length": str(stream.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            **NO_STORE,
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
