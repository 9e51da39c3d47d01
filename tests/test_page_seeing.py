"""The viewer in a real browser: looks, backgrounds, and what stands beside the mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.browser import App, drawn, drop, opened, settled
from tests.pictures import encoded

pytestmark = pytest.mark.browser


async def test_a_subject_is_shown_before_it_is_sent(app: App, page: Page, tmp_path: Path):
    """Each picture has its cut-out on the page, or a warning in words; the choice of what is sent is kept."""
    await opened(page, app.url)
    await page.locator("#example-images button").nth(2).click()
    await expect(page.locator(".cutouts img")).to_have_count(1)
    grey = {"name": "fog.png", "mimeType": "image/png", "buffer": encoded(Image.new("RGB", (300, 300), "grey"))}
    await drop(page, grey)
    await expect(page.locator(".cutout-warning")).to_contain_text("fog.png Nothing on it stands out")
    await page.locator("#sent-choice input").nth(1).check()
    await page.click("#generate")
    await settled(page)
    assert (app.data / "batches" / page.url.rpartition("batch=")[2] / "1-coffee-cup" / "cutout.png").is_file()
    await page.click("#anew")
    await expect(page.locator("#sent")).to_be_hidden()


async def test_a_mesh_is_seen_plain_on_black_beside_its_picture_and_turning(app: App, page: Page):
    """Each look draws another picture, a background is seen at once, picture and turntable are shown when asked for."""
    await opened(page, app.url)
    await page.locator("#example-images button").first.click()
    await expect(page.locator("#generate")).to_have_text("Make 1 inflated preview")
    await page.click("#generate")
    await settled(page)
    textured = await drawn(page)
    await page.click("[data-ground=black]")
    black = await drawn(page)
    assert black[-8, 8].max() < 40 < 200 < textured[-8, 8].min()
    await page.click("[data-look=plain]")
    await expect(page.locator("[data-look=plain]")).to_have_attribute("aria-pressed", "true")
    for _ in range(120):
        plain = await drawn(page)
        if colourful(plain) < 0.2 * colourful(black):
            break
    assert colourful(plain) < 0.2 * colourful(black)

    await expect(page.locator("#beside")).to_be_hidden()
    for button, label in (("picture", "astronaut.jpg"), ("turntable", "Once around")):
        await page.click(f".viewer-bar [data-beside={button}]")
        figure = page.locator(f"#beside figure[data-beside={button}]")
        await expect(figure.locator("[data-words]")).to_have_text(label)
        assert await figure.locator("img").evaluate("image => image.naturalWidth") >= 320
    await page.click(".viewer-bar [data-beside=turntable]")
    await expect(page.locator("#beside")).to_be_hidden()


def colourful(pixels: np.ndarray) -> float:
    """The share of pixels (0 to 1) whose colours lie far apart."""
    return float((np.ptp(pixels, axis=2) > 60).mean())
