"""The page takes pictures by what they are: under any name, in formats that browsers do not show, with a word."""

from __future__ import annotations

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
    await expect(page.locator("#generate")).to_have_text("Make 5 inflated previews")
    await expect(page.locator(".refused li")).to_have_count(2)
    await expect(page.locator("#refused")).to_contain_text("This HEIC picture is damaged")
    await expect(page.locator("#images .thumbnail-item img")).to_have_count(5)
    await page.wait_for_function(f"({SHOWN})([...document.querySelectorAll('#images .thumbnail-item img')])")
    await expect(page.locator("#cutouts")).to_contain_text("dance.gif It is animated; only its first frame is used.")
