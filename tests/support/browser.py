"""The real app in its own process, and headless Chromium to use it with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.async_api import BrowserContext, Error, Locator, Page, Route, expect

from image2model.devtools.app_process import ADMIN_KEY, AppProcess
from tests.support import leaks

ROOT = Path(__file__).parents[2]
MODEL_ALONE = """
.tools, .inset, .hero, .example, .cap, .pop { visibility: hidden !important; }
.view-box[data-ground=studio] { background: #fff !important; }
"""
"""Hides what lies over the model and the lighting behind it from pictures of the model."""
SLOW = 60_000
"""Milliseconds after which something on the page counts as not happening, on a busy machine."""

expect.set_options(timeout=SLOW)


class App(AppProcess):
    """The app in its own process, with one worker, which is sooner there; no log may tell its keys."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, **{"WORKERS": "1", **environment})
        leaks.use_settings(self.environment)
        leaks.watch(self.log, self.data / "logs")


class Watch:
    """Recorder of what must not happen on a page: requests to other hosts, uncaught errors, unexpected dialogs."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.wrongs: list[str] = []
        self._host = host
        context.on("request", lambda request: self._look(request.url))
        context.on("weberror", lambda error: self.wrongs.append(f"uncaught: {error.error}"))

    def _look(self, url: str) -> None:
        if not url.startswith((self._host, "data:", "blob:")):
            self.wrongs.append(f"request to {url}")


async def opened(page: Page, address: str) -> Page:
    """The page at this address, ready to be used."""
    page.set_default_timeout(SLOW)
    await page.goto(address)
    await expect(page.locator("#cost [data-mode]")).to_be_attached()
    await expect(page.locator("#create[data-stage]")).to_be_attached()
    return page


async def swipe_up(page: Page, x: float, y: float) -> None:
    """Move one finger up by 150 pixels from this place."""
    session = await page.context.new_cdp_session(page)
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for way in range(15, 151, 15):
        moved = {"type": "touchMove", "touchPoints": [{"x": x, "y": y - way}]}
        await session.send("Input.dispatchTouchEvent", moved)
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@asynccontextmanager
async def held_back(page: Page, addresses: str | re.Pattern[str]) -> AsyncIterator[None]:
    """Let no request to these addresses leave the page before the end of the block."""
    release = asyncio.Event()

    async def hold(route: Route) -> None:
        await release.wait()
        with suppress(Error):  # the page has gone elsewhere and no longer waits for this answer
            await route.continue_()

    await page.route(addresses, hold)
    try:
        yield
    finally:
        release.set()
        await page.unroute(addresses, hold)


async def go(page: Page, place: str) -> None:
    """Open one of the page's places: create and library stand in the bar, api and admin in the menu."""
    link = page.locator(f"#masthead a[data-page={place}]").last
    if not await link.is_visible():
        await page.click("#menu-button")
    await link.click()


async def choose(page: Page, generator: str) -> None:
    """Choose a generator in its panel, which closes."""
    await page.locator("[data-panel-open]").first.click()
    await page.locator(".picker-item", has=page.locator(f"input[value='{generator}']")).click()
    await expect(page.locator("#generators")).to_be_hidden()


async def export(page: Page, preset: str, everything: bool = False) -> None:
    """Open the export with this preset, for the model on the stage or for all of its batch."""
    if not await page.locator(".pop").is_visible():
        await page.locator("#export-open:visible, [data-export]:visible").first.click()
    await page.locator(f"[data-which={'all' if everything else 'one'}]").click()
    button = page.locator(f"[data-preset={preset}] > button")
    if await button.get_attribute("aria-expanded") != "true":
        await button.click()


async def drop(page: Page, *files: Path | Mapping[str, Any]) -> None:
    """Give files to the page as the file dialog does; return when the page counts them."""
    chooser = page.locator("#images input[type=file]").first
    given: Any = [dict(file) if isinstance(file, Mapping) else str(file) for file in files]
    await chooser.set_input_files(given)
    await expect(page.locator("#generate")).to_contain_text("Make", timeout=SLOW)


async def sign_in(page: Page, key: str = ADMIN_KEY) -> None:
    """Enter a key in the Admin tab, no sooner than a person can: as Gradio shows a box it may empty it once more."""
    await go(page, "admin")
    await expect(page.locator("#admin-key input")).to_be_visible()
    await page.wait_for_timeout(500)
    await page.locator("#admin-key input").fill(key)
    await page.click("#admin-enter")


async def settled(page: Page) -> Locator:
    """The board, when its batch is finished."""
    board = page.locator("#board .board[data-batch]:not([data-state=working])")
    await expect(board).to_be_visible()
    return board


async def states(page: Page) -> dict[str, str]:
    """The state of each picture on the board, by its name."""
    return dict(
        await page.locator(".job-card").evaluate_all("cards => cards.map(c => [c.dataset.name, c.dataset.state])")
    )


async def drawn(page: Page) -> np.ndarray:
    """The viewer's pixels (rows × columns × RGB), once the same picture with something on it has come twice."""
    await expect(page.locator("#viewer .view-box[data-state=shown]")).to_be_visible()
    if await page.locator("[data-turn][aria-pressed=true]").is_visible():
        await page.click("[data-turn]")
    canvas = page.locator("#viewer canvas")
    last = None
    for _ in range(120):
        shot = await canvas.screenshot(style=MODEL_ALONE)
        pixels = np.asarray(Image.open(BytesIO(shot)).convert("RGB"), int)
        if share_drawn(pixels) > 0.02 and last is not None and np.array_equal(pixels, last):
            return pixels
        last = pixels
        await page.wait_for_timeout(250)
    raise AssertionError(f"the viewer shows nothing: {share_drawn(pixels):.1%} of it differs from its background")


def share_drawn(pixels: np.ndarray) -> float:
    """Share of a picture (0 to 1) that differs clearly from the colour of its lower left corner."""
    return float((np.abs(pixels - pixels[-8, 8]).max(axis=2) > 30).mean())


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(await page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))
