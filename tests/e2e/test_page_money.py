"""In a real browser: what is paid for once, at the price that was shown, and after a question where that is unsure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from image2model.devtools.fal_stand_in import KEY, Fault, Script
from tests.conftest import DESKTOP
from tests.support.browser import ROOT, App, choose, drop, held_back, opened, settled
from tests.support.fal_server import FalServer
from tests.support.readability import check_readability
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.browser

NOTE_TICKS = """() => {
  const list = document.querySelector("#board .results"), picture = document.activeElement.querySelector("img");
  list.scrollTop = 60;
  window.ticks = [];
  new MutationObserver(() => setTimeout(() => window.ticks.push({
    order: [...document.querySelectorAll(".job-card")].map((card) => card.dataset.name),
    focus: document.activeElement.dataset.name,
    scroll: document.querySelector("#board .results").scrollTop,
    pictureKept: picture.isConnected,
  }))).observe(document.querySelector("#board"), { childList: true, subtree: true, attributes: true });
}"""
"""Notes what the board shows after each change of it, in `window.ticks`."""
PICTURES = [ROOT / "examples" / f"{name}.jpg" for name in ("mug", "robot", "shoe")]


@pytest.fixture(scope="module")
def priced(stand_in: FalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on the stand-in for fal."""
    app = App(
        tmp_path_factory.mktemp("priced"), FAL_KEY=KEY, FAL_HOST=stand_in.url, GENERATOR="local", RETRY_PACE="0.1"
    ).start()
    yield app
    assert app.stop() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def buyer(priced: App, fal: FalServer, chromium: Browser):
    """A page with two pictures and a generator that is paid for."""
    context = await chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = await opened(await context.new_page(), priced.url)
    await choose(page, "trellis-2")
    await drop(page, *PICTURES[:2])
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await expect(page.locator("#cost")).to_contain_text("$0.60")
    yield page
    await context.close()


async def test_two_clicks_in_one_event_loop_turn_buy_once(buyer: Page, fal: FalServer):
    """The button is off before anything leaves, also for a second click in the same turn of the browser's loop."""
    off = await buyer.evaluate(
        "() => { const button = document.getElementById('generate'); button.click(); button.click();"
        " return [button.disabled, button.textContent.trim()]; }"
    )
    assert off == [True, "Sending…"]
    await settled(buyer)
    assert len(fal.jobs) == 2
    await expect(buyer.locator("#generate")).to_have_text("Try another generator")
    await buyer.click("#generate")
    await expect(buyer.locator("#generators")).to_be_visible()
    assert len(fal.jobs) == 2


async def test_submitted_pictures_are_on_the_board_immediately(buyer: Page, priced: App, fal: FalServer):
    """A click shows the pictures before the server has answered; a refused click restores what was there.

    While a batch is made and after it, its tiles tell that they are in it.
    """
    uploads = [path for path in priced.cache.rglob("*.jpg") if path.stem in ("mug", "robot")]
    kept = {path: path.read_bytes() for path in uploads}
    for path in uploads:
        path.unlink()
    sending = buyer.locator("#board .board[data-state=sending] .job-card")
    async with held_back(buyer, "**/queue/join*"):
        await buyer.click("#generate")
        await expect(sending).to_have_count(2)
        await expect(sending.first).to_contain_text("mug.jpg")
        await expect(buyer.locator("#stage-title")).to_have_text("mug.jpg")
    await expect(buyer.get_by_test_id("toast-body")).to_be_visible()
    await expect(buyer.locator("#create[data-stage=chosen][data-columns=two]")).to_be_visible()
    for path, content in kept.items():
        path.write_bytes(content)
    await expect(buyer.locator(".tile .st.ok")).to_have_text(["Ready", "Ready"])
    await buyer.click("#generate")
    await settled(buyer)
    await expect(buyer.locator(".tile .st.ok")).to_have_text(["In this batch", "In this batch"])
    assert len(fal.jobs) == 2


async def test_between_the_answer_and_the_next_price_nothing_can_be_bought(buyer: Page, fal: FalServer):
    """After the address has changed to the new batch's, no click on the button buys the batch again."""
    await buyer.evaluate("""() => {
      window.offers = [];
      const button = document.getElementById("generate");
      setInterval(() => {
        if (location.search.includes("batch=") && !button.disabled) window.offers.push(button.textContent.trim());
      }, 3);
    }""")
    await buyer.click("#generate")
    await settled(buyer)
    await expect(buyer.locator("#generate")).to_have_text("Try another generator")
    assert set(await buyer.evaluate("window.offers")) <= {"Try another generator"}
    assert len(fal.jobs) == 2


async def test_button_is_disabled_until_the_price_is_known(buyer: Page):
    """The button is disabled from a change of the generator until its price is known."""
    async with held_back(buyer, "**/queue/join*"):
        await choose(buyer, "tripo-p1")
        await expect(buyer.locator("#generate")).to_be_disabled()
    await expect(buyer.locator("#cost")).to_contain_text("$1.00")
    await expect(buyer.locator("#generate")).to_be_enabled()


async def test_cancel_keeps_its_place_and_retry_of_perhaps_billed_jobs_asks(buyer: Page, fal: FalServer):
    """A double click on Cancel buys nothing; a retry shows its price, lists each amount and asks for confirmation once.

    Where no model was made the stage does not promise one.
    """
    fal.script = Script(run_seconds=600)
    await buyer.click("#generate")
    await expect(buyer.locator(".job-card[data-number]")).to_have_count(2)
    await expect(buyer.locator(".job-words", has_text="Making")).to_have_count(2)
    await check_readability(buyer)
    place = await buyer.locator("#cancel").bounding_box()
    assert place
    middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    await buyer.mouse.click(*middle)
    await settled(buyer)
    await buyer.mouse.click(*middle)
    assert len(fal.jobs) == 2
    await expect(buyer.locator("#cancel")).to_have_text("Cancelled")
    bars = buyer.locator("#board .pb")
    await expect(bars).to_have_count(0)
    await expect(buyer.locator("#viewer .wait-pill")).to_have_text("No model was made")
    await expect(buyer.locator("#viewer .wait-pill .spin")).to_be_hidden()
    await expect(buyer.locator("#board h2")).to_have_text("None of 2 made")
    await expect(buyer.locator("#cost")).to_contain_text("$0.00 to $0.60")
    await check_readability(buyer)

    retry = buyer.locator("#retry")
    await expect(retry).to_have_text("Make 2 again · $0.60")
    await retry.click()
    question = buyer.locator("dialog[open]")
    await expect(question).to_contain_text("Make 2 again for $0.60?")
    await expect(question.locator("li")).to_have_count(2)
    await expect(buyer.get_by_role("button", name="Not now")).to_be_focused()
    await buyer.keyboard.press("Escape")
    assert len(fal.jobs) == 2
    fal.script = Script()
    await retry.click()
    await question.get_by_role("button", name="Make 2 again").click()
    await expect(buyer.locator(".job-card[data-state=done]")).to_have_count(2)
    assert len(fal.jobs) == 4


async def test_batch_survives_reload_cancel_retry_and_a_new_batch(priced: App, buyer: Page, fal: FalServer):
    """Reload shows the same board; cancel stops what is left; retry makes only that; a new batch empties the page."""
    fal.script = Script(run_seconds=600)
    await buyer.click("#generate")
    await expect(buyer.locator(".job-words", has_text="Making")).to_have_count(2)
    next(iter(fal.jobs.values())).script = Script()
    done = buyer.locator(".job-card[data-state=done]")
    await expect(done).to_have_count(1)
    for _ in range(2):  # also of what a reload has laid out again nothing is offered anew
        await buyer.reload()
        await expect(done).to_have_count(1)
        await expect(buyer.locator("#generate")).to_have_text("Making 2 models")
    await expect(buyer.locator(".job-words", has_text="Making")).to_have_count(1)
    await buyer.click("#cancel")
    await expect(buyer.locator(".job-card[data-state=cancelled]")).to_have_count(1)
    await expect(buyer.locator("#cancel")).to_have_text("Cancelled")
    await expect(buyer.locator("#cancel")).to_be_disabled()

    name = await done.get_attribute("data-name")
    before = await done.locator(".job-picture img").first.get_attribute("src")
    fal.script = Script()
    await buyer.click("#retry")
    await buyer.locator("dialog[open]").get_by_role("button", name="Make 1 again").click()
    await expect(done).to_have_count(2)
    same = buyer.locator(f'.job-card[data-name="{name}"] .job-picture img').first
    await expect(same).to_have_attribute("src", before or "")  # what was done has not been made again
    assert len(fal.jobs) == 3

    await buyer.click("#anew")
    await expect(buyer.locator("#create[data-stage=hero]")).to_be_visible()
    await expect(buyer.locator("#generate")).to_have_text("Choose pictures")
    await expect(buyer.locator("#facts")).to_be_hidden()
    assert buyer.url.rstrip("/") == priced.url
    await buyer.reload()
    await expect(buyer.locator("#create[data-stage=hero]")).to_be_visible()


async def test_a_batch_of_25_stays_in_order_and_place(buyer: Page, fal: FalServer):
    """While 25 models are made, order, focus, scroll and pictures stay; what was not made says why across the grid.

    One click makes a list of the grid.
    """
    fal.script = Script(run_seconds=600)
    more = range(23)
    await drop(
        buyer, *({"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": PICTURES[2].read_bytes()} for n in more)
    )
    await expect(buyer.locator("#generate")).to_have_text("Make 25 models")
    fal.faults["submit"].append(
        Fault("answer", 422, {"detail": [{"loc": ["body"], "msg": "x", "type": "image_load_error"}]})
    )
    await buyer.click("#generate")
    await expect(buyer.locator(".job-card[data-state=running]").first).to_be_attached()
    next(iter(fal.jobs.values())).script = Script()
    first = buyer.locator(".job-card[data-state=done]").first
    await expect(first).to_be_visible()
    name = await first.get_attribute("data-name")
    await first.focus()
    await buyer.evaluate(NOTE_TICKS)
    await wait_until_async(lambda: len(fal.jobs) == 24)
    for count in range(4, 25, 4):
        for job in list(fal.jobs.values())[:count]:
            job.script = Script()
        await expect(buyer.locator(".job-card[data-state=done]")).to_have_count(count)
    board = await settled(buyer)
    noted = await buyer.evaluate("window.ticks")
    assert len(noted) > 3
    expected = ["mug.jpg", "robot.jpg", *(f"{n}.jpg" for n in more)]
    assert all(tick["order"] == expected for tick in noted)
    assert {tick["focus"] for tick in noted} == {name}
    assert min(tick["scroll"] for tick in noted) > 0
    assert all(tick["pictureKept"] for tick in noted)

    await expect(board.locator("h2")).to_have_text("24 of 25 made")
    await expect(buyer.locator("#cost .sum")).to_contain_text("24 models")
    reason = await board.locator(".job-card[data-state=failed]").bounding_box()
    tile = await board.locator(".job-card[data-state=done]").first.bounding_box()
    assert reason["width"] > 2.5 * tile["width"]
    await check_readability(buyer)
    await board.get_by_role("button", name="Show as a list").click()
    wide = await board.locator(".job-card[data-state=done]").first.bounding_box()
    assert wide["width"] >= reason["width"]
    await board.get_by_role("button", name="Show as a grid").click()
    await expect(board).to_have_attribute("data-shape", "grid")


async def test_recheck_of_an_unconfirmed_job_is_free(buyer: Page, fal: FalServer):
    """A submit without an answer that cannot be looked up is `unconfirmed`; Look again finds it and submits nothing."""
    fal.faults["submit"].append(Fault("drop_after"))
    fal.faults["requests"].extend([Fault("answer", 403, "Forbidden")] * 10)
    await buyer.click("#generate")
    await settled(buyer)
    card = buyer.locator(".job-card[data-state=unconfirmed]")
    await expect(card).to_contain_text("Not certain.")
    submitted = len(fal.jobs)
    fal.faults["requests"].clear()
    await card.get_by_role("button", name="Look again, free").click()
    await expect(buyer.locator(".job-card[data-state=done]")).to_have_count(2)
    assert len(fal.jobs) == submitted


async def test_a_pasted_key_is_checked(priced: App, fal: FalServer, chromium: Browser):
    """An invalid fal key shows an error under its field; a valid key works, or is said to be unchecked."""
    context = await chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = await opened(await context.new_page(), priced.url)
    await page.locator("[data-panel-open]").first.click()
    await page.locator("#own-key-field input").fill("no-such:key")
    await expect(page.locator("#own-key-words")).to_contain_text("fal does not accept the key")
    await expect(page.locator("#own-key-words").get_by_role("link", name="Get a key")).to_be_in_viewport()
    await page.locator("#own-key-field input").fill(KEY)
    await expect(page.get_by_text("Key works")).to_be_in_viewport()
    fal.faults["pricing"].extend([Fault("answer", 503, "busy")] * 10)
    await page.locator("#own-key-field input").fill("another-of:nobody")
    await expect(page.get_by_text("fal.ai does not answer now.")).to_be_in_viewport()
    await context.close()
