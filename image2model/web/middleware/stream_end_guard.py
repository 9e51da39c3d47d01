"""No answer is lost between two streams: what is asked for is accepted once the end of the stream before has been read.

Gradio's clients read all answers from one stream, which the server ends when everything is answered. Until a client has
read that end it takes the stream for open, and what it asks for meanwhile is answered where nobody listens (gradio
6.31). A client that has read it hangs up; so the response stays open until then, and so long no client hears that
something is accepted, whereupon it would look whether its stream is open.

Our own page needs none of this, and its streams say so: it holds the end back by itself (`ui/static/answers.js`), since
a page that draws a mesh may take longer to read an end than anybody should be kept waiting here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import gradio as gr
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STREAM, ASK = "/gradio_api/queue/data", "/gradio_api/queue/join"
HOLDS = "x-holds-the-end"
"""The header of a stream whose reader holds its end back."""
END = b'data: {"msg":"close_stream"'
LONGEST = 1.0
"""Seconds after which an end counts as read: some proxies do not tell that somebody has hung up."""


class Heard:
    """The middleware."""

    def __init__(self, app: ASGIApp, demo: gr.Blocks) -> None:
        self._app, self._demo = app, demo
        self._ends: dict[str, asyncio.Event] = {}
        """Whether a session's client has read that its stream has ended, for as long as that is in doubt."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] == "http" and scope["path"] == STREAM and HOLDS not in Headers(scope=scope):
            await self._stream(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == ASK:
            await self._accept(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, heard = QueryParams(scope["query_string"]).get("session_hash", ""), asyncio.Event()
        if before := self._ends.pop(session, None):
            before.set()  # who opens another has read the end of the one before

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                heard.set()
            return message

        async def tell(message: Message) -> None:
            if message.get("body", b"").startswith(END):
                self._ends[session] = heard
            elif self._ends.get(session) is heard:
                await _wait(heard)
            await send(message)

        try:
            await self._app(scope, listen, tell)
        finally:
            heard.set()
            if self._ends.get(session) is heard:
                del self._ends[session]

    async def _accept(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if self._ends and message["type"] == "http.response.body":
                await self._read(message["body"])
            await send(message)

        await self._app(scope, receive, tell)

    async def _read(self, accepted: bytes) -> None:
        """Return when the end is read that whoever has asked for this may not have read yet."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            asked = json.loads(accepted)["event_id"]
            pending = self._demo._queue.pending_event_ids_session
            for session, heard in list(self._ends.items()):
                if asked in pending.get(session, ()):
                    await _wait(heard)


async def _wait(heard: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(heard.wait(), LONGEST)
