"""Headless Chromium as tests, benchmarks and the documentation's pictures start it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

CHROMIUM: dict[str, Any] = {
    # Debian's shell without a window's own pages needs three quarters of the processor time
    "executable_path": shutil.which("chromium-headless-shell") or shutil.which("chromium"),
    "args": [
        "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
        "--disable-gpu-compositing",  # the page itself drawn without WebGL: less than half the processor time
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
}  # fmt: skip
"""Arguments of Playwright's `launch`; WebGL is drawn in software."""
DESKTOP: ViewportSize = {"width": 1440, "height": 900}


def open_page(browser: Browser, url: str, size: ViewportSize = DESKTOP) -> Page:
    """The app's page at `url`, in a new profile, once it is ready to be used."""
    page = browser.new_context(viewport=size, reduced_motion="reduce").new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    page.locator("#cost [data-mode]").wait_for(state="attached")
    return page
