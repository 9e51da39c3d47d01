"""Files on their way to somebody: while one is sent, no rule of the host deletes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..batches.folders import Folders


class SentFile(FileResponse):
    """A file of a batch; takes `Range`."""

    def __init__(self, folders: Folders, path: Path, **given: Any) -> None:
        super().__init__(path, **given)
        self._folders = folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._folders.reading(Path(self.path)):
            await super().__call__(scope, receive, send)


class LentFiles:
    """The middleware that does the same for what Gradio hands out by its own route."""

    ROUTE = "/gradio_api/file="

    def __init__(self, app: ASGIApp, folders: Folders) -> None:
        self._app, self._folders = app, folders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; the file that it names stays until then."""
        _, asked, path = scope.get("path", "").partition(self.ROUTE)
        with self._folders.reading(*[Path(path)] if asked else []):
            await self._app(scope, receive, send)
