"""The stream of boards: the results as HTML at each change, as server-sent events, until the batch is finished."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from ..errors import Image2ModelError
from ..services import BatchView, Services
from .rest.event_stream import COMMENT_SECONDS
from .ui import results
from .ui.picture_cache import keep_newest

VISITOR_HEADER = "X-Visitor"
"""Who asks, as a header: addresses are logged by proxies, and a visitor's name opens the visitor's library."""
MAX_BOARDS = 100
"""Boards that are kept; each is some 20 kB."""


class BoardStreams:
    """The streams of all pages."""

    def __init__(self, services: Services) -> None:
        self._services, self._boards = services, RenderedBoards()

    async def stream(self, request: Request) -> EventSourceResponse:
        """Answer with the boards of a batch; with one that says so if it does not exist (any more)."""
        events = self._events(request.path_params["batch_id"], request.headers.get(VISITOR_HEADER, ""))
        return EventSourceResponse(events, ping=COMMENT_SECONDS, sep="\n")

    async def _events(self, batch_id: str, visitor: str) -> AsyncIterator[bytes]:
        try:
            async for view in self._services.watch(batch_id):
                yield self._boards.event(view, shared=not view.is_of(visitor))
        except Image2ModelError:
            yield _encode(results.GONE)


class RenderedBoards:
    """The newest board of each batch as an event, rendered and encoded once for all its watchers."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, bool], tuple[BatchView, bytes]] = OrderedDict()

    def event(self, view: BatchView, shared: bool) -> bytes:
        """The event with the board of a view; the same bytes for the same view."""
        key = view.batch_id, shared
        known = self._newest.get(key)
        if known is None or known[0] is not view:
            known = view, _encode(results.board(view, shared))
            keep_newest(self._newest, key, known, MAX_BOARDS)
        return known[1]


def _encode(html: str) -> bytes:
    return ServerSentEvent(html, sep="\n").encode()
