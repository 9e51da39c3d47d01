"""What a person feels on the page: how soon the board stands after a press, and the first verdict after a drop.

    python -m benchmarks.page_times

In headless Chromium, by the page's own clock: from the press of the main button to the batch's cards, and from the
drop of 25 photographs of 12 megapixels and 9 MB to the first picture that is judged. Beside each is a plain Gradio
page in the same run: a button that answers with a word, and a gallery that shows its first picture.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

import gradio as gr
from playwright.sync_api import Page, sync_playwright

from benchmarks.image_checks import make_pictures
from image2model.devtools.app_process import APP, AppProcess

ROUNDS = 5
EXAMPLE = APP.parent / "examples" / "robot.jpg"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing"]
APPEARS = """([event, selector]) => new Promise((resolve) => {
  let start = null;
  document.addEventListener(event, () => { start ??= performance.now(); }, true);
  const look = () => {
    if (start !== null && document.querySelector(selector)) resolve(performance.now() - start);
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Milliseconds from the first event of a kind until an element is there."""


def plain_page() -> str:
    """The address of a Gradio page with a gallery and a button that answers at once."""
    with gr.Blocks() as page:
        gr.Gallery(type="filepath", interactive=True, elem_id="images")
        button, answer = gr.Button("Go", elem_id="generate"), gr.HTML()
        button.click(lambda: "<p class='job-card'>Here</p>", None, answer)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    return str(address)


def drop(page: Page, files: list[Path], selector: str) -> float:
    """Milliseconds from a drop of files until `selector` is there."""
    page.evaluate(f"window.seen = ({APPEARS})(['change', '{selector}'])")
    page.locator("#images input[type=file]").first.set_input_files(files)
    return float(page.evaluate("window.seen"))


def press(page: Page) -> float:
    """Milliseconds from a press of the main button until a card is there."""
    page.evaluate(f"window.seen = ({APPEARS})(['click', '.job-card'])")
    page.locator("#generate").click()
    return float(page.evaluate("window.seen"))


def main() -> None:
    """Print the medians of both, and their ratio."""
    times: dict[str, list[float]] = {name: [] for name in ("press", "plain press", "drop", "plain drop")}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        photos = Path(folder) / "photos"
        photos.mkdir()
        make_pictures(photos)
        files = sorted(photos.iterdir())
        app = AppProcess(Path(folder)).start()
        plain = plain_page()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for _ in range(ROUNDS):
            context = browser.new_context(reduced_motion="reduce")
            page = context.new_page()
            page.goto(app.url)
            page.locator("#cost [data-mode]").wait_for(state="attached")
            times["drop"].append(drop(page, files, ".tile:not(.early) .st:is(.ok, .warn, .bad)"))
            page.goto(app.url)
            page.locator("#cost [data-mode]").wait_for(state="attached")
            drop(page, [EXAMPLE], ".tile:not(.early) .st:is(.ok, .warn, .bad)")
            page.locator("#generate:enabled", has_text="Make 1").wait_for()
            times["press"].append(press(page))
            page.goto(plain)
            page.locator("#generate").wait_for()
            times["plain drop"].append(drop(page, files, "#images .thumbnail-item img"))
            times["plain press"].append(press(page))
            context.close()
        browser.close()
        gr.close_all()
        app.stop()
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name in ("press", "drop"):
        ours, theirs = middle[name], middle[f"plain {name}"]
        print(f"{name:6} {ours:6.0f} ms, plain Gradio {theirs:6.0f} ms, {ours / theirs:.2f} ×")


if __name__ == "__main__":
    main()
