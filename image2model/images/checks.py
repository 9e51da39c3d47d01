"""What callers ask of an untrusted picture: the checked picture, a preview of it, or a look at a refused one."""

from __future__ import annotations

import asyncio
import io
import os
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ..errors import ErrorCode, ImageRefused
from ..file_names import clean_name
from .decoding import ImageLimits, decode_image, decode_partially, downscale

T = TypeVar("T")

THUMBNAIL_SIDE = 256
THREADS = max(1, min(4, os.cpu_count() or 1))
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="images")


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A picture that can be worked with."""

    name: str
    """The source's name, fit for display."""
    png: bytes
    """RGB or RGBA, 8 bit, upright, in sRGB, without metadata (no EXIF, GPS position, text or profile)."""
    width: int
    """Of the PNG, in pixels."""
    height: int
    has_alpha: bool
    """True only where something really is transparent; the PNG is RGBA then."""
    thumbnail: bytes
    """WebP, at most 256 pixels a side."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A usable picture's name and thumbnail, for a page that only shows what was dropped on it."""

    name: str
    thumbnail: bytes


def check_image(data: bytes, name: str, limits: ImageLimits) -> CheckedImage:
    """Return the picture in `data`, its longest side at most `limits.max_side`; raises what `decode_image` raises."""
    image = decode_image(data, limits, limits.max_side)
    return CheckedImage(
        name=clean_name(name),
        png=_encode_png(image),
        width=image.width,
        height=image.height,
        has_alpha=image.mode == "RGBA",
        thumbnail=_encode_thumbnail(image),
    )


def preview_image(data: bytes, name: str, limits: ImageLimits) -> Preview:
    """Decide as `check_image` does, at a fraction of the time, and return only the thumbnail."""
    return Preview(clean_name(name), _encode_thumbnail(decode_image(data, limits, THUMBNAIL_SIDE)))


def tiny_preview(data: bytes) -> bytes | None:
    """Return a small WebP of whatever can be seen of a refused picture, None where nothing can safely."""
    try:
        image = decode_partially(data, THUMBNAIL_SIDE)
        return None if image is None else _encode_thumbnail(image)
    except Exception:  # hostile bytes make decoders raise anything, and no preview is a good answer
        return None


async def check_files(
    files: Sequence[tuple[Path, str]], limits: ImageLimits, check: Callable[[bytes, str, ImageLimits], T]
) -> AsyncGenerator[T | ImageRefused]:
    """Yield `check(data, name, limits)` (`check_image` or `preview_image`) for each (path, name), in order.

    The work is done on one thread per processor, shared by all callers: Pillow lets go of the
    interpreter while it decodes, scales and compresses, so the event loop goes on. Only a few
    results wait at a time, so a caller that stores each one keeps memory flat.
    """
    loop = asyncio.get_running_loop()
    pending: deque[asyncio.Future[T | ImageRefused]] = deque()
    try:
        for path, name in files:
            pending.append(loop.run_in_executor(_executor, _check_file, path, name, limits, check))
            if len(pending) > THREADS + 1:
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        for future in pending:
            future.cancel()


def _check_file(
    path: Path, name: str, limits: ImageLimits, check: Callable[[bytes, str, ImageLimits], T]
) -> T | ImageRefused:
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
        return check(data, name, limits)
    except ImageRefused as refusal:
        return refusal
    except OSError:
        return ImageRefused(ErrorCode.UNREADABLE, "This file could not be read.", "Add it once more.")


def _encode_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info = {}
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)  # photographs gain nothing from more
    return buffer.getvalue()


def _encode_thumbnail(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    small = downscale(image, THUMBNAIL_SIDE)
    small.info = {}
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
