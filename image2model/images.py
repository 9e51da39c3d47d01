"""Untrusted bytes in; a checked, upright, plain PNG out, or a refusal that says why and what to do.

A picture is judged by decoding all of it, never by its name. JPEG and PNG are taken (MPO, which
phones write, is a JPEG with more behind it: its first picture counts). What comes out carries no
metadata: no EXIF, no GPS position, no text, no colour profile (colours are converted to sRGB).
"""

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

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin

from .errors import ErrorCode, ImageRefused
from .names import clean_name

T = TypeVar("T")

MIN_SIDE = 16
MAX_ASPECT = 16
THUMBNAIL_SIDE = 256
MAX_JPEG_SCANS = 200
"""A photograph has about ten; thousands would keep a decoder busy for minutes."""
GLIMPSE_PIXELS = 50_000_000
MAX_PROFILE_BYTES = 4_000_000

JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG"
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"BM", "a BMP picture"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypmsf1", "a HEIC picture"),
    (4, b"ftypcrx", "a camera's raw picture"),
    (4, b"ftyp", "a video"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"PK\3\4", "a zip archive or an office document"),
    (0, b"glTF", "a 3D model"),
)
"""Offset, bytes and name of the formats that people try; the first match counts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a picture may be: `max_bytes` of file, `max_pixels` decoded; `max_side` of what comes out."""

    max_bytes: int
    max_pixels: int
    max_side: int = 2048


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A picture that can be worked with."""

    name: str
    """The source's name, fit for display."""
    png: bytes
    """RGB or RGBA, 8 bit, upright, without metadata."""
    width: int
    """Of the PNG, in pixels."""
    height: int
    has_alpha: bool
    """True only where something really is transparent; the PNG is RGBA then."""
    thumbnail: bytes
    """WebP, at most 256 pixels a side."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The verdict on a picture and its thumbnail, for a page that only shows what was dropped on it."""

    name: str
    thumbnail: bytes


def check(data: bytes, name: str, limits: Limits) -> CheckedImage:
    """Return the picture in `data`, upright and plain, its longest side at most `limits.max_side`.

    Larger pictures are scaled down (by libjpeg where it can, then with a Lanczos filter).
    Raises ImageRefused with one of the codes empty_file, file_too_large, unsupported_format,
    not_an_image, damaged, animated, too_many_pixels, too_small, extreme_shape, fully_transparent.
    """
    image = _decode(data, limits, limits.max_side)
    return CheckedImage(
        name=clean_name(name),
        png=_png(image),
        width=image.width,
        height=image.height,
        has_alpha=image.mode == "RGBA",
        thumbnail=_thumbnail(image),
    )


def opened(data: bytes, limits: Limits, side: int) -> Image.Image:
    """Return the picture itself, within `side`, judged and turned upright as `check` does; raises ImageRefused."""
    return _decode(data, limits, side)


def preview(data: bytes, name: str, limits: Limits) -> Preview:
    """Decide as `check` does, at a fraction of the time, and return only the thumbnail."""
    return Preview(clean_name(name), _thumbnail(_decode(data, limits, THUMBNAIL_SIDE)))


def glimpse(data: bytes) -> bytes | None:
    """Return a small WebP of whatever can be seen of a refused picture, None where nothing can safely."""
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP", "BMP"))
        if image.width * image.height > GLIMPSE_PIXELS or _scans(data) > MAX_JPEG_SCANS:
            return None
        image.draft(None, (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        _load_what_is_there(image)
        return _thumbnail(_upright(_shrink(_simple_mode(image), THUMBNAIL_SIDE)))
    except Exception:  # hostile bytes make decoders raise anything, and no glimpse is a good answer
        return None


async def check_each(
    items: Sequence[tuple[Path, str]], limits: Limits, how: Callable[[bytes, str, Limits], T]
) -> AsyncGenerator[T | ImageRefused]:
    """Yield `how(data, name, limits)` (`check` or `preview`) for each (path, name), in order.

    The work is done on one thread per processor, shared by all callers: Pillow lets go of the
    interpreter while it decodes, scales and compresses, so the event loop goes on. Only a few
    results wait at a time, so a caller that stores each one keeps memory flat.
    """
    loop = asyncio.get_running_loop()
    waiting: deque[asyncio.Future[T | ImageRefused]] = deque()
    try:
        for path, name in items:
            waiting.append(loop.run_in_executor(_threads, _judge, path, name, limits, how))
            if len(waiting) > _THREADS + 1:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for future in waiting:
            future.cancel()


_THREADS = max(1, min(4, os.cpu_count() or 1))
_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="images")


def _judge(path: Path, name: str, limits: Limits, how: Callable[[bytes, str, Limits], T]) -> T | ImageRefused:
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
        return how(data, name, limits)
    except ImageRefused as refusal:
        return refusal
    except OSError:
        return ImageRefused(ErrorCode.UNREADABLE, "This file could not be read.", "Add it once more.")


def _decode(data: bytes, limits: Limits, side: int) -> Image.Image:
    """The whole picture, upright, sRGB, mode RGB or (only if something is transparent) RGBA, within `side`."""
    _refuse_by_size(data, limits)
    try:
        image = _open(data)
        _refuse_by_header(image, limits)
        image.draft(None, _fitting(image.size, side))
        image.load()
        return _settle_alpha(_upright(_to_srgb(_shrink(_simple_mode(image), side))))
    except ImageRefused:
        raise
    except Exception as error:  # hostile bytes make decoders raise nearly anything
        raise ImageRefused(
            ErrorCode.DAMAGED,
            "This picture is damaged or cut short.",
            "Download or export it again, then add it once more.",
        ) from error


def _refuse_by_size(data: bytes, limits: Limits) -> None:
    if not data:
        raise ImageRefused(ErrorCode.EMPTY_FILE, "This file is empty.", "Save or download the picture again.")
    if len(data) > limits.max_bytes:
        raise ImageRefused(
            ErrorCode.FILE_TOO_LARGE,
            f"This file is too large: it has more than {limits.max_bytes / 1e6:.3g} MB.",
            "Save it smaller, or as JPEG with less quality.",
        )


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header only. Calling the decoder itself keeps other formats' code out of reach."""
    if data.startswith(JPEG_START):
        if _scans(data) > MAX_JPEG_SCANS:
            raise ImageRefused(
                ErrorCode.DAMAGED, "This JPEG is built in a way no camera does.", "Save it anew as JPEG."
            )
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if data.startswith(PNG_START):
        return PngImagePlugin.PngImageFile(io.BytesIO(data))
    raise _other_format(data)


def _scans(data: bytes) -> int:
    return data.count(b"\xff\xda") if data.startswith(JPEG_START) else 0


def _other_format(data: bytes) -> ImageRefused:
    hint = "Save it as JPEG or PNG and add that."
    kind = next((kind for offset, start, kind in SIGNATURES if data.startswith(start, offset)), None)
    if kind is None and b"<svg" in data[:4096].lower():
        kind = "an SVG drawing"
    if kind:
        return ImageRefused(ErrorCode.UNSUPPORTED_FORMAT, f"This is {kind}; only JPEG and PNG are taken.", hint)
    looks = "looks like text" if _is_text(data[:1024]) else "is no picture we know"
    return ImageRefused(
        ErrorCode.NOT_AN_IMAGE, f"This file {looks}, whatever its name says.", "Choose a JPEG or PNG picture."
    )


def _is_text(data: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in data)


def _refuse_by_header(image: ImageFile.ImageFile, limits: Limits) -> None:
    width, height = image.size
    size = f"{width:,} × {height:,} pixels"
    if width * height > limits.max_pixels:
        raise ImageRefused(
            ErrorCode.TOO_MANY_PIXELS,
            f"This picture has {size}; the limit is {limits.max_pixels / 1e6:.3g} million in all.",
            "Save it smaller.",
        )
    if min(width, height) < MIN_SIDE:
        raise ImageRefused(
            ErrorCode.TOO_SMALL,
            f"This picture has only {size}.",
            f"Each side needs at least {MIN_SIDE} pixels, better 512 or more.",
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageRefused(
            ErrorCode.EXTREME_SHAPE, f"This picture is a thin strip ({size}).", "Crop it around its subject."
        )
    if getattr(image, "is_animated", False):
        raise ImageRefused(ErrorCode.ANIMATED, "This picture is animated.", "Save a single frame of it and add that.")


def _simple_mode(image: Image.Image) -> Image.Image:
    """L, LA, RGB, RGBA or CMYK: modes that can be resampled."""
    if image.mode.startswith("I;16"):
        image = _from_16_bit_grey(image)
    if image.mode == "PA" or "transparency" in image.info:
        return _convert(image, "RGBA")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else _convert(image, "RGB")


def _from_16_bit_grey(image: Image.Image) -> Image.Image:
    """Keep the high byte, as for 16-bit colour: Pillow itself would clip all above 255 to white."""
    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


def _convert(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return converted


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """`size` scaled down so that the longer side is at most `side`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _shrink(image: Image.Image, side: int) -> Image.Image:
    size = _fitting(image.size, side)
    if size == image.size:
        return image
    smaller = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    smaller.info = image.info
    return smaller


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB, through the picture's colour profile where it has a usable one."""
    profile = image.info.get("icc_profile") or b""
    target = "RGBA" if image.mode in ("LA", "RGBA") else "RGB"
    if b"sRGB" in profile or b"s\0R\0G\0B" in profile or not 0 < len(profile) <= MAX_PROFILE_BYTES:
        return _convert(image, target)
    alpha = image.getchannel("A") if target == "RGBA" else None
    flat = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(flat, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that does not fit is as good as none
        return _convert(image, target)
    if converted is None:
        return _convert(image, target)
    if alpha is not None:
        converted.putalpha(alpha)
    converted.info = image.info
    return converted


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; broken EXIF data counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is parsed from hostile bytes
        return image


def _settle_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        lowest, highest = image.getchannel("A").getextrema()
        if highest == 0:
            raise ImageRefused(
                ErrorCode.FULLY_TRANSPARENT,
                "This picture is completely transparent.",
                "Save it with its subject visible.",
            )
        if lowest == 255:
            return image.convert("RGB")
    return image


def _load_what_is_there(image: Image.Image) -> None:
    try:
        image.load()
    except (OSError, SyntaxError):
        image.tile = []  # type: ignore[attr-defined]  # what was decoded before the break stays


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.info = {}
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)  # photographs gain nothing from more
    return buffer.getvalue()


def _thumbnail(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    small = _shrink(image, THUMBNAIL_SIDE)
    small.info = {}
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()
