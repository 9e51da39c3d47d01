"""In a real browser: every state of the page can be read, in the light and the dark, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import ROOT, App, drop, go, opened, settled, sign_in
from tests.support.readability import check_readability

pytestmark = pytest.mark.browser


async def test_every_state_fits_its_window_and_can_be_read(app: App, page: Page):
    """Empty, chosen, generators, done, export, library, a question, the menu, API and admin."""
    await opened(page, app.url)
    await check_readability(page)
    await drop(page, ROOT / "examples" / "robot.jpg")
    await drop(page, {"name": "n.png", "mimeType": "image/png", "buffer": b"no picture"})
    await expect(page.locator(".tile.refused")).to_have_count(1)
    await expect(page.locator(".tile .st.ok")).to_have_count(1)
    await page.click("#options > button")
    await check_readability(page)
    await page.locator("[data-panel-open]").first.click()
    await check_readability(page)
    await page.keyboard.press("Escape")
    await page.click("#generate")
    await settled(page)
    await expect(page.locator("#facts .facts")).to_be_visible()
    await check_readability(page)
    await page.click("#export-open")
    await expect(page.locator("#take-home .check b")).to_contain_text("print")
    await check_readability(page)
    await page.keyboard.press("Escape")
    await go(page, "library")
    await expect(page.locator(".shelf").first).to_be_visible()
    await check_readability(page)
    await page.click(".shelf-delete")
    await check_readability(page)
    await page.keyboard.press("Escape")
    await page.click("#menu-button")
    await check_readability(page)
    await go(page, "api")
    await expect(page.locator("#api")).to_contain_text("one-picture.py")
    await check_readability(page)
    await go(page, "admin")
    await expect(page.locator("#admin-key input")).to_be_visible()
    await check_readability(page)
    await sign_in(page)
    await expect(page.locator("#admin-board")).to_be_visible()
    await check_readability(page)
