"""The page takes pictures by what they are: under any name, in formats that browsers do not show, with a word."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import App, drop, opened
from tests.support.picture_table import FILES, TWO_FRAMES
from tests.support.pictures import encoded, photo

pytestmark = pytest.mark.browser

SHOWN = """(images) => images.every((image) => image.complete && image.naturalWidth > 0)"""


async def test_the_page_judges_pictures_by_content(app: App, page: Page):
    """A JPEG without a name's ending or called HEIC, a true HEIC, a TIFF and a GIF are taken and shown."""
    await opened(page, app.url)
    heic, tiff = encoded(photo(300, 200), "HEIF"), encoded(photo(300, 200), "TIFF")
    gif = encoded(photo(300, 200, "P"), "GIF", **TWO_FRAMES)
    await drop(
        page,
        {"name": "noext", "mimeType": "", "buffer": (FILES / "noext").read_bytes()},
        {"name": "IMG_0994.HEIC", "mimeType": "image/heic", "buffer": (FILES / "IMG_0994.HEIC").read_bytes()},
        {"name": "IMG_0001.HEIC", "mimeType": "image/heic", "buffer": heic},
        {"name": "scan.tif", "mimeType": "image/tiff", "buffer": tiff},
        {"name": "dance.gif", "mimeType": "image/gif", "buffer": gif},
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"Dear reader, this is no picture."},
        {"name": "IMG_0995.HEIC", "mimeType": "image/heic", "buffer": (FILES / "IMG_0995.HEIC").read_bytes()},
    )
    await expect(page.locator("#generate")).to_have_text("Make 5 models")
    refused = page.locator(".tile.refused")
    await expect(refused).to_have_count(2)
    damaged = refused.filter(has_text="IMG_0995.HEIC")
    await expect(damaged).to_have_attribute("title", re.compile("This HEIC picture is damaged"))
    await expect(page.locator(".tile:not(.refused) [data-show] img")).to_have_count(5)
    await page.wait_for_function(f"({SHOWN})([...document.querySelectorAll('.tile:not(.refused) [data-show] img')])")
    dance = page.locator(".tile", has_text="dance.gif")
    await expect(dance).to_contain_text("First frame")
    await dance.locator("[data-show]").click()
    await expect(page.locator("#stage")).to_contain_text("It is animated; only its first frame is used.")
