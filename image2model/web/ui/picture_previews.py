"""What is seen of the chosen pictures before they are paid for: their subjects cut out, and warnings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from ...services import Studio
from . import templating
from .event_options import LAST
from .theme import html

AT_ONCE = 0.1
"""Seconds that nobody waits for: what is known by then is shown without an empty place before it."""
AS_THEY_ARE, CUT_OUT = "The pictures as they are", "Only the subject, cut out"


class Inputs:
    """The row of cut-outs below the pictures, and the choice of what is sent."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Column(elem_id="sent", visible=False) as self.place:
            html('<p class="small-title">What is sent</p>')
            self.sent = gr.Radio(
                [AS_THEY_ARE, CUT_OUT], value=AS_THEY_ARE, label="What is sent", show_label=False, container=False,
                elem_id="sent-choice",
            )  # fmt: skip
            self.seen = html(elem_id="cutouts")

    def looking(self, images: gr.Gallery) -> dict[str, Any]:
        """The step that follows each change of the pictures."""
        return {
            "fn": self.look, "inputs": images, "outputs": [self.place, self.seen], "concurrency_limit": 50,
            **LAST,
        }  # fmt: skip

    async def look(self, images: list[tuple[str, Any]] | None) -> AsyncIterator[tuple[Any, Any]]:
        """Show each picture's subject as soon as it is found, and what will likely go wrong."""
        paths = [Path(path) for path, _ in images or []]
        seen: list[dict[str, Any]] = []
        if not paths:
            yield gr.Column(visible=False), ""
            return
        for path in paths:
            finding = asyncio.ensure_future(self.studio.picture_checks.inspect(path))
            if not (await asyncio.wait([finding], timeout=AT_ONCE))[0]:
                yield gr.Column(visible=True), templating.cutouts(seen, len(paths) - len(seen))
            found = await finding
            warnings = self.studio.picture_checks.words(found)
            seen.append({"name": path.name, "image": templating.data_uri(found.cutout), "warnings": warnings})
        yield gr.Column(visible=True), templating.cutouts(seen, 0)
