"""The Admin tab in a browser: the ways in, what needs the host, numbers and curves, a breaker that is reset."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.async_api import Browser, Locator, Page, expect

from image2model.devtools.fal_stand_in import KEY, Fault
from image2model.ops.health import Component
from image2model.web.ui.admin import plots, wording
from tests.support.browser import ROOT, SLOW, App, Watch, go, opened, overflow, sign_in
from tests.support.fal_server import FalServer
from tests.support.hub_sign_in import SECRET, HubSignIn, session

PICTURES = sorted((ROOT / "examples").glob("*.jpg"))[:3]
SPACE_SECRET = hashlib.sha256(f"{SECRET}-v4".encode()).hexdigest()
"""What Gradio signs sessions with on a Space with this client secret."""
FRIEND = "https://friend.example"
"""A site whose pages may call the app, though not in the host's name."""
CALM: Mapping[str, Any] = {"attention": [], "breakers": [], "daily_budget": None, "spent_today": Decimal(0)}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubSignIn]:
    """A stand-in for Hugging Face's sign-in."""
    with HubSignIn() as hub:
        yield hub


@pytest.fixture(scope="module")
def hosted(stand_in: FalServer, hub: HubSignIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as on a Space, on the stand-in for fal; a breaker that opens stays so."""
    fal = {"FAL_KEY": KEY, "FAL_HOST": stand_in.url, "RETRY_PACE": "10", "CORS_ORIGINS": FRIEND}
    app = App(tmp_path_factory.mktemp("hosted"), ADMIN_USERS="Ada grace", **fal, **hub.environment).start()
    yield app
    assert app.stop() == 0


def submit(app: App, generator: str) -> None:
    """Three pictures."""
    images = [handle_file(picture) for picture in PICTURES]
    Client(app.url, verbose=False).predict(images=images, generator=generator, api_name="/submit_batch")


async def signed_in(page: Page, app: App) -> None:
    """The tab, opened with the key."""
    await opened(page, app.url)
    await sign_in(page)
    await expect(page.locator("#admin-numbers .numbers")).to_be_visible()


def cookie(name: str, secret: str = SPACE_SECRET, seconds: float = 60) -> str:
    """A signed session cookie."""
    return session(name, secret, time.time() + seconds)


async def read_anew(page: Page, there: Locator) -> None:
    """Let quarters of a minute pass on the page's clock until it shows this by itself."""
    while not await there.is_visible():
        await page.clock.fast_forward(15_000)
        await page.wait_for_timeout(200)


@pytest.mark.browser
async def test_admin_shows_alerts_and_resets_a_breaker(hosted: App, stand_in: FalServer, chromium: Browser):
    """Nothing at first; then a refused key, reasons in words, curves, a generator to wake; all by itself while seen."""
    context = await chromium.new_context(viewport={"width": 390, "height": 844})
    wrongs: list[str] = []
    context.on("weberror", lambda error: wrongs.append(str(error.error)))
    page = await context.new_page()
    await page.clock.install()
    await signed_in(page, hosted)
    numbers = page.locator("#admin-numbers")
    for said in ("Nothing needs you.", "Nothing failed in the last 24 hours.", "Nothing is in progress.", "Data kept"):
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
    await go(page, "create")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.fast_forward(60_000)
    assert asked == []
    await context.close()
    assert wrongs == []


@pytest.mark.browser
async def test_a_host_signs_in_at_hugging_face_and_a_stranger_does_not(hosted: App, hub: HubSignIn, chromium: Browser):
    """A user outside ADMIN_USERS sees a refusal and can sign out; a user in ADMIN_USERS sees the Admin tab."""
    context = await chromium.new_context()
    await context.add_cookies([{"name": "session", "value": cookie("mallory"), "url": hosted.url}])
    page = await opened(await context.new_page(), hosted.url)
    await go(page, "admin")
    await expect(page.locator("#admin-greeting")).to_contain_text("Hello mallory. This tab is for the hosts")
    await expect(page.locator("#admin-board")).to_be_hidden()
    hub.name = "ada"
    for button in ("Sign out mallory", "Sign in with Hugging Face"):
        async with page.expect_navigation(url=f"{hosted.url}/?tab=admin", timeout=SLOW):
            await page.get_by_role("button", name=button).click()
    await expect(page.get_by_role("button", name="Sign out ada")).to_be_visible()
    await expect(page.locator("#admin-numbers")).to_contain_text("Disk free")
    await page.locator("#admin-span label", has_text="30 days").click()
    await expect(page.locator("#admin-plots [data-kind=disk] rect:not(.ground)")).to_have_count(30)
    await context.close()


@pytest.mark.browser
async def test_a_page_on_a_space_asks_no_other_host(hosted: App, chromium: Browser):
    """Gradio adds nothing to it that is loaded from elsewhere, which its policy would refuse."""
    context = await chromium.new_context()
    watch, page = Watch(context, hosted.url), await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await opened(page, hosted.url)
    await page.wait_for_timeout(1000)  # the box came by itself, some time after the page
    await context.close()
    assert watch.wrongs == []
    assert [text for text in said if "Content Security Policy" in text] == []


OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("name", "secret", "seconds", "headers", "opens"),
    [
        ("ada", SPACE_SECRET, 60, OWN_PAGE, True),
        ("GRACE", SPACE_SECRET, 60, OWN_PAGE, True),
        ("mallory", SPACE_SECRET, 60, OWN_PAGE, False),
        ("ada", "another secret", 60, OWN_PAGE, False),
        ("ada", SPACE_SECRET, -1, OWN_PAGE, False),
        ("ada", SPACE_SECRET, 60, {"Sec-Fetch-Site": "cross-site", "Origin": FRIEND}, False),
        ("ada", SPACE_SECRET, 60, {}, False),
        ("mallory", SPACE_SECRET, 60, {**OWN_PAGE, "X-Forwarded-User": "ada", "Remote-User": "ada"}, False),
    ],
)
def test_only_a_session_of_this_space_opens_the_tab(hosted: App, name, secret, seconds, headers, opens):
    """A name counts that the Space has signed, while it holds, and where our own page asks."""
    signed = f"session={cookie(name, secret, seconds)}"
    with httpx.Client(base_url=hosted.url, headers={"Cookie": signed, **headers}) as visitor:
        config = visitor.get("/config").json()
        (key,) = (
            component["id"] for component in config["components"] if component["props"].get("elem_id") == "admin-key"
        )
        (button,) = (
            component["id"]
            for component in config["components"]
            if component["props"].get("elem_id") == "admin-refresh"
        )
        (function,) = (function for function in config["dependencies"] if [button, "click"] in function["targets"])
        assert function["inputs"][0] == key
        asked = {"data": ["", "24 hours"], "fn_index": function["id"], "session_hash": name}
        assert visitor.post("/gradio_api/queue/join", json=asked).status_code == 200
        answer = visitor.get("/gradio_api/queue/data", params={"session_hash": name}).text
    assert "process_completed" in answer
    assert ("Disk free" in answer) is opens
    assert ("not the admin key" in answer) is not opens


def test_broken_parts_are_listed_before_scarce_ones():
    """Worst first: a full disk, then a day's budget that is nearly used and generators that rest, by whose key."""
    known = CALM | {
        "daily_budget": Decimal(10), "spent_today": Decimal("9.99"),
        "breakers": [{"generator": "a", "own_key": own, "seconds_left": 5.0} for own in (False, True, True)],
    }  # fmt: skip
    full = Component("disk_space", "unhealthy", details={"reason": "No new batch is taken."})
    broken, host, theirs, budget = wording.alerts(known, [full], str.upper)
    assert (broken.level, broken.message) == ("bad", "Disk: No new batch is taken.")
    assert (host.reset, theirs.reset) == ("a", "a" + wording.OWN_KEY)
    assert "A has failed" in host.message
    assert "on 2 keys of visitors" in theirs.message
    assert "99 % used" in budget.message
    assert wording.alerts(CALM, [Component("disk_space", "healthy")], str) == []


def test_plot_describes_each_bar_in_words():
    """The highest bar fills its place, an unknown span shows a day, and what was written has its own days."""
    series = [{"at": 3600.0 * hour, "jobs": hour, "failed": 0, "seconds": None, "cost": 0.0} for hour in range(5)]
    drawn = plots.draw("no such span", series, [0, 12_000])
    assert "1 Jan, 04:00: 4" in drawn
    assert 'height="100.0"' in drawn
    assert "12 kB" in drawn
    assert drawn.count("Nothing in this time.") == 3
