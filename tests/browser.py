"""The real app in a process of its own, and headless Chromium to use it with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests import leaks

ROOT = Path(__file__).parents[1]
ADMIN_KEY = "an admin key"
CHROMIUM = {
    "executable_path": shutil.which("chromium") or shutil.which("google-chrome"),
    "args": [
        "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
}  # fmt: skip
OURS = (
    "FAL_", "GENERATOR", "DATABASE_URL", "API_KEY", "MAX_", "HOST", "WORKERS", "GRADIO_SERVER", "DAILY_", "BATCH_COST",
    "IMAGES_PER", "JOB_MINUTES", "MIN_FREE", "RETRY_", "UPLOADS_PER", "ADMIN_",
    "TRUSTED_", "ALLOWED_", "LOG_", "CORS_",
)  # fmt: skip
SLOW = 120_000
"""Milliseconds after which something on the page counts as not happening, on a busy machine."""

expect.set_options(timeout=SLOW)


class App:
    """`python app.py` with a data folder and a port of its own; `start`, `stop`, `kill`, `start` again."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data, self.cache = folder / "data", folder / "uploads"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._environment = kept | {
            "DATA_DIR": str(self.data),
            "GRADIO_TEMP_DIR": str(self.cache),
            "PORT": str(port),
            "ADMIN_API_KEY": ADMIN_KEY,
            **environment,
        }
        self._folder = folder
        self.log = folder / "log"
        leaks.use_settings(self._environment)
        leaks.watch(self.log, self.data / "logs")

    def start(self) -> App:
        """Return when the app answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py")],
                cwd=self._folder, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.kill()  # nobody else will
            raise
        return self

    def _wait(self) -> None:
        until = time.monotonic() + 120
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/alive", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> int:
        """End the app as a host does, with SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def kill(self) -> None:
        """End the app as a power cut does."""
        self.process.kill()
        self.process.wait()

    def children(self) -> list[int]:
        """The ids of the processes that the app has started."""
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listed.stdout.split()]


def gone(processes: list[int], seconds: float = 10) -> bool:
    """Whether all these processes end within some seconds."""
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in processes) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(Path(f"/proc/{pid}").exists() for pid in processes)


class Watch:
    """Notes what must not happen on a page: requests to other hosts, uncaught errors, dialogs nobody asked for."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.wrongs: list[str] = []
        self._host = host
        context.on("request", lambda request: self._look(request.url))
        context.on("weberror", lambda error: self.wrongs.append(f"uncaught: {error.error}"))

    def _look(self, url: str) -> None:
        if not url.startswith((self._host, "data:", "blob:")):
            self.wrongs.append(f"request to {url}")


async def opened(page: Page, address: str) -> Page:
    """The page at this address, ready to be used."""
    await page.goto(address)
    await expect(page.locator("#generate")).to_be_visible()
    return page


async def drop(page: Page, *files: Path | Mapping[str, Any]) -> None:
    """Give files to the page as the file dialog does; return when the page counts them."""
    chooser = page.locator("#images input[type=file]").first
    given: Any = [dict(file) if isinstance(file, Mapping) else str(file) for file in files]
    await chooser.set_input_files(given)
    await expect(page.locator("#generate")).to_contain_text("Make", timeout=SLOW)


async def sign_in(page: Page, key: str = ADMIN_KEY) -> None:
    """Enter a key in the Admin tab, no sooner than a person can: as Gradio shows a box it may empty it once more."""
    await page.get_by_role("tab", name="Admin").click()
    await expect(page.locator("#admin-key input")).to_be_visible()
    await page.wait_for_timeout(500)
    await page.locator("#admin-key input").fill(key)
    await page.click("#admin-enter")


async def settled(page: Page) -> Locator:
    """The board, when its batch is finished."""
    board = page.locator("#board .board[data-batch]:not([data-state=working])")
    await expect(board).to_be_visible()
    return board


async def states(page: Page) -> dict[str, str]:
    """The state of each picture on the board, by its name."""
    return dict(
        await page.locator(".job-card").evaluate_all("cards => cards.map(c => [c.dataset.name, c.dataset.state])")
    )


async def drawn(page: Page) -> np.ndarray:
    """The viewer's pixels (rows × columns × RGB), once the same picture with something on it has come twice."""
    canvas = page.locator("#viewer canvas")
    await expect(canvas).to_be_visible()
    last = None
    for _ in range(120):
        pixels = np.asarray(Image.open(BytesIO(await canvas.screenshot())).convert("RGB"), int)
        if share_drawn(pixels) > 0.02 and last is not None and np.array_equal(pixels, last):
            return pixels
        last = pixels
        await page.wait_for_timeout(250)
    raise AssertionError(f"the viewer shows nothing: {share_drawn(pixels):.1%} of it differs from its background")


def share_drawn(pixels: np.ndarray) -> float:
    """How much of a picture (0 to 1) differs clearly from the colour of its lower left corner."""
    return float((np.abs(pixels - pixels[-8, 8]).max(axis=2) > 30).mean())


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(await page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))
