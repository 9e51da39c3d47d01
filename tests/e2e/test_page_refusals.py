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
async def test_refused_upload_is_reported_at_its_tile(small: App, chromium: Browser):
    """After too many uploads the tiles show the limit and what to do; each can be sent again or be removed."""
    page = await chromium.new_page()
    await opened(page, small.url)
    pictures = [ROOT / "examples" / f"{name}.jpg" for name in ("robot", "mug")]
    await page.locator("#images input[type=file]").first.set_input_files(pictures)
    sentence = "not sent. These are too many uploads in an hour. Wait for a while."
    await expect(page.locator(".tile .st")).to_have_text(["Not sent", "Not sent"])
    await expect(page.locator(".not-sent")).to_contain_text(f"2 pictures were {sentence}")
    assert await page.locator(".toast-body").count() == 0
    await expect(page.locator("#generate")).to_be_enabled()
    await page.get_by_label("Remove mug.jpg").click()
    await expect(page.locator(".not-sent")).to_contain_text(f"1 picture was {sentence}")
    await page.route("**/gradio_api/upload", lambda route: route.abort())
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".not-sent")).to_contain_text("The server cannot be reached.")
    await page.get_by_label("Remove robot.jpg").click()
    await expect(page.locator(".drop")).to_be_visible()
    await page.close()


@pytest.mark.browser
async def test_refused_key_leaves_the_way_to_another(small: App, chromium: Browser):
    """A key that is refused unlocks nothing, and the rail goes on offering the generators that need one."""
    page = await chromium.new_page()
    await opened(page, small.url)
    await page.get_by_role("button", name="Add key").click()
    await page.locator("#own-key-field input").fill("Schlüssel")
    await expect(page.locator("#own-key .key-bad")).to_be_visible()
    await expect(page.locator(".keyline")).to_contain_text("15 more with a fal.ai key")
    await page.close()
