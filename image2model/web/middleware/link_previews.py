"""Open Graph tags of a batch in the head of the page: how a shared link looks where it is pasted."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from markupsafe import Markup
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import NotFound
from ...services import BatchView, Services
from ..public_address import public_root_url

GRADIO_OG_TAGS = re.compile(rb'<meta\s+property="og:[^>]*>')
"""Gradio's own tags, the same for every page."""
OPEN_GRAPH_TAG = Markup('<meta property="og:{}" content="{}">')


class LinkPreviewMiddleware:
    """Middleware that adds the tags to the page of a batch."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the tags if the address names an existing batch."""
        batch_id = _batch_id(scope)
        view = await self._view(batch_id) if batch_id else None
        if view is None:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _HeadInserter(send, _tags(view, public_root_url(Request(scope)))))

    async def _view(self, batch_id: str) -> BatchView | None:
        try:
            return await self._services.view(batch_id)
        except NotFound:
            return None


def _batch_id(scope: Scope) -> str:
    """Id of the requested batch; empty for other pages."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
        return ""
    query: str = scope["query_string"].decode("latin-1")
    return parse_qs(query).get("batch", [""])[0]


def _tags(view: BatchView, root: str) -> bytes:
    """The tags: the number of models, the names of the pictures, and a thumbnail of the first finished model."""
    first, more = view.jobs[0].filename.removesuffix(".glb"), view.counts.total - 1
    title = f"{first} and {more} more in 3D" if more else f"{first} in 3D"
    shown = next((job for job in view.jobs if job.succeeded), view.jobs[0])
    tags = {
        "type": "website",
        "site_name": "image2model",
        "title": title,
        "description": f"Made from {'pictures' if more else 'a picture'} by {view.generator_name}. Turn it, export it.",
        "image": f"{root}/{shown.thumbnail}",
    }
    return "".join(OPEN_GRAPH_TAG.format(name, value) for name, value in tags.items()).encode()


class _HeadInserter:
    """`send` that inserts tags at the beginning of a page's head."""

    def __init__(self, send: Send, tags: bytes) -> None:
        self._send, self._tags = send, tags
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Collect the page until it is complete."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = GRADIO_OG_TAGS.sub(b"", self._body).replace(b"<head>", b"<head>" + self._tags, 1)
        others = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**self._start, "headers": [*others, length]})
        await self._send({**message, "body": body})
