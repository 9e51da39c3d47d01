"""The Admin tab's log lines in a browser: found by level and text, read as text whatever they hold, taken away."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.conftest import PHONE
from tests.e2e.test_page_admin import signed_in
from tests.support.browser import App, Watch, overflow

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)> {{7*7}}"


def line(number: int, level: str, event: str, **more: str) -> str:
    """A log line of a minute of some day."""
    at = f"2026-01-02T03:{number // 60:02}:{number % 60:02}.000000Z"
    return json.dumps(
        {"timestamp": at, "level": level, "logger": "a.room", "event": event, **more}, separators=(",", ":")
    )


@pytest.fixture
def logging(tmp_path: Path) -> Iterator[App]:
    """The app with a compressed file of 250 lines, one of them with a traceback, and a hostile line after them."""
    app = App(tmp_path)
    folder = app.data / "logs"
    folder.mkdir(parents=True)
    lines = [line(number, "info", f"picture {number} is done") for number in range(249)]
    lines.append(line(249, "warning", "something is odd", exception="Traceback (most recent call last):\n  odd"))
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode())
    (folder / "app-20260102T040000000000Z.log.gz").write_bytes(packed)
    (folder / "app.log").write_text(line(299, "error", HOSTILE, batch="1234abcd") + "\n")
    app.start()
    yield app
    assert app.stop() == 0


async def test_admin_searches_and_downloads_log_lines(logging: App, chromium: Browser):
    """Newest first, a hundred at a time; level and text choose; a hostile line is text; a download has the choice."""
    context = await chromium.new_context(viewport=PHONE, accept_downloads=True)
    watch, page = Watch(context, logging.url), await context.new_page()
    await signed_in(page, logging)
    await page.get_by_role("tab", name="Logs").click()
    board, rows = page.locator("#admin-logs"), page.locator("#admin-logs .log > li")
    await expect(rows).to_have_count(100)
    await board.get_by_role("button", name="Older").click()
    await expect(board).to_contain_text("101 to 200")
    await board.get_by_role("button", name="Newer").click()
    await expect(board).to_contain_text("1 to 100")

    await page.locator("#admin-log-level input").click()
    await page.get_by_role("option", name="Warnings and errors").click()
    await expect(rows.first.locator("b")).to_have_text("error")
    await expect(rows.first.locator("summary span")).to_have_text(HOSTILE)
    assert await board.locator("img").count() == 0
    odd = rows.filter(has_text="something is odd")
    await odd.locator("summary").click()
    await expect(odd.locator("pre")).to_contain_text("most recent call last")
    await page.locator("#admin-log-text textarea, #admin-log-text input").fill("1234ABCD")
    await expect(rows).to_have_count(1)
    assert await overflow(page) <= 0
    async with page.expect_download() as download:
        await page.click("#admin-log-save")
    taken = (await (await download.value).path()).read_text()
    assert taken == f'2026-01-02T03:04:59.000000Z error a.room {HOSTILE} {{"batch":"1234abcd"}}\n'
    await page.locator("#admin-log-text textarea, #admin-log-text input").fill("no such thing")
    await expect(board).to_contain_text("No line is like that.")
    await context.close()
    assert watch.wrongs == []
