"""Checks of untrusted pictures as callers use them, and small previews of refused ones."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import zlib
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from pebble import ProcessExpired
from PIL import Image

from ..atomic_files import atomic_write
from ..errors import ErrorCode, ImageRefused
from ..file_names import clean_name
from ..process_pool import Executor
from .decoding import damaged_error, decode_partially, downscale, open_image
from .formats import ImageFormat, detect_format
from .limits import ImageLimits, check_file_size

THUMBNAIL_SIDE = 256
JPEG_QUALITY = 94
THREADS = max(1, min(4, os.cpu_count() or 1))
CACHE_BYTES = 64_000_000
"""Checked pictures kept in memory until they are stored: two batches of photographs, of about 1 MB each."""
ISOLATED_FORMATS: frozenset[ImageFormat] = frozenset({"AVIF", "HEIF", "TIFF"})
"""Formats whose decoders are large and written in C, or keep the interpreter to themselves: another process's work."""
ISOLATED_SECONDS = 60.0
NOT_BROWSER_DISPLAYABLE: frozenset[ImageFormat] = frozenset({"HEIF", "TIFF"})
"""Formats that most browsers do not show."""

Suffix = Literal[".jpg", ".png"]
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="images")


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A picture that can be worked with."""

    name: str
    """The source's name, fit for display."""
    data: bytes
    """RGB of 8 bits (RGBA where something is transparent), upright, in sRGB, without metadata."""
    suffix: Suffix
    """JPEG, or PNG for what is transparent and for a PNG whose pixels need no change."""
    width: int
    """Pixels."""
    height: int
    thumbnail: bytes
    """WebP, at most 256 pixels a side."""
    format: ImageFormat
    """Format of the source."""
    notes: tuple[str, ...]
    """Notes for a person: codes of `NOTE_TEXTS`."""
    digest: bytes = b""
    """Digest of the source's content, by which `ImageChecker` finds what it keeps."""


CheckResult: TypeAlias = CheckedImage | ImageRefused


def check_image(data: bytes, name: str, limits: ImageLimits) -> CheckedImage:
    """Return the picture in `data`, its longest side at most `limits.max_side`.

    A JPEG or PNG that is upright, small enough and in sRGB keeps its pixels as they are stored. Raises what
    `open_image` and `Source.decode` raise.
    """
    source = open_image(data, limits)
    width, height = source.size
    keeps_pixels = source.can_keep_pixels and max(width, height) <= limits.max_side
    image = source.decode(THUMBNAIL_SIDE if keeps_pixels and source.format == "JPEG" else limits.max_side)
    if keeps_pixels and source.lossless_bytes and image.mode == source.pillow.mode:
        suffix: Suffix = ".jpg" if source.format == "JPEG" else ".png"
        stored = source.lossless_bytes
    else:
        width, height = image.size
        suffix, stored = _encode(image)
    return CheckedImage(
        clean_name(name), stored, suffix, width, height, _encode_thumbnail(image), source.format, source.notes
    )


def check_file(path: Path, name: str, limits: ImageLimits) -> CheckedImage:
    """Check a file as `check_image` does, reading no more of it than the limit."""
    return check_image(_read(path, limits), name, limits)


def refused_preview(data: bytes) -> bytes | None:
    """Return a small WebP preview of a refused picture; None where it cannot be decoded safely."""
    try:
        image = decode_partially(data, THUMBNAIL_SIDE)
        return None if image is None else _encode_thumbnail(image)
    except Exception:  # hostile bytes make decoders raise anything, and no preview is a good answer
        return None


class ImageChecker:
    """Checks files off the event loop, and each content once: its result is cached.

    The work is done on one thread per processor, shared by all checkers: Pillow lets go of the interpreter while it
    decodes, scales and compresses. Formats that are better kept apart (`ISOLATED_FORMATS`) are decoded by `workers`.
    """

    def __init__(self, limits: ImageLimits, workers: Executor | None = None) -> None:
        self.limits = limits
        self._workers = workers
        self._results: OrderedDict[bytes, asyncio.Future[CheckResult]] = OrderedDict()
        """Results by the digest of the content, the one asked for last at the end."""

    async def check(self, path: Path, name: str) -> CheckResult:
        """Return the checked picture, or why it is refused."""
        loop = asyncio.get_running_loop()
        try:
            digest, kind = await loop.run_in_executor(_executor, _identify, path, self.limits)
        except ImageRefused as refusal:
            return refusal
        if digest not in self._results:
            self._results[digest] = asyncio.create_task(self._check(path, name, kind))
            self._results[digest].add_done_callback(partial(self._cache_result, digest))
        self._results.move_to_end(digest)
        result = await asyncio.shield(self._results[digest])  # others may wait for it too
        return result if isinstance(result, ImageRefused) else replace(result, name=clean_name(name), digest=digest)

    def forget(self, digests: Iterable[bytes]) -> None:
        """Free the results for these contents: they are stored elsewhere now."""
        for digest in digests:
            self._results.pop(digest, None)

    async def check_files(self, files: Sequence[tuple[Path, str]]) -> AsyncGenerator[CheckResult]:
        """Yield what `check` returns for each (path, name), in order.

        Only a few results wait at a time, so a caller that stores each one keeps memory flat.
        """
        pending: deque[asyncio.Task[CheckResult]] = deque()
        try:
            for path, name in files:
                pending.append(asyncio.create_task(self.check(path, name)))
                if len(pending) > THREADS + 1:
                    yield await pending.popleft()
            while pending:
                yield await pending.popleft()
        finally:
            for task in pending:
                task.cancel()

    async def browser_displayable(self, path: Path, image: CheckedImage) -> Path:
        """The file itself, or where browsers do not show its format, the checked picture, written beside it."""
        if image.format not in NOT_BROWSER_DISPLAYABLE:
            return path
        shown = path.with_suffix(image.suffix)
        await asyncio.to_thread(atomic_write, shown, image.data)
        checked: asyncio.Future[CheckResult] = asyncio.get_running_loop().create_future()
        checked.set_result(image)
        self._results[_digest(image.data)] = checked
        return shown

    async def _check(self, path: Path, name: str, kind: ImageFormat) -> CheckResult:
        try:
            if self._workers and kind in ISOLATED_FORMATS:
                return await self._workers.run(check_file, path, name, self.limits, seconds=ISOLATED_SECONDS)
            return await asyncio.get_running_loop().run_in_executor(_executor, check_file, path, name, self.limits)
        except ImageRefused as refusal:
            return refusal
        except (TimeoutError, ProcessExpired):
            return damaged_error(kind)

    def _cache_result(self, digest: bytes, task: asyncio.Future[CheckResult]) -> None:
        """Evict older results beyond CACHE_BYTES, and a check that raised or was cancelled."""
        if task.cancelled() or task.exception():
            self._results.pop(digest, None)
        while sum(map(_size, self._results.values())) > CACHE_BYTES:
            self._results.popitem(last=False)


def _size(task: asyncio.Future[CheckResult]) -> int:
    """Bytes that a result holds; none while it is being made."""
    result = task.result() if task.done() and not task.cancelled() and not task.exception() else None
    return len(result.data) + len(result.thumbnail) if isinstance(result, CheckedImage) else 0


def _identify(path: Path, limits: ImageLimits) -> tuple[bytes, ImageFormat]:
    """A digest of the file's content, and its format; raises ImageRefused."""
    data = _read(path, limits)
    check_file_size(data, limits)
    return _digest(data), detect_format(data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _read(path: Path, limits: ImageLimits) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError:
        raise ImageRefused(ErrorCode.UNREADABLE, "This file could not be read.", "Add it once more.") from None


def _encode(image: Image.Image) -> tuple[Suffix, bytes]:
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)  # photographs gain nothing from more
        return ".png", buffer.getvalue()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return ".jpg", buffer.getvalue()


def _encode_thumbnail(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    downscale(image, THUMBNAIL_SIDE).save(buffer, "WEBP", quality=80, method=0)
    return buffer.getvalue()
