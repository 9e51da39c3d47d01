"""The page in a real browser: from pictures to meshes in the viewer and in the zip."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect

from tests.conftest import DESKTOP
from tests.support.browser import ROOT, App, choose, drawn, drop, export, go, opened, settled, states
from tests.support.readability import check_readability

pytestmark = pytest.mark.browser

PHOTOGRAPHS = sorted((ROOT / "examples").glob("*.jpg"))
NOTE = {"name": "note.png", "mimeType": "image/png", "buffer": b"Dear reader, this is no picture."}
ADDRESS = re.compile(r"\?batch=[\w-]{20,}$")


def batch_id(page: Page) -> str:
    """The id of the batch in the page's address."""
    return page.url.rpartition("batch=")[2]


async def card_facts(page: Page) -> dict[str, str]:
    """Text of the facts below the stage, with those that a click shows."""
    rows = await page.locator("#facts :is(.facts, .fact-list) > div:not(.more)").evaluate_all(
        "rows => rows.map(row => [row.querySelector('dt').textContent, row.querySelector('dd').textContent.trim()])"
    )
    return dict(rows)


async def test_photographs_become_meshes_to_view_and_download(app: App, page: Page, chromium: Browser, tmp_path):
    """Photographs and a text file: a reason for one, meshes of the rest in cards, viewer, facts, GLB, zip and link."""
    await opened(page, app.url)
    await drop(page, *PHOTOGRAPHS)
    await drop(page, NOTE)
    refused = page.locator(".tile.refused")
    await expect(refused).to_have_count(1)
    await expect(refused).to_contain_text("note.png")
    await expect(refused).to_contain_text("Not a picture")
    await expect(page.locator("#cost")).to_contain_text("note.png is left out: this file looks like text")
    await expect(page.locator(".tile:not(.refused) [data-show]")).to_have_count(len(PHOTOGRAPHS))
    await expect(page.locator("#generate")).to_have_text(f"Make {len(PHOTOGRAPHS)} models")
    await expect(page.locator("#cost")).to_contain_text(f"{len(PHOTOGRAPHS)} pictures")
    await expect(page.locator("#cost")).to_contain_text("Free")

    await page.click("#generate")
    await expect(page.locator(".job-card[data-number]")).to_have_count(len(PHOTOGRAPHS))
    await expect(page).to_have_url(ADDRESS)
    heading = page.locator(".results-head h2")
    await expect(heading).to_have_text(re.compile(f"of {len(PHOTOGRAPHS)} done|{len(PHOTOGRAPHS)} models"))
    # The first result opens by itself while the others are still worked.
    await expect(page.locator("#facts .facts")).to_be_visible()
    await settled(page)
    assert await states(page) == {path.name: "done" for path in PHOTOGRAPHS}
    assert (await drawn(page)).size
    await export(page, "blender")
    await expect(page.locator("[data-which=all]")).to_have_text(f"All {len(PHOTOGRAPHS)}")
    await page.keyboard.press("Escape")

    await look_at_another(page)
    await take_home(page, tmp_path)
    await share(page, chromium, app)


async def look_at_another(page: Page) -> None:
    """A click on another card changes the facts and the picture in the viewer."""
    await page.locator('.job-card[data-name="astronaut.jpg"]').click()
    await expect(page.locator("#stage-title")).to_have_text("astronaut")
    await expect(page.locator("#facts")).to_contain_text("Ready")
    before, first = await drawn(page), await card_facts(page)
    await page.locator('.job-card[data-name="mug.jpg"]').click()
    await expect(page.locator("#stage-title")).to_have_text("mug")
    await expect(page.locator(".job-card[aria-current]")).to_have_attribute("data-name", "mug.jpg")
    for _ in range(40):  # the old mesh stays until the new one is loaded
        after = await drawn(page)
        if not np.array_equal(after, before):
            break
        await page.wait_for_timeout(250)
    assert not np.array_equal(after, before)
    for _ in range(100):  # they come a moment later than the model begins to load
        second = await card_facts(page)
        if second["Faces"] != first["Faces"]:
            break
        await page.wait_for_timeout(100)
    assert second["Surface"] == "Closed"
    assert int(second["Faces"].replace(",", "")) > 1000
    assert int(second["Vertices"].replace(",", "")) > 500
    assert re.fullmatch(r"[\d.]+ (kB|MB)", second["File"])
    assert re.fullmatch(r"[\d.]+ × [\d.]+ × [\d.]+ m", second["Size"])
    assert float(second["Volume"].removesuffix(" m³")) > 0
    assert re.fullmatch(r"[\d,]+ × [\d,]+ px", second["Texture"])
    assert second["Faces"] != first["Faces"]


async def take_home(page: Page, folder: Path) -> None:
    """One GLB by its link, and all of it as a zip with thumbnails and a manifest."""
    await export(page, "blender")
    async with page.expect_download() as started:
        await page.click(".take-go")
    single = await started.value
    assert single.suggested_filename == "mug.glb"
    assert (await single.path()).read_bytes()[:4] == b"glTF"

    await page.evaluate("addEventListener('beforeunload', () => document.body.dataset.left = 'yes')")
    await export(page, "blender", everything=True)
    async with page.expect_download() as started:
        await page.click(".take-go")
    download = await started.value
    assert await page.evaluate("document.body.dataset.left") is None  # Gradio would hang up on a page that stays
    await download.save_as(folder / "all.zip")
    with ZipFile(folder / "all.zip") as archive:
        assert archive.testzip() is None
        stems = [path.stem for path in PHOTOGRAPHS]
        wanted = [f"{stem}.glb" for stem in stems] + [f"thumbnails/{stem}.webp" for stem in stems]
        wanted += ["manifest.json", "contact-sheet.webp"]
        assert sorted(archive.namelist()) == sorted(wanted)
        assert archive.read("mug.glb") == (await single.path()).read_bytes()
        manifest = json.loads(archive.read("manifest.json"))
    assert [job["name"] for job in manifest["jobs"]] == [path.name for path in PHOTOGRAPHS]
    assert all(job["facts"]["watertight"] for job in manifest["jobs"])


async def share(page: Page, chromium: Browser, app: App) -> None:
    """The copied link shows the same board in another browser, which has nothing in its own library."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.url)
    await page.keyboard.press("Escape")
    await page.click("#share")
    await expect(page.locator("#share")).to_have_text("Link copied")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert ADDRESS.search(link)
    other = await chromium.new_context(viewport=DESKTOP)
    guest = await opened(await other.new_page(), link)
    await expect(guest.locator(".job-card[data-state=done]")).to_have_count(len(PHOTOGRAPHS))
    assert (await drawn(guest)).size
    await expect(guest.locator("#rail")).to_be_hidden()
    await expect(guest.locator(".downloads")).to_contain_text(f"All {len(PHOTOGRAPHS)} models, zip")
    await check_readability(guest)
    await guest.click(".shared-only[href]")
    await expect(guest.locator(".board[data-state=empty]")).to_be_attached()
    await go(guest, "library")
    await expect(guest.locator("#library")).to_contain_text("No models yet")
    await other.close()


async def test_every_open_page_follows_its_batch(app: App, page: Page):
    """A board that has ended is seen to be worked again from another page, then deleted; the library follows, too."""
    await opened(page, app.url)
    await drop(page, *PHOTOGRAPHS[:2])
    await choose(page, "trellis")
    await page.click("#generate")
    await expect(page.locator("#cancel")).to_be_visible()  # nobody answers there
    await page.click("#cancel")
    await settled(page)
    mine = batch_id(page)

    other = await page.context.new_page()
    await other.clock.install()
    await opened(other, f"{app.url}/?batch={mine}")
    await expect(other.locator(".board[data-state=cancelled]")).to_be_visible()
    await page.click("#retry")
    await expect(page.locator(".board[data-state=working]")).to_be_visible()
    await other.clock.fast_forward(16_000)
    await expect(other.locator(".board[data-state=working]")).to_be_visible()
    await other.click("#cancel")
    await expect(page.locator(".board[data-state=cancelled]")).to_be_visible()
    await expect(other.locator(".board[data-state=cancelled]")).to_be_visible()

    library = await page.context.new_page()
    await library.clock.install()
    await library.goto(f"{app.url}/?tab=library")
    await expect(library.locator(".shelf")).to_have_count(1)
    await go(page, "library")
    await page.click(".shelf-delete")
    await page.get_by_role("button", name="Delete 2 models").click()
    await expect(page.locator("#library")).to_contain_text("No models yet")
    for seen, place, words in ((other, "#board", "is not here"), (library, "#library", "No models yet")):
        await seen.clock.fast_forward(16_000)
        await expect(seen.locator(place)).to_contain_text(words)


async def test_the_library_is_this_browsers_own(app: App, page: Page):
    """A batch stands in the library of the browser that made it, opens from there, and is gone once deleted."""
    await opened(page, app.url)
    await page.locator("#examples button").nth(1).click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await page.click("#generate")
    await settled(page)
    mine = batch_id(page)
    await go(page, "library")
    library = page.locator(".shelf")
    await expect(library).to_have_count(1)
    await expect(library).to_contain_text("1 model")
    async with page.expect_navigation():  # the board of the page before is the same
        await library.locator("a").first.click()
    await expect(page.locator(f'.board[data-batch="{mine}"] .job-card[data-state=done]')).to_have_count(1)
    await go(page, "library")
    await page.click(".shelf-delete")
    await expect(page.get_by_role("button", name="Keep")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(library).to_have_count(1)
    await page.click(".shelf-delete")
    await page.get_by_role("button", name="Delete 1 model").click()
    await expect(page.locator("#library")).to_contain_text("No models yet")
    assert not (app.data / "batches" / mine).exists()
    await opened(page, f"{app.url}/?batch={mine}")
    await expect(page.locator("#board")).to_contain_text("This batch is not here")


async def test_pictures_can_be_dragged_in_pasted_and_taken_out(app: App, page: Page, tmp_path: Path):
    """Dropped pictures, alone or in a folder, join the others, and a removed one can be dropped again.

    A link and copied text are answered by what to do instead.
    """
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app.url)
    await opened(page, app.url)
    await drop(page, PHOTOGRAPHS[0])
    moved = await page.evaluate_handle(
        """async address => {
          const answer = await fetch(address);
          const carried = new DataTransfer();
          carried.items.add(new File([await answer.blob()], "dragged.png", {type: "image/png"}));
          return carried;
        }""",
        "favicon.ico",
    )
    await page.dispatch_event(".tiles", "drop", {"dataTransfer": moved})
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await page.locator(".tile .x").first.click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await drop(page, PHOTOGRAPHS[0])
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await page.locator('.tile[data-name="dragged.png"] .x').click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await expect(page.locator(".tile [data-show]")).to_have_attribute("data-name", PHOTOGRAPHS[0].name)

    (tmp_path / "holiday" / "first day").mkdir(parents=True)
    shutil.copy(PHOTOGRAPHS[1], tmp_path / "holiday" / "first day")
    (tmp_path / "holiday" / "notes.txt").write_text("not a picture")
    await drop_at(page, 800, 300, files=[str(tmp_path / "holiday")])
    await expect(page.locator(".tile .nm")).to_have_text([PHOTOGRAPHS[0].name, PHOTOGRAPHS[1].name])
    await drop_at(page, 800, 300, items=[{"mimeType": "text/uri-list", "data": "https://example.com/cat.jpg"}])
    await expect(page.get_by_text("Save the picture first")).to_be_visible()
    await page.evaluate("navigator.clipboard.writeText('a cat')")
    await page.keyboard.press("ControlOrMeta+V")
    await expect(page.get_by_text("No picture was copied.")).to_be_visible()


async def drop_at(
    page: Page, x: int, y: int, files: Sequence[str] = (), items: Sequence[Mapping[str, str]] = ()
) -> None:
    """Drop files, folders or text at this place, as from another window."""
    session = await page.context.new_cdp_session(page)
    data = {"items": [*items], "files": [*files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await session.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


async def test_options_and_price_follow_the_generator(app: App, page: Page):
    """Another generator brings its own controls and its price; a choice that does not fit is refused in words."""
    await opened(page, app.url)
    await drop(page, PHOTOGRAPHS[0], PHOTOGRAPHS[1])
    await page.click("#options > button")
    await expect(page.locator("#option-local-thickness")).to_be_visible()
    await page.locator("#option-local-detail select").select_option("high")
    summary = page.locator("#options > button > span").first
    await expect(summary).to_have_attribute("data-summary", "High detail")
    await page.locator("#option-local-thickness input").fill("1.5")
    await expect(summary).to_have_attribute("data-summary", "High detail · 1 more")
    await choose(page, "tripo-v2.5")
    await expect(page.locator("#option-local-thickness")).to_be_hidden()
    await expect(page.locator("#cost")).to_contain_text("2 pictures, $")
    await choose(page, "local")
    await expect(page.locator("#option-local-thickness")).to_be_visible()
    await expect(page.locator("#option-local-detail select")).to_have_value("high")
    await page.locator("#option-local-detail select").select_option("low")
    await expect(page.locator("#cost")).to_contain_text("Free")
    face_limit = page.locator("#face-limit input")
    await expect(face_limit).to_have_value("")
    await face_limit.fill("7")
    await expect(page.locator("#cost")).to_contain_text("from 500 to 300,000")
    await expect(page.locator("#generate")).to_be_disabled()
    await face_limit.fill("900")
    await page.click("#generate")
    await settled(page)
    await expect(page.locator("#facts .facts")).to_be_visible()
    assert int((await card_facts(page))["Faces"].replace(",", "")) <= 900
