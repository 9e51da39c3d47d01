"""The page's own scripts, styles and pictures: compressed, and kept by browsers, as their address changes with them."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .gradio_compat import unused_script
from .ui.assets import STATIC

IMMUTABLE = "public, max-age=31536000, immutable"
CACHING = {"/assets/": IMMUTABLE, "/static/": "public, max-age=86400"}
"""How long browsers keep what Gradio sends: for ever where the version is in the name, else for a day."""
MIN_GZIP_BYTES = 500
"""Bytes below which compressing is not worth its time."""
TEXT_PATHS = ("/assets/", "/static/", "/config", "/theme.css", "/gradio_api/info", "/gradio_api/startup-events")
"""What Gradio answers that is text; its streams, uploads and files go as they are."""


class _ImmutableFiles(StaticFiles):
    """Files of which each version has an address of its own."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See Starlette; browsers need not ask again."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = IMMUTABLE
        return response


class CompressedPages:
    """Middleware that compresses the page and what Gradio's own part of it consists of, without what is never used."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, minimum_size=MIN_GZIP_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress what is text; tell browsers how long to keep what seldom changes."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/" or path.startswith(TEXT_PATHS)):
            await self._app(scope, receive, send)
            return

        unused = unused_script(path)
        if unused is not None:
            await Response(unused, headers={"Cache-Control": IMMUTABLE}, media_type="text/javascript")(
                scope, receive, send
            )
            return

        caching = next((value for place, value in CACHING.items() if path.startswith(place)), None)

        async def cached(message: Message) -> None:
            if caching and message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = caching
            await send(message)

        await self._compressed(scope, receive, cached)


def static_files() -> Mount:
    """The route of the page's own files."""
    return Mount("/page/{version}", GZipMiddleware(_ImmutableFiles(directory=STATIC), minimum_size=MIN_GZIP_BYTES))
