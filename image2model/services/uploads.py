"""Pictures that have been uploaded and are in no batch yet."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import ImageRefused
from ..images import CheckedImage, ImageChecker, tiny_preview
from ..images.fetch import fetch_image
from ..jobs.storage.folders import Folders


class Uploads:
    """Checks and keeps uploads before they are submitted."""

    def __init__(self, folders: Folders, checker: ImageChecker) -> None:
        self._folders, self.checker = folders, checker

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder for the pictures of one request, deleted with them when the block ends."""
        folder = await self._new_folder()
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def fetch(self, url: str) -> Path:
        """Download a picture from the web; raises ImageRefused."""
        folder = await self._new_folder()
        name = await fetch_image(url, folder / "picture", self.checker.limits.max_bytes)
        return (folder / "picture").rename(folder / name)

    async def _new_folder(self) -> Path:
        folder = self._folders.cache / uuid.uuid4().hex
        await asyncio.to_thread(folder.mkdir, parents=True)
        return folder

    def check(self, paths: Sequence[Path]) -> AsyncGenerator[CheckedImage | ImageRefused]:
        """Check each picture, in order; one that is submitted afterwards is not decoded again."""
        return self.checker.check_files([(path, path.name) for path in paths])

    async def showable(self, path: Path, image: CheckedImage) -> Path:
        """The file itself, or where browsers do not show its format, the checked picture, written beside it."""
        return await self.checker.showable(path, image)

    async def refused_preview(self, path: Path) -> bytes | None:
        """A small WebP of what can be seen of a refused picture, None where nothing can safely."""
        return await asyncio.to_thread(self._read_preview, path)

    def _read_preview(self, path: Path) -> bytes | None:
        with path.open("rb") as file:
            return tiny_preview(file.read(2 * self.checker.limits.max_bytes))
