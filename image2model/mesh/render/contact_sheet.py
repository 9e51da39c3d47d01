"""All meshes of a batch on one sheet: each beside its picture, with its name and a line of facts."""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anyascii import anyascii
from PIL import Image, ImageDraw, ImageFont

from ...atomic_files import atomic_write

LARGE, SMALL, MANY = 224, 112, 60
"""Pixels a side of each picture; smaller from so many on, because a WebP has at most 16,383 a side."""
GAP, TEXT = 24, 46
LONGEST = 80
"""More letters than this are never wanted."""
PAPER, INK, SOFT, MAT = (250, 249, 247), (44, 41, 38), (108, 101, 93), (236, 233, 229)


@dataclass(frozen=True, slots=True)
class Cell:
    """One asset on the sheet: two small picture files, and what is written below them."""

    picture: Path
    mesh: Path
    name: str
    facts: str


def contact_sheet(cells: Sequence[Cell], to: Path) -> None:
    """Write the sheet of at least one cell as a WebP; files that cannot be read leave their place empty."""
    side = LARGE if len(cells) < MANY else SMALL
    columns = math.ceil(math.sqrt(len(cells) * 0.6))
    rows = math.ceil(len(cells) / columns)
    width, height = 2 * side + GAP, side + TEXT + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), PAPER)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        _put(sheet, cell, GAP + column * width, GAP + row * height, side)
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=85, method=2)
    atomic_write(to, buffer.getvalue())


def _put(sheet: Image.Image, cell: Cell, left: int, top: int, side: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + 2 * side - 1, top + side - 1), MAT)
    for path, start in ((cell.picture, left), (cell.mesh, left + side)):
        if image := _fitted(path, side):
            place = (start + (side - image.width) // 2, top + (side - image.height) // 2)
            sheet.paste(image, place, image)
    for text, size, colour, down in ((cell.name, 15, INK, 8), (cell.facts, 12, SOFT, 27)):
        font = _font(size)
        draw.text((left, top + side + down), _shortened(text, font, 2 * side), colour, font)


_font = cache(ImageFont.load_default)


def _fitted(path: Path, side: int) -> Image.Image | None:
    try:
        with Image.open(path, formats=("WEBP",)) as stored:
            image = stored.convert("RGBA")
    except OSError:
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text in the font's few letters, its end replaced by three dots where it is wider than `width` pixels."""
    text = anyascii(text)
    if len(text) <= LONGEST and font.getlength(text) <= width:
        return text
    kept = bisect_right(range(1, LONGEST + 1), width, key=lambda end: round(font.getlength(f"{text[:end]}...")))
    return f"{text[:kept]}..."
