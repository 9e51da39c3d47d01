"""Make the documentation's pictures of the page again: `.venv/bin/python scripts/screenshots.py`.

Three journeys in headless Chromium: without a key, with the stand-in for fal (four models, and two objects of several
views), and a shared link on a phone. What stands on the pictures is made while they are taken; the stand-in for fal
gives the same mesh for every picture.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from image2model.devtools.app_process import ADMIN_KEY, AppProcess  # noqa: E402  the package is not installed
from image2model.devtools.browser import CHROMIUM, open_page  # noqa: E402  the package is not installed
from image2model.devtools.fal_stand_in import KEY, FalServer, Script  # noqa: E402  the package is not installed

DOCS = ROOT / "docs"
EXAMPLES = {path.stem: path for path in (ROOT / "examples").glob("*.jpg")}
PHONE: ViewportSize = {"width": 390, "height": 844}
MODELS = ("tripo-v2.5", "trellis-2", "hunyuan3d-v3", "rodin")
VIEWS = ("cup_front", "cup_back", "cup_left", "robot_front", "robot_back", "robot_right")


def keep(page: Page, name: str) -> None:
    """Write what is seen to docs/NAME.webp, once it stands still; nothing lies under the pointer."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    target = DOCS / f"{name}.webp"
    target.parent.mkdir(exist_ok=True)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(target, quality=82, method=6)


def drop(page: Page, *files: Path) -> None:
    """Give files to the page, and wait until each is judged."""
    page.locator("#images input[type=file]").first.set_input_files(list(files))
    expect(page.locator("#generate")).to_contain_text("Make", timeout=60_000)
    expect(page.locator(".st.wait")).to_have_count(0, timeout=60_000)


def make(page: Page) -> None:
    """Press the main button, and wait until the batch is finished."""
    page.click("#generate")
    page.locator("#board .board[data-batch]:not([data-state=working])").wait_for()
    page.locator("#viewer .view-box[data-state=shown]").wait_for()


def choose(page: Page, generator: str) -> None:
    """Choose a generator in its panel."""
    page.locator("[data-panel-open]").first.click()
    page.locator(".picker-item", has=page.locator(f"input[value='{generator}']")).click()


def without_key(browser: Browser, folder: Path) -> None:
    """The first screen, pictures, models, and the export; then what a host sees."""
    app = AppProcess(folder).start()
    page = open_page(browser, app.url)
    keep(page, "journeys/first-screen")
    drop(page, *(EXAMPLES[name] for name in ("robot", "mug", "chair", "toy-car", "mushroom-house")))
    keep(page, "journeys/pictures")
    make(page)
    keep(page, "create")
    page.click("#export-open")
    expect(page.locator("#take-home .check b")).to_contain_text("print", timeout=60_000)
    keep(page, "journeys/export")
    page.keyboard.press("Escape")
    page.goto(f"{app.url}/?tab=admin")
    page.locator("#admin-key input").wait_for()
    page.wait_for_timeout(1000)
    page.locator("#admin-key input").fill(ADMIN_KEY)
    page.click("#admin-enter")
    page.locator("#admin-numbers").wait_for()
    keep(page, "admin")
    app.stop()


def with_fal(browser: Browser, folder: Path) -> None:
    """Four models, then two objects of several views; their link on a phone."""
    views = [
        shutil.copy(EXAMPLES["mug" if name.startswith("cup") else "robot"], folder / f"{name}.jpg") for name in VIEWS
    ]
    with FalServer(Script(run_seconds=1)) as fal:
        app = AppProcess(folder, FAL_KEY=KEY, FAL_HOST=fal.url, GENERATOR="local").start()
        page = open_page(browser, app.url)
        page.locator("[data-panel-open]").first.click()
        keep(page, "journeys/generators")
        page.keyboard.press("Escape")
        for model in MODELS:
            drop(page, EXAMPLES["robot"], EXAMPLES["shoe"])
            choose(page, model)
            expect(page.locator("#generate")).to_contain_text("Make 2", timeout=60_000)
            make(page)
            page.click("#anew")
        choose(page, "tripo-v2.5")
        drop(page, *map(Path, views))
        keep(page, "journeys/views")
        make(page)
        keep(page, "journeys/views-done")
        shared = page.url
        page.goto(f"{app.url}/?tab=library")
        page.locator(".shelf").nth(4).wait_for()
        keep(page, "journeys/library")
        phone = open_page(browser, shared, PHONE)
        phone.locator("#viewer .view-box[data-state=shown]").wait_for()
        keep(phone, "journeys/shared-on-a-phone")
        app.stop()


def main() -> None:
    """Take all of them."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(**CHROMIUM)
        for number, journey in enumerate((without_key, with_fal)):
            place = Path(folder) / str(number)
            place.mkdir()
            journey(browser, place)
        browser.close()


if __name__ == "__main__":
    main()
