"""In a real browser: what the page says when the app refuses an upload before its bytes are taken."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import Browser, expect

from image2model.services.uploads import MAX_BATCHES_PER_NETWORK
from tests.support.browser import ROOT, App, opened


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose visitors may upload a few MB in an hour, and have."""
    app = App(tmp_path_factory.mktemp("small"), GENERATOR="local", MAX_FILES="1", MAX_FILE_MB="1", MIN_FREE_GB="0")
    app.start()
    for _ in range(MAX_BATCHES_PER_NETWORK):
        httpx.post(f"{app.url}/gradio_api/upload", files={"files": ("a.txt", b"x")})
    yield app
    app.stop()


@pytest.mark.browser
async def test_refused_upload_shows_its_own_message(small: App, chromium: Browser):
    """Whoever has sent too much reads that, and what to do, with nothing around it that is meant for programs."""
    page = await chromium.new_page()
    await opened(page, small.url)
    await page.locator("#images input[type=file]").first.set_input_files(ROOT / "examples" / "robot.jpg")
    told = page.locator(".toast-body")
    await expect(told).to_contain_text("These are too many uploads in an hour.")
    assert (await told.inner_text()).endswith("HTTP 429: These are too many uploads in an hour. Wait for a while.")
    await page.close()
