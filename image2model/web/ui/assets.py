"""The page's own scripts, styles, fonts and pictures, at addresses that change with their contents."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
STYLES = ("tokens", "base", "frame", "rail", "stage", "results", "panels", "pages", "admin")
BLOCKING_SCRIPTS = ("stream_guard", "stopwatches", "theme_early", "draft", "radios", "modules")
"""Scripts that must run before Gradio's own."""


@cache
def version() -> str:
    """Return a version of all files, which changes with any of them."""
    digest = hashlib.sha256()
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        digest.update(path.relative_to(STATIC).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """Return the address of a file, relative to the page."""
    return f"page/{version()}/{name}"


def script(name: str, *events: str) -> str:
    """Return the `js_on_load` of a gr.HTML that the module `name` of main.js controls, and that triggers `events`."""
    given = f"{{element, trigger, props, watch, events: {json.dumps(events)}}}"
    # A task later all components of the page are there.
    return f"image2model.then(({{components}}) => setTimeout(() => components.{name}.mount({given})))"


def call(function: str) -> str:
    """Return the `js` of a listener that calls a function of the page's modules, such as `uploads.failed`."""
    return f"async (...values) => (await image2model).{function}(...values)"


def head() -> str:
    """Return the HTML of the page's head: styles first, so that nothing is shown without them."""
    parts = ['<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">']
    parts += [f'<link rel="stylesheet" href="{address(f"css/{name}.css")}">' for name in STYLES]
    font = address("fonts/inter-latin-wght-normal.woff2")
    parts.append(f'<link rel="preload" href="{font}" as="font" type="font/woff2" crossorigin>')
    parts += [f"<script>{(STATIC / 'early' / f'{name}.js').read_text()}</script>" for name in BLOCKING_SCRIPTS]
    parts.append(f'<script type="module" src="{address("js/main.js")}"></script>')
    return "".join(parts)
