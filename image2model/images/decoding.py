"""Untrusted bytes to a decoded picture: within limits, upright, in sRGB, scaled down.

A picture is judged by decoding all of it, never by its name. JPEG and PNG are taken (MPO, which
phones write, is a JPEG with more behind it: its first picture counts).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, PngImagePlugin

from ..errors import ErrorCode, ImageRefused
from .colour import to_resizable_mode, to_srgb
from .formats import JPEG_SIGNATURE, MAX_JPEG_SCANS, PNG_SIGNATURE, count_jpeg_scans, unsupported_format

MIN_SIDE = 16
MAX_ASPECT_RATIO = 16
MAX_PARTIAL_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large a picture may be: `max_bytes` of file, `max_pixels` decoded; `max_side` of what comes out."""

    max_bytes: int
    max_pixels: int
    max_side: int = 2048


def decode_image(data: bytes, limits: ImageLimits, max_side: int) -> Image.Image:
    """Decode to RGB or, only if something is transparent, RGBA: upright, in sRGB, scaled down to `max_side` pixels.

    Larger pictures are scaled down by libjpeg where it can, then with a Lanczos filter.
    Raises ImageRefused with one of the codes empty_file, file_too_large, unsupported_format,
    not_an_image, damaged, animated, too_many_pixels, too_small, extreme_shape, fully_transparent.
    """
    _check_file_size(data, limits)
    try:
        image = _open(data)
        _check_header(image, limits)
        image.draft(None, _fit_size(image.size, max_side))
        image.load()
        return _drop_opaque_alpha(apply_orientation(to_srgb(downscale(to_resizable_mode(image), max_side))))
    except ImageRefused:
        raise
    except Exception as error:  # hostile bytes make decoders raise nearly anything
        raise ImageRefused(
            ErrorCode.DAMAGED,
            "This picture is damaged or cut short.",
            "Download or export it again, then add it once more.",
        ) from error


def decode_partially(data: bytes, max_side: int) -> Image.Image | None:
    """Decode whatever can be seen of a refused picture, scaled down; None where nothing can safely. May raise."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP", "BMP"))
    if image.width * image.height > MAX_PARTIAL_PIXELS or count_jpeg_scans(data) > MAX_JPEG_SCANS:
        return None
    image.draft(None, (max_side, max_side))
    try:
        image.load()
    except (OSError, SyntaxError):
        image.tile = []  # type: ignore[attr-defined]  # what was decoded before the break stays
    return apply_orientation(downscale(to_resizable_mode(image), max_side))


def downscale(image: Image.Image, max_side: int) -> Image.Image:
    """Scale down so that the longer side has at most `max_side` pixels; smaller pictures stay as they are."""
    size = _fit_size(image.size, max_side)
    if size == image.size:
        return image
    smaller = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    smaller.info = image.info
    return smaller


def apply_orientation(image: Image.Image) -> Image.Image:
    """Turn as the EXIF orientation says; broken EXIF data counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is parsed from hostile bytes
        return image


def _check_file_size(data: bytes, limits: ImageLimits) -> None:
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
    if data.startswith(JPEG_SIGNATURE):
        if count_jpeg_scans(data) > MAX_JPEG_SCANS:
            raise ImageRefused(
                ErrorCode.DAMAGED, "This JPEG is built in a way no camera does.", "Save it anew as JPEG."
            )
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if data.startswith(PNG_SIGNATURE):
        return PngImagePlugin.PngImageFile(io.BytesIO(data))
    raise unsupported_format(data)


def _check_header(image: ImageFile.ImageFile, limits: ImageLimits) -> None:
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
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ImageRefused(
            ErrorCode.EXTREME_SHAPE, f"This picture is a thin strip ({size}).", "Crop it around its subject."
        )
    if getattr(image, "is_animated", False):
        raise ImageRefused(ErrorCode.ANIMATED, "This picture is animated.", "Save a single frame of it and add that.")


def _fit_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """`size` scaled down so that the longer side is at most `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _drop_opaque_alpha(image: Image.Image) -> Image.Image:
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
