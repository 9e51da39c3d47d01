"""In a real browser: people who start something else, click twice, change their mind, or use the keyboard."""

from __future__ import annotations

import asyncio
import re

import gradio as gr
import pytest
from gradio_client import Client
from playwright.async_api import Page, Route, expect

from image2model.services import Picture, Services, SubmitRequest
from image2model.web.ui.create import Create
from image2model.web.ui.picture_cache import PictureCache
from tests.support.browser import ROOT, App, drawn, drop, go, opened, settled
from tests.support.pictures import encoded, photo

MUG = (ROOT / "examples" / "mug.jpg").read_bytes()


def mugs(first: int, count: int) -> list[dict]:
    """Photographs that take a while."""
    return [{"name": f"mug-{n}.jpg", "mimeType": "image/jpeg", "buffer": MUG} for n in range(first, first + count)]


@pytest.mark.browser
async def test_page_shows_the_last_started_batch_and_none_after_new_batch(app: App, page: Page):
    """While two batches run, the board shows the second only; after New batch the page stays empty."""
    await opened(page, app.url)
    await page.evaluate("""() => {
      window.seen = [];
      new MutationObserver(() => {
        const batch = document.querySelector("#board .board")?.dataset.batch ?? "";
        if (batch !== window.seen.at(-1)) window.seen.push(batch);
      }).observe(document.getElementById("board"), {subtree: true, childList: true, attributes: true});
    }""")
    await drop(page, *mugs(0, 12))
    await page.click("#generate")
    await expect(page.locator("#board .board[data-state=working]")).to_be_visible()
    await page.wait_for_timeout(2500)
    await drop(page, *mugs(12, 1))
    await expect(page.locator("#generate")).to_contain_text("Make 13")
    await page.click("#generate")
    await expect(page.locator(".job-card[data-number]")).to_have_count(13)
    await page.wait_for_timeout(3000)
    await expect(page.locator("#board .board[data-state=working]")).to_be_visible()
    first, *_, second = seen = [batch for batch in await page.evaluate("window.seen") if batch]
    assert first != second
    assert seen.count(second) == 1
    await page.click("#anew")
    await expect(page.locator(".job-card[data-number]")).to_have_count(0)
    await expect(page.locator("#generate")).to_have_text("Choose pictures")
    await expect(page.locator("#sent-choice")).to_be_hidden()
    await page.wait_for_timeout(3000)
    assert await page.locator(".job-card[data-number]").count() == 0
    programs = await asyncio.to_thread(Client, app.url, verbose=False)
    for batch in (first, second):  # work that goes on would keep the next test waiting
        await asyncio.to_thread(programs.predict, batch_id=batch, api_name="/cancel_batch")


@pytest.mark.browser
async def test_the_first_picture_is_judged_while_the_rest_is_sent(app: App, page: Page):
    """The first picture is checked before the next has arrived, and nothing can be bought until all have.

    Each can be taken out, wherever it is, and what a lost connection kept back is sent by a press.
    """
    await opened(page, app.url)
    released, first = asyncio.Event(), asyncio.Event()

    async def hold_the_rest(route: Route) -> None:
        if first.is_set():
            await released.wait()
            await route.abort()
            return
        first.set()
        await route.continue_()

    await page.route("**/gradio_api/upload", hold_the_rest)
    await page.locator("#images input[type=file]").first.set_input_files(mugs(0, 4))
    await expect(page.locator(".tile .st:is(.ok, .warn)")).to_have_count(1)
    await expect(page.locator(".tile.early")).to_have_count(3)
    await expect(page.locator("#generate")).to_have_text("Adding pictures…")
    await expect(page.locator("#generate")).to_be_disabled()
    await page.get_by_label("Remove mug-0.jpg").click()
    await page.get_by_label("Remove mug-2.jpg").click()
    await expect(page.locator(".tile:not(.early) .x")).to_have_count(0)
    released.set()
    await expect(page.locator(".tile .st")).to_have_text(["Not sent", "Not sent"])
    await page.unroute("**/gradio_api/upload")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await expect(page.locator("#generate")).to_be_enabled()
    await expect(page.locator(".tile .nm")).to_have_text(["mug-1.jpg", "mug-3.jpg"])


@pytest.mark.browser
async def test_a_slow_double_click_starts_one_batch_and_its_page_goes_with_it(app: App, page: Page):
    """A second click after a third of a second buys nothing; deleted in the library, the batch leaves the page too."""
    await opened(page, app.url)
    await drop(page, *mugs(0, 1))
    await page.click("#generate")
    await page.wait_for_timeout(350)
    box = await page.locator("#generate").bounding_box()
    assert box
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await settled(page)
    await page.keyboard.press("Escape")  # on a busy machine the model was done by then: the press opened the generators
    await drawn(page)
    await go(page, "library")
    await expect(page.locator(".shelf")).to_have_count(1)
    await page.click(".shelf-delete")
    await page.get_by_role("button", name="Delete 1 model").click()
    await expect(page.locator(".shelf")).to_have_count(0)
    await expect(page.locator("#create[data-columns=two]")).to_be_attached()
    await go(page, "create")
    await expect(page.locator(".job-card[data-number]")).to_have_count(0)
    await expect(page).not_to_have_url(re.compile("batch="))


@pytest.mark.browser
async def test_the_keyboard_alone_saves_a_mesh(app: App, page: Page):
    """E opens the export, Tab and Enter choose a preset and save; Esc closes it and gives the focus back."""
    await opened(page, app.url)
    await drop(page, *mugs(0, 1))
    await page.click("#generate")
    await settled(page)
    await page.focus(".job-card[data-state=done]")
    await page.keyboard.press("e")
    await expect(page.locator(".pop")).to_be_visible()
    await page.focus("[data-preset=blender] > button")
    await page.keyboard.press("Enter")
    async with page.expect_download() as started:
        await page.focus(".take-go")
        await page.keyboard.press("Enter")
    assert (await started.value).suggested_filename == "mug-0.glb"
    await page.keyboard.press("Escape")
    await expect(page.locator(".pop")).to_be_hidden()
    await expect(page.locator(".job-card[data-state=done]")).to_be_focused()


async def test_another_model_gets_only_the_failed_picture(services: Services, tmp_path):
    """The pictures of the batch leave the gallery, the failed one comes back once, what is new stays."""
    for name in ("good.png", "bad.png", "new.png"):
        (tmp_path / name).write_bytes(encoded(photo(), "PNG"))
    batch = await services.submit(SubmitRequest([Picture(tmp_path / name, name) for name in ("good.png", "bad.png")]))
    with gr.Blocks():
        create = Create(services, gr.BrowserState(""), PictureCache())
    gallery = [(str(tmp_path / name), None) for name in ("good.png", "bad.png", "new.png")]
    for _ in range(2):
        kept, *_ = await create.reuse_pictures(batch.id, gallery, {}, gr.EventData(None, {"number": 2}))
        assert [path.rpartition("/")[2] for path in kept] == ["new.png", "bad.png"]
        gallery = [(path, None) for path in kept]
    relief = gr.EventData(None, {"number": 2, "relief": True})
    *_, options = await create.reuse_pictures(batch.id, gallery, {"local.detail": "high"}, relief)
    assert options == {"local.detail": "high", "local.shape": "relief card"}
