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
"""Caching by browsers: for ever where the version is in the address, else for a day."""
MIN_GZIP_BYTES = 500
"""Bytes below which compressing is not worth its time."""
GZIP_LEVEL = 6
"""Level 9, Starlette's, takes twice as long for a hundredth less."""
TEXT_PATHS = (*CACHING, "/config", "/theme.css", "/gradio_api/info", "/gradio_api/startup-events")
"""Media types of text, which are compressed; Gradio's streams, uploads and files go as they are."""
FILE = re.compile(r"/(?:assets|static|page/(?P<version>\w+))/(?:[\w-]+/)*[\w-][\w.-]*")
"""Addresses that name a file in one way only, so that no more is remembered than there are files."""


class CompressedPages:
    """Middleware that compresses the page and what Gradio's own part of it consists of, without what is never used."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, MIN_GZIP_BYTES, GZIP_LEVEL)
        self._known: dict[tuple[str, bool], list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress what is text; tell browsers how long to keep what seldom changes."""
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
        )  # Gradio's own part compresses with Brotli, too
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
    """The same message, to which others may add headers of their own, and whose body they may compress."""
    return {**message, "headers": [*message["headers"]]} if "headers" in message else {**message}


def _wants_whole_file(scope: Scope) -> bool:
    """True if a request asks for all of a file of this version, compressed."""
    headers, named = Headers(scope=scope), FILE.fullmatch(scope["path"])
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
