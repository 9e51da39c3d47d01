"""One id from the request through the logs to the job: the request's own, or a new one."""

from __future__ import annotations

import re
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Correlation-ID"
SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Correlated:
    """Binds `correlation_id` for the logs while a request is answered, and tells it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request under its id."""
        given = Headers(scope=scope).get(HEADER, "")
        own = given if SANE.fullmatch(given) else str(uuid.uuid4())

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = own
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=own):
            await self.app(scope, receive, tell)


def correlation_id() -> str:
    """The id of the request that is being answered."""
    return str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
