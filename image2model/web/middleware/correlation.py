"""A correlation id from the request through the logs to the job: the client's own, or a new one."""

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
VALID_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class CorrelationIdMiddleware:
    """Bind `correlation_id` for the logs while a request is answered, and send it in `X-Correlation-ID`.

    Gradio's queue runs handlers in other tasks, so it is in the request's state, too (`correlation_id_of`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = Headers(scope=scope).get(HEADER, "")
        correlation_id = received if VALID_ID.fullmatch(received) else str(uuid.uuid4())
        scope.setdefault("state", {})["correlation_id"] = correlation_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = correlation_id
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            await self.app(scope, receive, send_with_id)


def correlation_id_of(request: gr.Request | Request | None) -> str:
    """The correlation id of a request, also in Gradio's queue; empty without a request."""
    return str(getattr(request.state, "correlation_id", "")) if request else ""


class CorrelationIdBlocks(gr.Blocks):
    """Blocks whose handlers, and Gradio's own lines when one fails, log under the id of the request."""

    async def process_api(self, *args: Any, **named: Any) -> dict[str, Any]:
        """Run one event, or the next step of one, in its own task, to which the id is bound."""
        if correlation_id := correlation_id_of(named.get("request")):
            structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        return await super().process_api(*args, **named)
