"""Limit on the requests of one network that are answered at a time."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ...services.key_attempts import network_of
from ..public_address import client_of
from ..rest.errors import error_response

MAX_OPEN_REQUESTS = 1000
"""Requests of one network: a page keeps two streams open, and a whole office may have one address."""
REFUSAL = error_response(
    429,
    ErrorCode.TOO_MANY_CONNECTIONS,
    "Too many connections are open from your network. Close some pages, or wait a moment.",
    headers={"Retry-After": "10"},
)


class ConnectionLimitMiddleware:
    """Refuse requests of a network beyond MAX_OPEN_REQUESTS with 429, `too_many_connections`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        network = network_of(client_of(scope))
        if self._open[network] >= MAX_OPEN_REQUESTS:
            await REFUSAL(scope, receive, send)
            return
        self._open[network] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]
