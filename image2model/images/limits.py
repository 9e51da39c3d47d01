"""Everything that limits a picture: bytes, pixels, sides, shape.

The host sets MAX_FILE_MB, MAX_PIXELS and MAX_FILES (`image2model.settings`); what one model takes is in its entry in
its provider's catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ErrorCode, ImageRefused
from ..settings import Settings
from ..units import MB

MIN_SIDE = 16
MAX_ASPECT_RATIO = 16
MAX_STORED_SIDE = 2048
"""Pixels of the longer side of a checked picture: larger ones are scaled down, not refused."""
MAX_PARTIAL_PIXELS = 50_000_000
"""Most pixels of a refused picture that is decoded for its preview."""
MAX_JPEG_SCANS = 200
"""A photograph has about ten; thousands would keep a decoder busy for minutes."""
REDUCIBLE_FACTOR = 4
"""Factor by which a JPEG that is reduced while it is decoded may have more pixels than other pictures."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Limits of a picture: `max_bytes` of file, `max_pixels` decoded; `max_side` of the checked one."""

    max_bytes: int
    max_pixels: int
    max_side: int = MAX_STORED_SIDE

    @classmethod
    def of(cls, settings: Settings) -> ImageLimits:
        """The limits that the host has set."""
        return cls(settings.max_file_mb * MB, settings.max_pixels)


def check_file_size(data: bytes, limits: ImageLimits) -> None:
    """Raise ImageRefused `empty_file` or `file_too_large` where a file has no bytes or too many."""
    if not data:
        raise ImageRefused(ErrorCode.EMPTY_FILE, "This file is empty.", "Save or download the picture again.")
    if len(data) > limits.max_bytes:
        raise ImageRefused(
            ErrorCode.FILE_TOO_LARGE,
            f"This file is too large: it has more than {limits.max_bytes / 1e6:.3g} MB.",
            "Save it smaller, or as JPEG with less quality.",
        )


def check_picture_size(width: int, height: int, limits: ImageLimits, *, reducible: bool = False) -> None:
    """Raise ImageRefused `too_many_pixels`, `too_small` or `extreme_shape` for what cannot be used.

    `reducible`: the decoder needs no more memory than what it reduces the picture to.
    """
    size = f"{width:,} × {height:,} pixels"
    limit = limits.max_pixels * (REDUCIBLE_FACTOR if reducible else 1)
    if width * height > limit:
        raise ImageRefused(
            ErrorCode.TOO_MANY_PIXELS,
            f"This picture has {size}; the limit is {limit / 1e6:.3g} million in all.",
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
