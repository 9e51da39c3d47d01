"""Uploaded pictures that are not in a batch yet."""

from __future__ import annotations

import asyncio
import logging
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

log = logging.getLogger(__name__)

MAX_AGE_SECONDS = 3600.0
"""Seconds after which uploads that are not in a batch are deleted (`cleanup`)."""
MAX_EARLY_CHECKS = 4
"""Uploads that are checked at the same time before they are submitted; others wait until then."""
MAX_BATCHES_PER_NETWORK, MAX_BATCHES_TOTAL = 10, 100
"""Full batches of pictures that one network, and all networks, may upload within that time."""
MIN_COUNTED_BYTES = 1_000_000
"""Minimum bytes that an upload counts for, so that the number of small ones is bounded, too."""


@dataclass(slots=True)
class CountedUpload:
    """An upload of the last hour: its start, its network, and the bytes it counts for."""

    began: float
    network: str
    size: int

    def received(self, size: int) -> None:
        """Reduce the count to the bytes received, which may be fewer than announced."""
        self.size = min(self.size, max(size, MIN_COUNTED_BYTES))


class Uploads:
    """Checks and stores uploads before they are submitted."""

    def __init__(self, settings: Settings, folders: Folders, checker: ImageChecker) -> None:
        self._settings, self._folders, self.checker = settings, folders, checker
        self._recent: deque[CountedUpload] = deque()
        self._early_checks: set[asyncio.Task[object]] = set()

    def admit(self, client: str, size: int | None) -> CountedUpload:
        """Count an upload before its bytes are read; raises Unavailable for a full disk, LimitReached.

        `size` in bytes; None, if it is not announced, counts as a full batch.
        """
        batch = self._settings.max_files * self.checker.limits.max_bytes
        size = batch if size is None else size
        self._folders.require_free_space(self._settings.min_free_gb, size)
        size = max(size, MIN_COUNTED_BYTES)
        now, network = time.monotonic(), network_of(client)
        while self._recent and now - self._recent[0].began > MAX_AGE_SECONDS:
            self._recent.popleft()
        own = sum(upload.size for upload in self._recent if upload.network == network)
        total = sum(upload.size for upload in self._recent)
        if own + size > MAX_BATCHES_PER_NETWORK * batch or total + size > MAX_BATCHES_TOTAL * batch:
            wait = max(1.0, MAX_AGE_SECONDS - (now - self._recent[0].began)) if self._recent else MAX_AGE_SECONDS
            message, hint = "These are too many uploads in an hour.", "Wait for a while."
            raise LimitReached(ErrorCode.TOO_MANY_UPLOADS, message, hint, retry_after=wait)
        counted = CountedUpload(now, network, size)
        self._recent.append(counted)
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

    def check_early(self, paths: Sequence[Path]) -> None:
        """Begin to check uploads, because they will most likely be submitted when the last of them is here."""
        for path in paths[: MAX_EARLY_CHECKS - len(self._early_checks)]:
            task = asyncio.create_task(self._check_early(path))
            self._early_checks.add(task)
            task.add_done_callback(self._early_checks.discard)

    async def _check_early(self, path: Path) -> None:
        try:
            await self.checker.check(path, path.name)
        except Exception as error:  # the submission meets it again, and tells it
            log.warning("could not check an upload: %r", error)

    def check(self, paths: Sequence[Path]) -> AsyncGenerator[CheckedImage | ImageRefused]:
        """Check each picture, in order; one that is submitted afterwards is not decoded again."""
        return self.checker.check_files([(path, path.name) for path in paths])

    async def browser_displayable(self, path: Path, image: CheckedImage) -> Path:
        """The file itself, or the checked picture, written beside it, if browsers do not show the file's format."""
        return await self.checker.browser_displayable(path, image)

    async def refused_preview(self, path: Path) -> bytes | None:
        """Thumbnail (WebP) of a refused picture; None if it cannot be decoded safely."""
        return await asyncio.to_thread(self._read_preview, path)

    def _read_preview(self, path: Path) -> bytes | None:
        with path.open("rb") as file:
            return refused_preview(file.read(2 * self.checker.limits.max_bytes))
