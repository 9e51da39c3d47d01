"""The REST API as one application: its routers, its names for the same thing, its documentation.

Paths and keys are a contract with programs that exist: what is answered may grow and never lose a key.
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
from ...services import Studio
from . import admin, downloads, errors, health, logs, models, status, uploads

PREFIX = "/api/v1"
ALIASES: Mapping[str, str] = {
    "/api/status": f"{PREFIX}/status",
    "/health": f"{PREFIX}/health",
    f"{PREFIX}/openapi.json": "/openapi.json",
    f"{PREFIX}/docs": "/docs",
}
"""Other names of paths and of everything below them."""
OURS = (PREFIX, *ALIASES, "/openapi.json", "/docs")
ROUTERS = (
    uploads.router,
    models.router,
    status.router,
    downloads.router,
    admin.router,
    health.router,
    logs.router,
)  # one per noun
ABOUT = """A batch of pictures in, textured 3D meshes out.

Upload pictures, follow the task, fetch the results. Every error has the same body, with a sentence for a person in
`message`, and each answer carries `X-Correlation-ID`, by which a host finds it in the logs."""


def build(studio: Studio) -> FastAPI:
    """The application of one studio."""
    app = FastAPIOffline(
        title="image2model",
        version=__version__,
        description=ABOUT,
        redoc_url=None,
        static_url=f"{PREFIX}/assets",
        redirect_slashes=False,  # `Named` knows both; a redirect would lose the body
        responses=errors.documented(400, 413, 422),  # 400 and 413 also from `security`, before any route
    )
    app.state.studio, app.state.health = studio, health_of(studio)
    app.state.prefix, app.state.analysing = PREFIX, asyncio.Lock()
    for route in app.routes:
        if isinstance(route, APIRoute) and route.methods:
            route.methods.add("HEAD")  # the documentation; what is included below is `Readable`
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app


def mounted(studio: Studio) -> Mount:
    """The application as a route, to be placed before Gradio's."""
    return Ours(Named(build(studio)))


class Ours(Mount):
    """Takes the paths of the API, with whatever characters, and leaves all others to the routes behind it."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__("", app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for the API."""
        if scope["type"] != "http" or not any(_below(_path(scope), ours) for ours in OURS):
            return Match.NONE, {}
        return super().matches(scope)


class Named:
    """Gives every request the one path that its route knows, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under that path."""
        scope["path"] = scope.get("root_path", "") + canonical(_path(scope))  # not a copy: `Measured` reads its route
        await self.app(scope, receive, send)


def canonical(path: str) -> str:
    """The path without a slash at its end, and its own name in place of another."""
    path = path.rstrip("/")
    alias = next((alias for alias in ALIASES if _below(path, alias)), None)
    return ALIASES[alias] + path[len(alias) :] if alias else path


def _path(scope: Scope) -> str:
    path: Any = scope["path"]
    return str(path).removeprefix(scope.get("root_path", ""))


def _below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}/")
