"""One id from the request through the logs to the job: the request's own, or a new one."""

from __future__ import annotations

import re
import uuid
from typing import Any

import gradio as gr
import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Correlation-ID"
SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Correlated:
    """Binds `correlation_id` for the logs while a request is answered, and tells it in the answer.

    Gradio's queue runs handlers elsewhere, so it stands in the request's state too (`correlation_of`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request under its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        own = given if SANE.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["correlation_id"] = own

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = own
            await send(message)

        # Gradio's queue begins to run within one request, whose id would stand in the lines of all handlers since.
        bound = {} if scope["path"].endswith("/startup-events") else {"correlation_id": own}
        with structlog.contextvars.bound_contextvars(**bound):
            await self.app(scope, receive, tell)


def correlation_of(request: gr.Request | Request | None) -> str:
    """The id of a request, also where it is answered later; empty for none."""
    return str(getattr(request.state, "correlation_id", "")) if request else ""


class CorrelatedBlocks(gr.Blocks):
    """A page whose handlers log under the id of the request that asked for them, and Gradio so when one fails."""

    async def process_api(self, *args: Any, **named: Any) -> dict[str, Any]:
        """Run one event, or the next step of one; each has a task of its own, which is the id's to its end."""
        if own := correlation_of(named.get("request")):
            structlog.contextvars.bind_contextvars(correlation_id=own)
        return await super().process_api(*args, **named)
