"""The API tab: how to call this app from Python, JavaScript and the shell."""

from __future__ import annotations

from pathlib import Path

from ..gradio_api import ENDPOINT_NAMES
from . import assets, templating
from .theme import html

SNIPPETS = Path(__file__).parent / "snippets"
LANGUAGES = (("py", "Python", "python"), ("mjs", "JavaScript", "node"), ("sh", "curl", "bash"))
"""Ending of the programs, name of the language, and the command that runs them."""
SAMPLES = (
    ("one-picture", "One picture", "cat.jpg", "One call that ends when the mesh is there."),
    ("batch", "A batch", "cat.jpg rocket.jpg", "Submit, watch, collect. The batch goes on whether or not you watch."),
)
"""Name of the programs, title, pictures in their command, and what they do."""


def build() -> None:
    """Build the tab; in the browser its commands get the address at which the page was opened."""
    samples = [
        {"title": title, "about": about, "programs": [
            {"ending": ending, "command": f"{runner} {name}.{ending} {pictures}", "code": _code(f"{name}.{ending}")}
            for ending, _, runner in LANGUAGES
        ]} for name, title, pictures, about in SAMPLES
    ]  # fmt: skip
    content = templating.render("api.html", samples=samples, languages=LANGUAGES, endpoints=ENDPOINT_NAMES)
    html(content, elem_id="api", js_on_load=assets.script("api"))


def _code(name: str) -> str:
    return (SNIPPETS / name).read_text().rstrip()
