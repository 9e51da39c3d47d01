"""Metrics and access log of requests, by route template, method and status; timed until the answer begins."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...metrics import REQUEST_SECONDS, REQUESTS
from ...ops.log_config import ACCESS_LOGGER
from ..public_address import client_of

log = logging.getLogger(ACCESS_LOGGER)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
STATIC_ROUTES = frozenset({NO_ROUTE, "/assets/{path:path}", "/static/{path:path}", "/theme.css"})
"""Routes of scripts and styles, of which each opened page asks for more than a hundred; our own are a mount's."""


class RequestMetricsMiddleware:
    """Count, time and log each request; bodies pass through unbuffered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, seconds = time.perf_counter(), 0, 0.0

        async def record_status(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, record_status)
        except BaseException:
            status, seconds = status or 500, seconds or time.perf_counter() - began
            raise
        finally:
            self._record(scope, status, seconds)

    @staticmethod
    def _record(scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = route_template(scope)
        REQUESTS.labels(method, route, str(status) if status else "none").inc()
        if status:
            REQUEST_SECONDS.labels(method, route).observe(seconds)
        _log(scope, method, route, status, seconds)


def _log(scope: Scope, method: str, route: str, status: int, seconds: float) -> None:
    """Log a request by its route template; its path may contain a batch id, which grants access."""
    fields = {
        "method": method, "route": route, "status": status, "duration_ms": round(1000 * seconds, 2),
        "client": client_of(scope),
    }  # fmt: skip
    level = logging.ERROR if status >= 500 else logging.INFO
    if status < 400 and route in STATIC_ROUTES:
        level = logging.DEBUG
    log.log(level, "%s %s %d", method, route, status, extra=fields)


def route_template(scope: Scope) -> str:
    """Path of the matched route as declared, which bounds the values of the label; NO_ROUTE without a match."""
    route: Any = scope.get("route")
    if route is None or isinstance(route, Mount):
        return NO_ROUTE
    return str(getattr(scope["app"].state, "prefix", "")) + str(route.path)


class MeasuredRoute(Route):
    """A route that puts itself into the scope for the metrics, as FastAPI does with its own."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        match, child = super().matches(scope)
        return match, child if match is Match.NONE else {**child, "route": self}
