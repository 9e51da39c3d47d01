"""The REST API as one application: its routers, aliases of paths, and documentation.

Paths and keys are a contract with existing clients: answers may gain keys and never lose one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from ... import __version__
from ...ops.health import health_of
from ...services import Services
from . import admin, downloads, errors, health, logs, models, status, uploads

PREFIX = "/api/v1"
ALIASES: Mapping[str, str] = {
    "/api/status": f"{PREFIX}/status",
    "/health": f"{PREFIX}/health",
    f"{PREFIX}/openapi.json": "/openapi.json",
    f"{PREFIX}/docs": "/docs",
}
"""Aliases of paths, and of everything below them."""
API_PATHS = (PREFIX, *ALIASES, "/openapi.json", "/docs")
ROUTERS = (
    uploads.router,
    models.router,
    status.router,
    downloads.router,
    admin.router,
    health.router,
    logs.router,
)
DESCRIPTION = """A batch of pictures in, textured 3D meshes out.

Upload pictures, follow the task, download the results. Every error has the same body, with a readable sentence in
`message`. Each answer has an `X-Correlation-ID`, by which the host finds the request in the logs."""


def create_app(services: Services) -> FastAPI:
    """The REST application."""
    app = FastAPIOffline(
        title="image2model",
        version=__version__,
        description=DESCRIPTION,
        redoc_url=None,
        static_url=f"{PREFIX}/assets",
        redirect_slashes=False,  # PathNormalizer knows both; a redirect would lose the body
        responses=errors.error_responses(400, 413, 422, 429),  # all but 422 also from the middleware, before any route
    )
    app.state.services, app.state.health = services, health_of(services)
    app.state.prefix, app.state.log_analysis_lock = PREFIX, asyncio.Lock()
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods:
            route.methods.add("HEAD")  # the documentation; the routers below are HeadRouters
    errors.add_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app


def api_mount(services: Services) -> ApiMount:
    """The application as a route, to be placed before Gradio's."""
    return ApiMount(create_app(services))


def prepare_routes(app: FastAPI) -> None:
    """Let FastAPI work out every route now: else the first request to each router waits for it.

    That takes 90 ms for this API, and 25 ms for Gradio's routes.
    """
    nowhere = {"type": "http", "method": "GET", "path": "/nowhere", "headers": []}
    for route in app.routes:
        route.matches(nowhere)


class ApiMount(Mount):
    """A mount of the API's paths only; all others fall through to the routes after it."""

    def __init__(self, api: FastAPI) -> None:
        super().__init__("", PathNormalizer(api))
        self.api = api
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        if scope["type"] != "http" or not any(_is_under(_relative_path(scope), ours) for ours in API_PATHS):
            return Match.NONE, {}
        return super().matches(scope)


class PathNormalizer:
    """Rewrite aliases and trailing slashes to the path that a route knows, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path = scope.get("root_path", "") + canonical_path(_relative_path(scope))
        scope["path"] = path  # in place, because request metrics read it afterwards
        await self.app(scope, receive, send)


def canonical_path(path: str) -> str:
    """The path without a trailing slash, aliases resolved."""
    path = path.rstrip("/")
    alias = next((alias for alias in ALIASES if _is_under(path, alias)), None)
    return ALIASES[alias] + path[len(alias) :] if alias else path


def _relative_path(scope: Scope) -> str:
    path: Any = scope["path"]
    return str(path).removeprefix(scope.get("root_path", ""))


def _is_under(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}/")
