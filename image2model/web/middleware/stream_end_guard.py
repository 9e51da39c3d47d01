"""Guard against events lost between two of Gradio's event streams (gradio 6.31).

Gradio's clients read the results of all their events from one stream, which the server ends when nothing is pending.
Until a client has read that end it takes the stream for open, and the results of events that it joins meanwhile go
where nobody listens. A client that has read the end hangs up. So the response is kept open until then, and until then
no join of that session is answered, since a client looks at its stream when the answer comes.

Our own page needs none of this, and its streams say so: it holds the end back by itself
(`ui/static/early/stream_guard.js`), since a page that draws a mesh may take longer to read an end than the server
should wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import gradio as gr
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..gradio_compat import pending_events

STREAM_PATH, JOIN_PATH = "/gradio_api/queue/data", "/gradio_api/queue/join"
CLIENT_GUARDS = "x-holds-the-end"
"""Request header of a stream whose client guards itself."""
CLOSE_STREAM = b'data: {"msg":"close_stream"'
READ_TIMEOUT = 1.0
"""Seconds after which an end counts as read: some proxies do not pass on that a client has hung up."""


class StreamEndMiddleware:
    """Delay the ends of streams, and answers to joins, until the client cannot miss a result."""

    def __init__(self, app: ASGIApp, demo: gr.Blocks) -> None:
        self._app, self._demo = app, demo
        self._unread_ends: dict[str, asyncio.Event] = {}
        """Events by session: set when its client has read the end of its stream; kept as long as that is in doubt."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["path"] == STREAM_PATH and CLIENT_GUARDS not in Headers(scope=scope):
            await self._guard_stream(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == JOIN_PATH:
            await self._delay_join(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guard_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, end_read = QueryParams(scope["query_string"]).get("session_hash", ""), asyncio.Event()
        if previous := self._unread_ends.pop(session, None):
            previous.set()  # a client opens another stream only after it has read the end of the one before

        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                end_read.set()
            return message

        async def send_guarded(message: Message) -> None:
            if message.get("body", b"").startswith(CLOSE_STREAM):
                self._unread_ends[session] = end_read
            elif self._unread_ends.get(session) is end_read:
                await _wait(end_read)
            await send(message)

        try:
            await self._app(scope, receive_and_note, send_guarded)
        finally:
            end_read.set()
            if self._unread_ends.get(session) is end_read:
                del self._unread_ends[session]

    async def _delay_join(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if self._unread_ends and message["type"] == "http.response.body":
                await self._wait_for_client(message["body"])
            await send(message)

        await self._app(scope, receive, send_guarded)

    async def _wait_for_client(self, join_response: bytes) -> None:
        """Return when the client that joined this event has read the end of its last stream."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            event_id = json.loads(join_response)["event_id"]
            for session, end_read in list(self._unread_ends.items()):
                if event_id in pending_events(self._demo, session):
                    await _wait(end_read)


async def _wait(end_read: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_TIMEOUT):
            await end_read.wait()
