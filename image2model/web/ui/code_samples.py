"""The API tab: how to call this app from Python, JavaScript and the shell."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ..gradio_api import ENDPOINT_NAMES
from ..public_address import public_root_url
from .event_options import HIDDEN

SNIPPETS = Path(__file__).parent / "snippets"
LANGUAGES = (
    ("Python", "py", "python", "python {name}.py {pictures} {address}"),
    ("JavaScript", "mjs", "javascript", "node {name}.mjs {pictures} {address}"),
    ("curl", "sh", "bash", "bash {name}.sh {pictures} {address}"),
)
STYLES = (
    ("One picture", "one-picture", "cat.jpg", "One call that ends when the mesh is there."),
    ("A batch", "batch", "cat.jpg rocket.jpg", "Submit, watch, collect. The batch goes on whether or not you watch."),
)
ABOUT = """
Programs can do everything that this page does. Endpoints: {endpoints}.
Pictures are files or https addresses; errors read `code: sentence`. The arguments of the programs below are
pictures and then this app's address.
"""


def build(demo: gr.Blocks) -> None:
    """Build the page; its commands name the address at which it was opened."""
    boxes: list[gr.Markdown] = []
    commands: list[str] = []
    with gr.Column(elem_id="api"):
        gr.Markdown(ABOUT.format(endpoints=", ".join(f"`/{name}`" for name in ENDPOINT_NAMES)))
        for style, name, pictures, about in STYLES:
            gr.Markdown(f"### {style}\n{about}")
            with gr.Tabs():
                for language, ending, syntax, call in LANGUAGES:
                    with gr.Tab(language):
                        commands.append(call.format(name=name, pictures=pictures, address="{address}"))
                        boxes.append(gr.Markdown(_fenced(commands[-1], "bash")))
                        gr.Markdown(_fenced((SNIPPETS / f"{name}.{ending}").read_text(), syntax))

    async def tell_address(request: gr.Request) -> list[str]:
        """The commands, with this app's address as the visitor sees it."""
        address = public_root_url(request)
        return [_fenced(command.format(address=address), "bash") for command in commands]

    demo.load(tell_address, None, boxes, **HIDDEN)


def _fenced(code: str, syntax: str) -> str:
    """A code block in Markdown: `gr.Code` would bring an editor of 130 kB along, which every page loads."""
    return f"```{syntax}\n{code.rstrip()}\n```"
