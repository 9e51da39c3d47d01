"""In a real browser: what is sent, and meshes taken home, one or the whole batch, in another format in one press."""

from __future__ import annotations

import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
import trimesh
from playwright.async_api import Page, expect

from tests.support.browser import ROOT, App, drop, opened, overflow, settled

pytestmark = pytest.mark.browser

PICTURES = [ROOT / "examples" / "robot.jpg", ROOT / "examples" / "mug.jpg"]


async def test_cut_outs_are_sent_and_all_of_it_comes_ready_to_print(app: App, page: Page, tmp_path: Path):
    """Subjects seen cut out and sent so; then STL, 80 mm, checked and mended: one file, and the batch in one press."""
    await opened(page, app.url)
    await drop(page, *PICTURES)
    for picture in PICTURES:
        await expect(page.get_by_alt_text(f"The subject of {picture.name}")).to_be_visible()
    await page.get_by_label("Only the subject, cut out").check()
    await page.click("#generate")
    await settled(page)
    await page.locator('.job-card[data-name="mug.jpg"]').click()
    await expect(page.locator("#facts h3")).to_have_text("mug.glb")

    form, check = page.locator("#take-home"), page.locator(".take-check")
    await form.locator("[name=format]").select_option("stl")
    await expect(check).to_contain_text("Ready to print at 100 mm")
    await form.locator("[name=size]").fill("80")
    await form.locator("[name=size]").press("Tab")
    await expect(check).to_contain_text("Ready to print at 80 mm")
    await form.locator("[name=measure]").select_option("height")
    await expect(check).to_contain_text("Ready to print 80 mm high")
    await form.locator("[name=measure]").select_option("longest")
    await form.locator("[name=repair]").select_option("solid")
    assert await overflow(page) <= 0

    await expect(form.locator(".take-go")).to_have_text("Download STL")
    async with page.expect_download() as started:
        await form.locator(".take-go").click()
    one = await started.value
    assert one.suggested_filename == "mug-80mm-solid.stl"
    assert tall_and_closed(await one.path())

    async with page.expect_download() as started:
        await page.get_by_role("button", name="All 2 as STL").click()
    download = await started.value
    await download.save_as(tmp_path / "all.zip")
    with ZipFile(tmp_path / "all.zip") as archive:
        names = ["robot-80mm-solid.stl", "mug-80mm-solid.stl"]
        assert archive.namelist() == ["manifest.json", *names, "contact-sheet.webp"]
        manifest = json.loads(archive.read("manifest.json"))
        assert manifest["cut_out"] is True
        assert [(one["filename"], one["closed"]) for one in manifest["exports"]] == [(name, True) for name in names]
        assert all(tall_and_closed(io.BytesIO(archive.read(name))) for name in names)


def tall_and_closed(stl: Path | io.BytesIO) -> bool:
    """Whether a mesh is closed and 80 mm on its longest side."""
    solid = trimesh.load(stl, file_type="stl")
    return solid.is_watertight and solid.extents.max() == pytest.approx(80, rel=1e-4)


async def test_a_choice_that_cannot_be_says_why_and_the_page_stays(app: App, page: Page):
    """A size in words is answered below the buttons, in a sentence, and the next choice works."""
    await opened(page, app.url)
    await drop(page, PICTURES[0])
    await page.click("#generate")
    await settled(page)
    form = page.locator("#take-home")
    await expect(form.locator(".take-go")).to_be_visible()
    await expect(form.locator(".take-all")).to_be_hidden()
    await form.locator("[name=size]").fill("tall")
    await form.locator(".take-go").click()
    await expect(form.locator(".take-note")).to_contain_text("The size cannot be 'tall'")
    await form.locator("[name=size]").fill("8")
    async with page.expect_download() as started:
        await form.locator(".take-go").click()
    assert (await started.value).suggested_filename == "robot-8mm.glb"
    await expect(form.locator(".take-note")).to_have_text("")
