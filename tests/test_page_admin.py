"""The Admin tab in a browser: the way in, what needs the host, numbers and curves, a breaker that is reset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from gradio_client import Client, handle_file
from playwright.async_api import Browser, Locator, Page, expect

from image2model.ops.health import Component
from image2model.web.ui.admin import plots, words
from tests.browser import ADMIN_KEY, ROOT, App, Watch, opened, overflow
from tests.fal_server import KEY, FalServer, Fault

PICTURES = sorted((ROOT / "examples").glob("*.jpg"))[:3]
CALM: Mapping[str, Any] = {"attention": [], "breakers": [], "daily_budget": None, "spent_today": Decimal(0)}


@pytest.fixture(scope="module")
def hosted(stand_in: FalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on the stand-in for fal; a breaker that opens stays so."""
    app = App(tmp_path_factory.mktemp("hosted"), FAL_KEY=KEY, FAL_HOST=stand_in.url, RETRY_PACE="10").start()
    yield app
    assert app.stop() == 0


def submit(app: App, generator: str) -> None:
    """Three pictures."""
    images = [handle_file(picture) for picture in PICTURES]
    Client(app.url, verbose=False).predict(images=images, generator=generator, api_name="/submit_batch")


async def signed_in(page: Page, app: App) -> None:
    """The tab, opened with the key."""
    await opened(page, app.url)
    await page.get_by_role("tab", name="Admin").click()
    await page.locator("#admin-key input").fill(ADMIN_KEY)
    await page.locator("#admin-key input").press("Enter")
    await expect(page.locator("#admin-numbers .numbers")).to_be_visible()


async def read_anew(page: Page, there: Locator) -> None:
    """Let quarters of a minute pass on the page's clock until it shows this by itself."""
    while not await there.is_visible():
        await page.clock.fast_forward(15_000)
        await page.wait_for_timeout(200)


@pytest.mark.browser
async def test_the_host_sees_what_needs_them_and_lets_pictures_pass_again(
    hosted: App, stand_in: FalServer, chromium: Browser
):
    """Nothing at first; then a key that fal refuses, reasons in words, curves, and a resting generator to wake."""
    context = await chromium.new_context(viewport={"width": 390, "height": 844})
    watch = Watch(context, hosted.url)
    page = await context.new_page()
    await page.clock.install()
    await signed_in(page, hosted)
    numbers = page.locator("#admin-numbers")
    for said in ("Nothing needs you.", "Nothing failed in the last 24 hours.", "Nothing is being worked."):
        await expect(numbers).to_contain_text(said)
    await expect(page.locator("[data-kind=jobs]")).to_contain_text("Nothing in this time.")
    assert await overflow(page) <= 0

    stand_in.faults["submit"].extend([Fault("answer", status=401)] * 3)
    submit(hosted, "trellis")
    need = numbers.locator(".needs [data-level=bad]")
    await read_anew(page, need)
    await expect(need).to_contain_text("fal refuses the host's key")
    await expect(numbers).to_contain_text("fal does not accept the key.")
    await page.locator("#admin-span label", has_text="7 days").click()
    await expect(page.locator("[data-kind=failed] figcaption b")).to_have_text("3")
    await expect(page.locator("[data-kind=failed] rect:not(.ground)")).to_have_count(29)
    assert await overflow(page) <= 0

    stand_in.faults["submit"].extend([Fault("answer", status=503)] * 3)
    submit(hosted, "pixal3d")
    wake = numbers.get_by_role("button", name="Let pictures pass now")
    await read_anew(page, wake)
    await wake.click()
    await expect(wake).to_have_count(0)
    await context.close()
    assert watch.wrongs == []


def test_what_is_broken_comes_before_what_is_scarce():
    """Worst first: a full disk, then a day's budget that is nearly used and generators that rest, by whose key."""
    known = CALM | {
        "daily_budget": Decimal(10), "spent_today": Decimal("9.99"),
        "breakers": [{"generator": "a", "own_key": own, "seconds_left": 5.0} for own in (False, True, True)],
    }  # fmt: skip
    full = Component("disk_space", "unhealthy", details={"reason": "No new batch is taken."})
    broken, host, theirs, budget = words.needs(known, [full], str.upper)
    assert (broken.level, broken.message) == ("bad", "Disk: No new batch is taken.")
    assert (host.reset, theirs.reset) == ("a", "a" + words.OWN_KEY)
    assert "A has failed" in host.message
    assert "on 2 keys of visitors" in theirs.message
    assert "99 % used" in budget.message
    assert words.needs(CALM, [Component("disk_space", "healthy")], str) == []


def test_a_curve_says_each_span_in_words():
    """The highest bar fills its place, an unknown span shows a day, and what was written has its own days."""
    series = [{"at": 3600.0 * hour, "jobs": hour, "failed": 0, "seconds": None, "cost": 0.0} for hour in range(5)]
    drawn = plots.draw("no such span", series, [0, 12_000])
    assert "1 Jan, 04:00: 4" in drawn
    assert 'height="100.0"' in drawn
    assert "12 kB" in drawn
    assert drawn.count("Nothing in this time.") == 3
