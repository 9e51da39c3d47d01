"""Response times of the page to a drop of photographs and a click on the main button, in headless Chromium.

python -m benchmarks.page_times [photographs]

Starts the app, chooses so many photographs of 12 megapixels (25 of 7 MB by default) in the file dialog, which stands
open for two seconds, and makes models of them. Prints, in milliseconds of the page's own clock: drop until every tile
stands, until the first is judged, until the last is; press until the board stands with what is sent, and until it is
the server's. The page draws without a graphics card; run it while nothing else does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from image2model.devtools.app_process import AppProcess
from image2model.devtools.browser import CHROMIUM, open_page

EXAMPLE = Path(__file__).parents[1] / "examples" / "robot.jpg"
TIMEOUT_MS = 180_000
"""Milliseconds."""
CHOOSING = 2_000
"""Milliseconds for which a person looks at the file dialog."""
NOTE_TIMES = """() => {
  const times = (window.times = {});
  const note = (name, condition) => { if (condition && !(name in times)) times[name] = performance.now(); };
  const count = (selector) => document.querySelectorAll(selector).length;
  addEventListener("change", ({ target }) => note("drop", target.matches("#images input")), true);
  addEventListener("click", ({ target }) => note("press", target.closest("#generate")), true);
  new MutationObserver(() => {
    note("tiles", count("#tiles .nm"));
    note("first judged", count("#tiles .st.ok"));
    note("all judged", count("#tiles .st.ok") === window.dropped);
    note("board", window.times.press && count("#board .job-card"));
    note("server's board", count("#board .job-card[data-number]"));
  }).observe(document.body, { childList: true, subtree: true });
}"""


def write_photographs(folder: Path, count: int) -> list[Path]:
    """JPEGs of 4000 × 3000 pixels and some 7 MB, each shifted: a worker remembers the last picture."""
    sharp = np.asarray(Image.open(EXAMPLE).convert("RGB").resize((4000, 3000)), np.int16)
    grain = np.random.default_rng(0).normal(0, 19, sharp.shape).astype(np.int16)
    pixels = np.clip(sharp + grain, 0, 255).astype(np.uint8)
    photographs = [folder / f"IMG_{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(photographs):
        Image.fromarray(np.roll(pixels, 40 * number, axis=0)).save(path, quality=93)
    print(f"{count} photographs of {photographs[0].stat().st_size / 1e6:.1f} MB")
    return photographs


def times(page: Page, photographs: list[Path]) -> dict[str, float]:
    """Milliseconds at which things happened on the page, by what they are."""
    page.evaluate(f"window.dropped = {len(photographs)}")
    page.evaluate(NOTE_TIMES)
    with page.expect_file_chooser() as dialog:
        page.click("#tiles .drop")
    page.wait_for_timeout(CHOOSING)
    dialog.value.set_files(photographs)
    expect(page.locator("#tiles .st.ok")).to_have_count(len(photographs), timeout=TIMEOUT_MS)
    expect(page.locator("#generate")).to_be_enabled(timeout=TIMEOUT_MS)
    page.click("#generate")
    page.locator("#board .job-card[data-number]").first.wait_for()
    found: dict[str, float] = page.evaluate("window.times")
    return found


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", nargs="?", type=int, default=25)
    count = parser.parse_args().photographs
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        photographs = write_photographs(Path(folder), count)
        app = AppProcess(Path(folder)).start()
        browser = playwright.chromium.launch(**CHROMIUM)
        page = open_page(browser, app.url)
        page.wait_for_timeout(2000)
        found = times(page, photographs)
        for name in ("tiles", "first judged", "all judged"):
            print(f"drop → {name}: {found[name] - found['drop']:.0f} ms")
        for name in ("board", "server's board"):
            print(f"press → {name}: {found[name] - found['press']:.0f} ms")
        browser.close()
        app.stop()


if __name__ == "__main__":
    main()
