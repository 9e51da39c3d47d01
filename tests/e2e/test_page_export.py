"""In a real browser: the pictures that are sent, and downloads of one mesh or the whole batch in another format."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
import trimesh
from playwright.async_api import Page, expect

from image2model.web.ui.templating import filesize
from tests.support.browser import ROOT, App, drop, export, opened, overflow, settled

pytestmark = pytest.mark.browser

PICTURES = [ROOT / "examples" / "robot.jpg", ROOT / "examples" / "mug.jpg"]


async def test_cut_outs_are_sent_and_all_of_it_comes_ready_to_print(app: App, page: Page, tmp_path: Path):
    """Subjects are shown and sent cut out; then STL, 80 mm, checked and repaired: one file, and the batch."""
    await opened(page, app.url)
    await drop(page, *PICTURES)
    await expect(page.locator(".tile .st.ok")).to_have_count(2)
    await page.locator("#sent-choice input").check()
    for picture in PICTURES:
        await page.get_by_label(f"Look at {picture.name}").click()
        await expect(page.get_by_alt_text(f"The subject of {picture.name}")).to_be_visible()
    await page.click("#generate")
    await settled(page)
    await page.locator('.job-card[data-name="mug.jpg"]').click()
    await expect(page.locator("#stage-title")).to_have_text("mug")

    form, check = page.locator("#take-home"), page.locator("#take-home .check")
    await export(page, "print")
    await expect(check).to_contain_text("Ready to print at 100 mm")
    await form.locator("[name=print-size]").fill("80")
    await form.locator("[name=print-size]").press("Tab")
    await expect(check).to_contain_text("Ready to print at 80 mm")
    plain = await page.request.head(page.url.replace("?batch=", "batches/") + "/2/export?format=stl")
    size_text = filesize(int(plain.headers["content-length"]))
    await expect(form.locator(".take-go")).to_have_text(f"Export STL · {size_text}")
    await form.locator("[data-repair]").click()
    await expect(check).to_contain_text("Repaired and checked again: ready to print")
    await expect(check.locator("li").first).not_to_be_empty()
    assert await overflow(page) <= 0

    await expect(form.locator(".take-go")).to_have_text("Export STL")
    await expect(form.locator(".take-size")).to_have_text("The size is shown once the file is made.")
    async with page.expect_download() as started:
        await form.locator(".take-go").click()
    single = await started.value
    assert single.suggested_filename == "mug-80mm-high-solid.stl"
    await expect(form.locator(".take-size")).to_be_hidden()
    size_text = filesize((await single.path()).stat().st_size)
    await expect(form.locator(".take-go")).to_have_text(f"Export STL · {size_text}")
    assert tall_and_closed(await single.path())

    await export(page, "print", everything=True)
    await expect(check).to_contain_text("All 2 ready to print")
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Export all 2 as STL").click()
    download = await started.value
    await download.save_as(tmp_path / "all.zip")
    with ZipFile(tmp_path / "all.zip") as archive:
        names = ["robot-80mm-high-solid.stl", "mug-80mm-high-solid.stl"]
        assert archive.namelist() == ["manifest.json", *names, "contact-sheet.webp"]
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["cut_out"] is True
        assert [(export["filename"], export["closed"]) for export in manifest["exports"]] == [
            (name, True) for name in names
        ]
        assert all(tall_and_closed(io.BytesIO(archive.read(name))) for name in names)


def tall_and_closed(stl: Path | io.BytesIO) -> bool:
    """True if a mesh is closed and 80 mm high."""
    solid = trimesh.load(stl, file_type="stl")
    return solid.is_watertight and solid.extents[2] == pytest.approx(80, rel=1e-4)


async def test_invalid_export_choice_shows_its_reason(app: App, page: Page):
    """A size in words is answered below the buttons, in a sentence, and the next choice works.

    A choice of filaments shows the very colours of which the file will be.
    """
    await opened(page, app.url)
    await drop(page, PICTURES[0])
    await page.click("#generate")
    await settled(page)
    form = page.locator("#take-home")
    await export(page, "more")
    await expect(form.locator("[data-which=all]")).to_be_hidden()
    await form.locator("[name=size]").fill("tall")
    await form.locator(".take-go").click()
    await expect(form.locator(".take-note")).to_contain_text("The size cannot be 'tall'")
    await form.locator("[name=size]").fill("8")
    async with page.expect_download() as started:
        await form.locator(".take-go").click()
    assert (await started.value).suggested_filename == "robot-8mm.glb"
    await expect(form.locator(".take-note")).to_have_text("")

    await export(page, "print")
    colours = form.locator("[name=print-colors]")
    await expect(colours).to_be_hidden()
    await form.get_by_text("3MF", exact=True).click()
    await colours.select_option("3")
    swatches = form.locator(".swatches li")
    await expect(swatches).to_have_count(3)
    promised = [str(await swatches.nth(n).get_attribute("title")).partition(",")[0] for n in range(3)]
    async with page.expect_download() as started:
        await form.locator(".take-go").click()
    with ZipFile(await (await started.value).path()) as archive:
        (model,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".model")]
    assert set(re.findall(r'color="(#[0-9A-F]{6})', model)) == set(promised)
