"""Contact sheet of a batch: each mesh beside its picture, with a caption and a line of facts."""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from anyascii import anyascii
from PIL import Image, ImageDraw, ImageFont

from ...atomic_files import atomic_write

LARGE_TILE, SMALL_TILE, MANY_CELLS = 192, 112, 60
"""Pixels per tile, and from how many cells on they are small: a WebP has at most 16,383 pixels a side.

A sheet of 25 takes 27 MB while it is made, with tiles of 256 pixels 49 MB.
"""
GAP, CAPTION_HEIGHT = 24, 46
THREADS = 2
"""Threads that decode and scale the images."""
MAX_CAPTION = 80
"""Longest caption in characters."""
BACKGROUND, TEXT_COLOUR, FAINT_COLOUR, TILE_COLOUR = (250, 249, 247), (44, 41, 38), (108, 101, 93), (236, 233, 229)


@dataclass(frozen=True, slots=True)
class Cell:
    """One mesh on the sheet: two small image files and its caption."""

    picture: Path
    mesh: Path
    name: str
    facts: str


def write_contact_sheet(cells: Sequence[Cell], target: Path) -> None:
    """Write the sheet of at least one cell as a WebP; unreadable files leave their tile empty."""
    tile = LARGE_TILE if len(cells) < MANY_CELLS else SMALL_TILE
    columns = math.ceil(math.sqrt(len(cells) * 0.6))
    rows = math.ceil(len(cells) / columns)
    width, height = 2 * tile + GAP, tile + CAPTION_HEIGHT + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), BACKGROUND)
    with ThreadPoolExecutor(THREADS) as threads:  # Pillow lets go of the interpreter while it decodes and scales
        tiles = threads.map(partial(_fit_images, tile=tile), cells)
        for number, (cell, images) in enumerate(zip(cells, tiles, strict=True)):
            row, column = divmod(number, columns)
            _draw_cell(sheet, cell, images, GAP + column * width, GAP + row * height, tile)
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=80, method=0)  # the zip waits for it
    atomic_write(target, buffer.getvalue())


def _draw_cell(
    sheet: Image.Image, cell: Cell, images: Iterable[Image.Image | None], left: int, top: int, tile: int
) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + 2 * tile - 1, top + tile - 1), TILE_COLOUR)
    for image, start in zip(images, (left, left + tile), strict=True):
        if image:
            place = (start + (tile - image.width) // 2, top + (tile - image.height) // 2)
            sheet.paste(image, place, image if image.mode == "RGBA" else None)
    for text, size, colour, down in ((cell.name, 15, TEXT_COLOUR, 8), (cell.facts, 12, FAINT_COLOUR, 27)):
        font = _font(size)
        draw.text((left, top + tile + down), _fit_text(text, font, 2 * tile), colour, font)


_font = cache(ImageFont.load_default)


def _fit_images(cell: Cell, tile: int) -> tuple[Image.Image | None, Image.Image | None]:
    return _fit_image(cell.picture, tile), _fit_image(cell.mesh, tile)


def _fit_image(path: Path, tile: int) -> Image.Image | None:
    """The image in mode RGB or RGBA, at most `tile` pixels a side; None for an unreadable file."""
    try:
        with Image.open(path, formats=("WEBP",)) as image:
            image.thumbnail((tile, tile), Image.Resampling.HAMMING)
            return image.copy()  # without the decoder, which holds half a megabyte
    except OSError:
        return None


def _fit_text(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """ASCII text, truncated with three dots where it is wider than `width` pixels."""
    text = anyascii(text)
    if len(text) <= MAX_CAPTION and font.getlength(text) <= width:
        return text
    kept = bisect_right(range(1, MAX_CAPTION + 1), width, key=lambda end: round(font.getlength(f"{text[:end]}...")))
    return f"{text[:kept]}..."
