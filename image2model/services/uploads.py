"""Pictures that have been uploaded and are in no batch yet."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ErrorCode, ImageRefused, LimitReached
from ..images import CheckedImage, ImageChecker, refused_preview
from ..images.fetch import fetch_image
from ..jobs.storage.folders import Folders
from ..settings import Settings
from .key_attempts import network_of

MAX_AGE_SECONDS = 3600.0
"""Seconds after which uploads that are in no batch are swept away (`cleanup`)."""
MAX_BATCHES_PER_NETWORK, MAX_BATCHES_TOTAL = 10, 100
"""Full batches of pictures that one network, and all together, may upload within that time."""
MIN_COUNTED_BYTES = 1_000_000
"""Bytes that an upload counts for at least, so that the number of small ones is bounded, too."""


@dataclass(slots=True)
class CountedUpload:
    """An upload of the last hour: when it began, from which network, how many bytes it counts for."""

    began: float
    network: str
    size: int

    def received(self, size: int) -> None:
        """Count it for the bytes that came, which may be fewer than were announced."""
        self.size = min(self.size, max(size, MIN_COUNTED_BYTES))


class Uploads:
    """Checks and keeps uploads before they are submitted."""

    def __init__(self, settings: Settings, folders: Folders, checker: ImageChecker) -> None:
        self._settings, self._folders, self.checker = settings, folders, checker
        self._taken: deque[CountedUpload] = deque()

    def admit(self, client: str, size: int | None) -> CountedUpload:
        """Count an upload before its bytes are taken; raises Unavailable for a full disk, LimitReached.

        `size` in bytes; None, where it is not announced, counts as a full batch.
        """
        batch = self._settings.max_files * self.checker.limits.max_bytes
        size = batch if size is None else size
        self._folders.require_free_space(self._settings.min_free_gb, size)
        size = max(size, MIN_COUNTED_BYTES)
        now, network = time.monotonic(), network_of(client)
        while self._taken and now - self._taken[0].began > MAX_AGE_SECONDS:
            self._taken.popleft()
        own = sum(one.size for one in self._taken if one.network == network)
        everybody = sum(one.size for one in self._taken)
        if own + size > MAX_BATCHES_PER_NETWORK * batch or everybody + size > MAX_BATCHES_TOTAL * batch:
            wait = max(1.0, MAX_AGE_SECONDS - (now - self._taken[0].began)) if self._taken else MAX_AGE_SECONDS
            message, hint = "These are too many uploads in an hour.", "Wait for a while."
            raise LimitReached(ErrorCode.TOO_MANY_UPLOADS, message, hint, retry_after=wait)
        counted = CountedUpload(now, network, size)
        self._taken.append(counted)
        return counted

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
        folder = self._folders.gradio_cache / uuid.uuid4().hex
        await asyncio.to_thread(folder.mkdir, parents=True)
        return folder

    def check(self, paths: Sequence[Path]) -> AsyncGenerator[CheckedImage | ImageRefused]:
        """Check each picture, in order; one that is submitted afterwards is not decoded again."""
        return self.checker.check_files([(path, path.name) for path in paths])

    async def browser_displayable(self, path: Path, image: CheckedImage) -> Path:
        """The file itself, or where browsers do not show its format, the checked picture, written beside it."""
        return await self.checker.browser_displayable(path, image)

    async def refused_preview(self, path: Path) -> bytes | None:
        """A small WebP of what can be seen of a refused picture, None where nothing can safely."""
        return await asyncio.to_thread(self._read_preview, path)

    def _read_preview(self, path: Path) -> bytes | None:
        with path.open("rb") as file:
            return refused_preview(file.read(2 * self.checker.limits.max_bytes))
