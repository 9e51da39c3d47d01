"""The page in a real browser: strangers, odd names, small screens, the dark, the keyboard, and the host's tab."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from image2model.devtools.app_process import ADMIN_KEY
from tests.conftest import DESKTOP, PHONE
from tests.support.browser import ROOT, App, drop, go, opened, overflow, settled, sign_in
from tests.support.pictures import encoded, photo

pytestmark = pytest.mark.browser

NAMES = [
    "<img src=x onerror=alert(1)>.png",
    "\"><script>alert(2)</script>'.png",
    "{{7*7}} ${alert(3)} &amp; co.png",
    "🐱 кот 日本.png",
    "x" * 215 + ".png",
    "../../etc/passwd.png",
]


async def test_names_are_text_and_never_code(app: App, page: Page):
    """File names with HTML, quotes, templates, emoji, paths and 200 letters are shown as text, and nothing runs."""
    alerts: list[str] = []
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    await opened(page, app.url)
    plain, text = encoded(photo(200, 150)), b"no picture"
    await drop(page, *({"name": name, "mimeType": "image/png", "buffer": plain} for name in NAMES))
    await drop(page, *({"name": name, "mimeType": "image/png", "buffer": text} for name in NAMES))
    await expect(page.locator(".tile.refused")).to_have_count(len(NAMES))
    await page.click("#generate")
    await settled(page)
    names = await page.locator(".job-name").all_inner_texts()
    assert len(names) == len(NAMES)
    assert "🐱 кот 日本.png" in names
    assert "passwd.png" in names
    assert all("/" not in name for name in names)
    assert await page.locator("#board script, #board img[onerror], #tiles script, #tiles img[onerror]").count() == 0
    assert await overflow(page) <= 0
    await go(page, "library")
    await expect(page.locator(".shelf")).to_have_count(1)
    assert await overflow(page) <= 0
    assert alerts == []


async def test_a_refusal_stays_while_the_subjects_are_found(app: App, page: Page):
    """A refused picture keeps its error message when the subject search of its neighbours ends later."""
    await opened(page, app.url)
    await page.locator("#examples button").first.click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await drop(page, {"name": "n.png", "mimeType": "image/png", "buffer": b"no picture"})
    await expect(page.locator(".tile.refused")).to_have_count(1)
    await expect(page.locator(".tile .st.ok")).to_have_count(1)
    await page.wait_for_timeout(2000)  # Gradio sends again what it held back
    await expect(page.locator(".tile.refused")).to_have_count(1)


async def test_results_open_with_the_keyboard(app: App, page: Page):
    """A finished card is reached with Tab's focus and opened with Enter."""
    await opened(page, app.url)
    await drop(page, *(ROOT / "examples" / f"{name}.jpg" for name in ("mug", "chair")))
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await page.click("#generate")
    await settled(page)
    second = page.locator(".job-card[data-state=done]").nth(1)
    await second.press("Enter")
    await expect(second).to_have_attribute("aria-current", "true")
    await expect(page.locator("#stage-title")).to_have_text("chair")


async def test_arrows_move_among_the_pictures_and_delete_takes_one_out(app: App, page: Page):
    """The tiles are one stop for Tab, arrows go on among them and Enter shows one; Delete takes it out."""
    await opened(page, app.url)
    await drop(page, *(ROOT / "examples" / f"{name}.jpg" for name in ("mug", "robot")))
    tiles = page.locator(".tile [data-show]")
    await expect(tiles).to_have_count(2)
    assert await tiles.evaluate_all("all => all.map(one => one.tabIndex)") == [0, -1]
    await tiles.first.focus()
    await page.keyboard.press("ArrowRight")
    await expect(tiles.last).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage-title")).to_have_text("robot.jpg")
    await page.keyboard.press("Delete")
    await expect(tiles).to_have_count(1)
    await expect(tiles).to_be_focused()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await page.locator("#sent-choice input").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("#sent-how")).to_have_text("background removed")


async def test_many_pictures_leave_room_for_the_rest(app: App, page: Page):
    """No picture is cut off at the side, and the subjects of many take no more height than some rows."""
    await opened(page, app.url)
    await drop(page, *({"name": f"{n}.png", "mimeType": "image/png", "buffer": encoded(photo())} for n in range(20)))
    shown = page.locator(".tile [data-show]")
    await expect(shown).to_have_count(20)
    for size in (PHONE, DESKTOP):
        await page.set_viewport_size(size)
        box = await page.locator("#tiles").bounding_box()
        for tile in (await shown.nth(2).bounding_box(), await shown.nth(19).bounding_box()):
            assert tile["x"] + tile["width"] <= box["x"] + box["width"]
        button = await page.locator("#generate").bounding_box()
        assert button["y"] + button["height"] <= size["height"]
        assert await overflow(page) <= 0


async def test_no_quick_click_on_an_example_is_lost(app: App, page: Page):
    """Examples clicked in quick succession are all added; the page contains their thumbnails."""
    await opened(page, app.url)
    await page.evaluate("""async () => {
      for (const number of [1, 0, 2]) {
        document.querySelectorAll("#examples button")[number].click();
        await new Promise(passed => setTimeout(passed, 30));
      }
    }""")
    await expect(page.locator("#generate")).to_contain_text("Make 3")
    await page.click("#generate")
    await settled(page)
    names = await page.locator(".job-card[data-number]").evaluate_all("cards => cards.map(card => card.dataset.name)")
    assert names == ["chair.jpg", "astronaut.jpg", "mug.jpg"]
    addresses = await page.locator("#examples img").evaluate_all("all => all.map(one => one.src)")
    assert all(address.startswith("data:image/webp") and len(address) < 8000 for address in addresses)


async def late(route: Route) -> None:
    """Let a request wait for half a second."""
    await asyncio.sleep(0.5)
    await route.continue_()


async def test_admin_is_closed_without_its_key(app: App, page: Page):
    """No key and a wrong key show nothing; the right one shows every batch and deletes the one that is chosen."""
    await opened(page, app.url)
    await page.locator("#examples button").first.click()
    await page.click("#generate")
    await settled(page)
    mine = page.url.rpartition("batch=")[2]
    for wrong in ("", "guess"):
        await sign_in(page, wrong)
        await expect(page.locator(".toast-body").last).to_contain_text("not the admin key")
        await expect(page.locator("#admin-board")).to_be_hidden()
    await page.route("**/queue/join*", late)
    for key in ("another guess", ADMIN_KEY):  # the right one while the answer to the other is still on its way
        await page.locator("#admin-key input").fill(key)
        await page.click("#admin-enter")
    await expect(page.locator("#admin-numbers")).to_contain_text("Disk free")
    await expect(page.locator("#admin-numbers")).to_contain_text("Spent this month")
    await page.get_by_role("tab", name="Batches").click()
    await page.locator(f"#admin-batches [data-batch='{mine}']").click()
    await expect(page.locator("#admin-batches .inside")).to_contain_text(mine)
    page.once("dialog", lambda dialog: dialog.accept())
    await page.locator("#admin-batches").get_by_role("button", name="Delete").click()
    await expect(page.locator(f"#admin-batches [data-batch='{mine}']")).to_have_count(0)
    assert not (app.data / "batches" / mine).exists()


@pytest.mark.parametrize("address", ["../../etc", "<script>alert(1)</script>"])
async def test_unknown_batch_has_its_own_page(app: App, page: Page, address: str):
    """A link that is cut short or deleted shows what may have happened, and the page stays usable."""
    await opened(page, f"{app.url}/?batch={address}")
    await expect(page.locator("#viewer .gone")).to_contain_text("This batch is not here")
    await page.locator("#examples button").first.click()
    await expect(page.locator("#generate")).to_contain_text("Make 1")
