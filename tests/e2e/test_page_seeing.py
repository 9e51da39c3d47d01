"""The viewer in a real browser: looks, backgrounds, and what stands beside the mesh."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.support.browser import App, drawn, opened, settled

pytestmark = pytest.mark.browser


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
