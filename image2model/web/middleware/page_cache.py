"""The page as Gradio renders it, kept: half a megabyte, which takes 30 ms and is the same for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..public_address import public_root_url
from ..static_files import copy_message

MAX_PAGES = 20
"""Addresses of the app whose page is kept, the latest ones: a visitor may name any host where the settings allow it."""
PAGE_QUERY_FIELDS = frozenset({"batch", "tab"})
"""Query fields that only the page's scripts and our own middleware read."""


@dataclass(frozen=True, slots=True)
class _Page:
    route: Any
    messages: Sequence[Message]


class PageCacheMiddleware:
    """Render the page once for each address of the app, the one thing of a request that is in it.

    Whoever sends a cookie may be signed in, and gets a page of their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pages: dict[str, _Page] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if not _is_for_everybody(scope):
            await self._app(scope, receive, send)
            return
        address = public_root_url(Request(scope))
        if page := self._pages.get(address):
            scope["route"] = page.route  # in place: request metrics read it
            for message in page.messages:
                await send(copy_message(message))
            return
        messages: list[Message] = []

        async def note(message: Message) -> None:
            messages.append(copy_message(message))
            await send(message)

        await self._app(scope, receive, note)
        if messages and _is_whole(messages):
            if len(self._pages) >= MAX_PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[address] = _Page(scope.get("route"), messages)


def _is_for_everybody(scope: Scope) -> bool:
    """True if the request is for the page and may be answered from the cache."""
    if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/") or "cookie" in Headers(scope=scope):
        return False
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys() <= PAGE_QUERY_FIELDS


def _is_whole(messages: Sequence[Message]) -> bool:
    """True if the response is a complete, uncompressed page without a cookie."""
    headers = Headers(raw=messages[0].get("headers", []))
    is_plain = not {"set-cookie", "content-encoding"} & set(headers.keys())
    return messages[0].get("status") == 200 and is_plain and not messages[-1].get("more_body")
