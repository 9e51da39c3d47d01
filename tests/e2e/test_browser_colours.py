"""Our decoding laid beside Chromium's, pixel by pixel, over a table of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from image2model.images import ImageLimits, decode_image
from tests.support.browser_pixels import browser_pixels
from tests.support.picture_table import picture_table

LIMITS = ImageLimits(40_000_000, 65_000_000)
TOLERANCE = 2
"""Of 255 levels."""
SHOWN_IN_PART = ("no-eoi.jpg", "last8-cut.jpg", "without end, with a trailer", "without end, a JPEG behind")
"""Of a JPEG without its end marker Chromium leaves out the last row of blocks, which is there."""


def premultiplied(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pixels (RGBA) with their colours weighed by their alpha: what is clear has none."""
    values = pixels.astype(float)
    return np.dstack([values[..., :3] * values[..., 3:] / 255, values[..., 3]])


@pytest.mark.browser
async def test_pictures_look_as_chromium_shows_them():
    """Each picture is decoded to the pixels that Chromium shows, within two levels."""
    table = picture_table()
    wrong = {}
    for name, shown in (await browser_pixels(table)).items():
        ours = np.asarray(decode_image(table[name], LIMITS, 2048).convert("RGBA"))
        if shown is None or shown.shape != ours.shape:
            wrong[name] = f"{ours.shape} for {shown is not None and shown.shape}"
            continue
        differences = np.abs(premultiplied(ours) - premultiplied(shown))
        if name in SHOWN_IN_PART:
            differences *= shown[..., 3:] > 0
        row, column, _ = np.unravel_index(differences.argmax(), differences.shape)
        if differences.max() > TOLERANCE:
            wrong[name] = f"{ours[row, column]} for {shown[row, column]} at {row}, {column}"
    assert wrong == {}
