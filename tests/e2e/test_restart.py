"""The app dies in mid-batch: what is stored goes on, the page comes back, no process stays behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from image2model.devtools.app_process import wait_until_gone
from tests.support.browser import ROOT, App, Watch, choose, drop, go, opened, settled, states
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.browser

PHOTOGRAPHS = sorted((ROOT / "examples").glob("*.jpg"))
BATCH = len(PHOTOGRAPHS)
"""Pictures, so many that a process is killed in the middle of them."""


async def test_killed_app_resumes_and_the_open_page_reconnects(chromium: Browser, tmp_path: Path):
    """After kill -9 in mid-batch the workers end, the page says so, and after a new start all pictures are done."""
    app = await asyncio.to_thread(App(tmp_path).start)
    context = await chromium.new_context()
    watch = Watch(context, app.url)
    page = await opened(await context.new_page(), app.url)
    await expect(page.locator("#generator input[value='tripo-v2.5']")).to_be_disabled()
    await expect(page.locator("#generator-card")).to_contain_text("15 more with a fal.ai key")
    await drop(page, *PHOTOGRAPHS[:BATCH])
    await page.click("#generate")
    await expect(page.locator(".job-card[data-number]")).to_have_count(BATCH)
    board = page.url
    await wait_until_async(lambda: meshes(app))
    workers = app.children()
    assert workers
    app.kill()
    assert await asyncio.to_thread(wait_until_gone, workers)
    assert 0 < len(meshes(app)) < BATCH  # the kill was in mid-batch
    await expect(page.locator(".netbar")).to_be_visible()

    await asyncio.to_thread(app.start)
    await expect(page.locator(".netbar")).to_be_hidden()
    await settled(page)
    assert page.url == board
    assert set((await states(page)).values()) == {"done"}
    assert len(await states(page)) == BATCH

    # A batch whose tab is closed goes on all the same.
    await page.click("#anew")
    await expect(page.locator(".tile")).to_have_count(0)
    await drop(page, *PHOTOGRAPHS[:2])
    await page.click("#generate")
    await expect(page.locator(".job-card[data-number]")).to_have_count(2)
    link = page.url
    await page.close()
    back = await opened(await context.new_page(), link)
    await settled(back)
    assert set((await states(back)).values()) == {"done"}
    await context.close()
    assert [wrong for wrong in watch.wrongs if "dynamically imported" not in wrong] == []  # asked for while it was dead
    assert await asyncio.to_thread(app.stop) == 0


async def test_unsent_pictures_survive_a_lost_connection(chromium: Browser, tmp_path: Path):
    """Pictures, generator and options are there again when the app is back; what was sent is not offered once more."""
    fal = {"FAL_KEY": "a-key-of:nobody-at-all", "FAL_HOST": "http://127.0.0.1:9", "GENERATOR": "local"}
    app = await asyncio.to_thread(App(tmp_path, **fal).start)
    context = await chromium.new_context()
    page = await opened(await context.new_page(), app.url)
    await page.locator("#examples button").first.click()
    await expect(page.locator("#generate")).to_contain_text("Make 1")
    await drop(page, PHOTOGRAPHS[1])
    await choose(page, "trellis")
    await page.click("#options > button")
    await page.locator("#face-limit input").fill("5000")
    await page.locator("#option-trellis-mesh_simplify input").fill("0.92")
    await page.locator("#sent-choice input").check()
    await expect(page.locator("#cost")).to_contain_text("2 pictures")

    app.kill()
    for place in ("library", "create"):  # so that it is noticed
        await go(page, place)
    await expect(page.locator(".toast-body").first).to_be_visible()
    async with page.expect_navigation():
        await asyncio.to_thread(app.start)
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await expect(page.locator(".tile [data-show]")).to_have_count(2)
    await expect(page.locator(".tile .cut")).to_have_count(2)
    await expect(page.locator("#generator input[value=trellis]")).to_be_checked()
    await expect(page.locator("#sent-choice input")).to_be_checked()
    await page.click("#options > button")
    await expect(page.locator("#face-limit input")).to_have_value("5000")
    await expect(page.locator("#option-trellis-mesh_simplify input")).to_have_value("0.92")

    await page.click("#generate")
    await expect(page.locator(".job-card[data-number]")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".job-card[data-number]")).to_have_count(2)
    await expect(page.locator("#generate")).to_have_text("Making 2 models")
    await expect(page.locator("#generate")).to_be_disabled()
    await context.close()
    assert await asyncio.to_thread(app.stop) == 0


def meshes(app: App) -> list[Path]:
    """The finished meshes on the app's disk."""
    return list(app.data.glob("batches/*/*/model.glb"))
