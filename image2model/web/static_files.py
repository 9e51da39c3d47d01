"""The page's own scripts, styles and pictures: compressed once, and kept by browsers."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .gradio_compat import unused_script
from .ui.assets import STATIC, version

IMMUTABLE = "public, max-age=31536000, immutable"
CACHING = {"/assets/": IMMUTABLE, "/page/": IMMUTABLE, "/static/": "public, max-age=86400"}
"""Caching by browsers: permanent if the version is in the address, else for a day."""
MIN_GZIP_BYTES = 500
"""Minimum bytes of a response that is compressed."""
GZIP_LEVEL = 6
"""Compression level; Starlette's 9 takes twice as long for 1 % less."""
TEXT_PATHS = (*CACHING, "/config", "/theme.css", "/gradio_api/info", "/gradio_api/startup-events")
"""Media types of text, which are compressed; Gradio's streams, uploads and files are not."""
STATIC_PATH = re.compile(r"/(?:assets|static|page/(?P<version>\w+))/(?:[\w-]+/)*[\w-][\w.-]*")
"""Canonical addresses of files, so that the cache has at most one entry per file."""


class CompressedPages:
    """Middleware that compresses the page and Gradio's own scripts and styles, and empties unused ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, MIN_GZIP_BYTES, GZIP_LEVEL)
        self._known: dict[tuple[str, bool], list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress text; let browsers cache what seldom changes."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/" or path.startswith(TEXT_PATHS)):
            await self._app(scope, receive, send)
            return

        unused = unused_script(path)
        if unused is not None:
            response = Response(unused, headers={"Cache-Control": IMMUTABLE}, media_type="text/javascript")
            await response(scope, receive, send)
            return

        caching = next((value for place, value in CACHING.items() if path.startswith(place)), None)
        key = (
            path,
            "br" in Headers(scope=scope).get("Accept-Encoding", ""),
        )  # Gradio itself compresses with Brotli, too
        is_whole = _wants_whole_file(scope)
        messages = self._known.get(key, []) if is_whole else []
        if messages:
            for message in messages:
                await send(copy_message(message))
            return

        async def cached(message: Message) -> None:
            if caching and message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = caching
            messages.append(copy_message(message))
            await send(message)

        await self._compressed(scope, receive, cached)
        if is_whole and messages[0]["status"] == 200 and not messages[-1].get("more_body"):
            self._known[key] = messages


def copy_message(message: Message) -> Message:
    """A copy of a message, whose headers and body later middleware may change."""
    return {**message, "headers": [*message["headers"]]} if "headers" in message else {**message}


def _wants_whole_file(scope: Scope) -> bool:
    """True if a request is for a whole file of this version, compressed."""
    headers, named = Headers(scope=scope), STATIC_PATH.fullmatch(scope["path"])
    return (
        named is not None
        and named["version"] in (None, version())
        and scope["method"] == "GET"
        and "gzip" in headers.get("Accept-Encoding", "")
        and not {"range", "if-none-match", "if-modified-since"} & set(headers.keys())
    )


def static_files() -> Mount:
    """The route of the page's own files."""
    return Mount("/page/{version}", StaticFiles(directory=STATIC))
