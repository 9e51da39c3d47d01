"""The viewer in a real browser: looks, backgrounds, and what stands beside the mesh."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.support.browser import App, drawn, opened, settled

pytestmark = pytest.mark.browser


async def test_a_mesh_is_seen_in_clay_on_black_beside_its_picture_and_turning(app: App, page: Page):
    """Each look draws another picture, a background is seen at once, the picture beside it and turning when asked."""
    await opened(page, app.url)
    await page.locator("#examples button").first.click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await page.click("#generate")
    await settled(page)
    textured = await drawn(page)
    await page.click(".sw[data-ground=black]")
    black = await drawn(page)
    assert black[-8, 8].max() < 40 < 200 < textured[-8, 8].min()
    await page.click("[data-look=clay]")
    await expect(page.locator("[data-look=clay]")).to_have_attribute("aria-pressed", "true")
    for _ in range(120):
        plain = await drawn(page)
        if colourful(plain) < 0.2 * colourful(black):
            break
    assert colourful(plain) < 0.2 * colourful(black)

    compared = page.locator("#compared")
    await expect(compared).to_be_hidden()
    await page.get_by_role("button", name="Compare with the picture").click()
    await expect(compared).to_be_visible()
    for _ in range(100):
        if await compared.evaluate("image => image.naturalWidth") >= 320:
            break
        await page.wait_for_timeout(100)
    assert await compared.evaluate("image => image.naturalWidth") >= 320
    await page.get_by_role("button", name="Compare with the picture").click()
    await expect(compared).to_be_hidden()
    turn = page.locator("[data-turn]")
    await expect(turn).to_have_attribute("aria-pressed", "false")  # this browser asks for less motion
    await turn.click()
    before, turned = await page.locator("#viewer canvas").screenshot(), b""
    for _ in range(40):
        turned = await page.locator("#viewer canvas").screenshot()
        if turned != before:
            break
        await page.wait_for_timeout(100)
    assert turned != before


def colourful(pixels: np.ndarray) -> float:
    """The share of pixels (0 to 1) whose colours lie far apart."""
    return float((np.ptp(pixels, axis=2) > 60).mean())
