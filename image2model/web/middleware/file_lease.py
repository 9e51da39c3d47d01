"""A lease on each file that Gradio's own route sends: no rule of the host deletes it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from ...services import Services

FILE_ROUTE = "/gradio_api/file="


class FileLeaseMiddleware:
    """Keep the file that a request names until it is answered (our own routes: `responses.BatchFileResponse`)."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        _, is_file, path = scope.get("path", "").partition(FILE_ROUTE)
        with self._services.folders.lease(*[Path(path)] if is_file else []):
            await self._app(scope, receive, send)
