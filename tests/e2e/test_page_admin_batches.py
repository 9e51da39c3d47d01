"""The Admin tab's batches and disk in a browser: find one among many, look into it, keep it, delete it, free 1 GB."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.async_api import Browser, Dialog, expect

from benchmarks.admin_search import fill
from tests.conftest import PHONE
from tests.e2e.test_page_admin import signed_in
from tests.support.browser import App, Watch, opened, overflow

pytestmark = pytest.mark.browser
BATCHES = 120
LARGE = 400_000_000
ROUNDING = 0.1e9
"""Bytes by which the page rounds what it names in GB."""


@pytest.fixture(scope="module")
def kept() -> Iterator[App]:
    """The app on the data of 120 batches of the last thirty days; three old meshes have 400 MB each."""
    with TemporaryDirectory(dir="/var/tmp") as folder:  # a disk on which there is more than these meshes, all holes
        app = App(Path(folder))
        fill(f"sqlite:///{app.data}/image2model.db", app.data, BATCHES)
        with sqlite3.connect(app.data / "image2model.db") as database:
            old = database.execute(
                "SELECT id FROM batches WHERE state <> 'working' ORDER BY created_at LIMIT 3"
            ).fetchall()
        for (batch_id,) in old:
            os.truncate(app.data / "batches" / batch_id / "1-picture" / "model.glb", LARGE)
        app.start()
        yield app
        assert app.stop() == 0


def sizes(text: str) -> list[float]:
    """The sizes in a text, in bytes."""
    units = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
    return [float(number) * units[unit] for number, unit in re.findall(r"([\d.]+) ([kMG]B)", text)]


def folders(app: App) -> set[Path]:
    """Paths of the batches' folders on disk."""
    return set((app.data / "batches").iterdir())


async def test_the_host_finds_looks_into_and_deletes_one_batch_and_frees_a_gigabyte(kept: App, chromium: Browser):
    """A batch is found by page, filter and search, pinned, unpinned and deleted; a cleanup deletes what it listed."""
    asked: list[str] = []
    context = await chromium.new_context(viewport=PHONE)
    watch, page = Watch(context, kept.url), await context.new_page()

    async def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    page.on("dialog", agree)
    await signed_in(page, kept)
    await page.get_by_role("tab", name="Batches").click()
    board, rows = page.locator("#admin-batches"), page.locator("#admin-batches .rows > li")
    await expect(board).to_contain_text("1 to 50 of 120")
    await board.get_by_role("button", name="Next").click()
    await expect(board).to_contain_text("51 to 100 of 120")
    await page.locator("#admin-state input").click()
    await page.get_by_role("option", name="Partly done").click()
    await expect(board).to_contain_text("1 to 24 of 24")
    await page.locator("#admin-search textarea, #admin-search input").fill("no such thing")
    await expect(board).to_contain_text("No batch is like that.")
    await page.locator("#admin-search textarea, #admin-search input").fill("CHAIR")
    await expect(rows.first).to_be_visible()
    assert 0 < await rows.count() < 24
    batch_id = str(await rows.first.locator("button").get_attribute("data-batch"))
    assert kept.data / "batches" / batch_id in folders(kept)

    await rows.first.locator(".row-head").click()
    await expect(board.locator(".inside")).to_contain_text(batch_id)
    await expect(board.locator(".inside tbody tr")).to_have_count(5)
    await expect(board.locator(".inside")).to_contain_text("0b2f6f0e-6f2c-4f0c-9d51-0c8c2a4b7e11")
    assert await overflow(page) <= 0
    await board.get_by_role("button", name="Keep for good").click()
    await expect(rows.first).to_contain_text("kept for good")
    await board.get_by_role("button", name="Let it go in time").click()
    await board.get_by_role("button", name="Delete").click()
    await expect(board.locator(".inside")).to_have_count(0)
    await expect(rows.filter(has_text=batch_id[:8])).to_have_count(0)
    assert asked == ["Delete this batch with its files (1 kB)? This cannot be undone."]
    assert kept.data / "batches" / batch_id not in folders(kept)

    await page.get_by_role("tab", name="Disk").click()
    await expect(page.locator("#admin-use")).to_contain_text("Meshes")
    data, others = sizes(await page.locator("#admin-use .admin-when").first.inner_text())
    free, whole = sizes(await page.locator("#admin-use h3").inner_text())
    rows = await page.locator("#admin-use .kinds li").all_inner_texts()
    assert sum(sizes(row)[0] for row in rows if "not in the sum" not in row) == pytest.approx(data, abs=ROUNDING)
    assert data + others + free == pytest.approx(whole, abs=2 * ROUNDING)
    left = folders(kept)
    await page.locator("#admin-hours input").fill("168")
    await page.get_by_role("button", name="See what would go").click()
    plan = page.locator("#admin-plan")
    await expect(plan).to_contain_text("This would free 1.2 GB")
    assert folders(kept) == left
    assert await overflow(page) <= 0
    await plan.get_by_role("button", name="Delete all of this").click()
    await expect(plan).to_contain_text("Freed 1.2 GB")
    assert len(folders(kept)) < len(left) / 2
    await expect(page.locator("#admin-use")).not_to_contain_text("GB of the app")
    await opened(page, f"{kept.url}/?batch={batch_id}")
    await expect(page.locator("#board")).to_contain_text("This batch is not here")
    await context.close()
    assert watch.wrongs == []
