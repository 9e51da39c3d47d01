"""The place where one finished mesh is looked at: the viewer and its looks, the picture or a turntable beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import Image2ModelError
from ...services import JobView, Studio
from . import templating
from .event_options import EACH, LAST
from .theme import html

STATIC = Path(__file__).parent / "static"
Shown = tuple[str, int, tuple[float, float, float | None]]
"""What is being looked at: batch, number of the job, and where the camera stands."""


class Viewer:
    """One viewer (a browser has few WebGL contexts), its bar of looks, and the pane beside it."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.shown = gr.State()
        self.look = gr.State("textured")
        self.bar = html(templating.viewer_bar(), elem_id="viewer-bar", js_on_load=(STATIC / "viewer.js").read_text())
        with gr.Row(elem_id="viewer-place", equal_height=True):
            self.model = gr.Model3D(
                elem_id="viewer", label="3D viewer", show_label=False, height=460, interactive=False,
                clear_color=(0, 0, 0, 0), min_width=240,
            )  # fmt: skip
            self.beside = html(elem_id="beside", js_on_load=(STATIC / "beside.js").read_text(), min_width=240)

    @property
    def place(self) -> list[Any]:
        """What `open` gives values for."""
        return [self.beside, self.shown]

    @property
    def drawing(self) -> dict[str, Any]:
        """The step that follows `open`: a model that is set while its viewer is just being shown is never drawn."""
        return {"fn": self.draw, "inputs": [self.shown, self.look], "outputs": self.model, **LAST}

    def connect(self) -> None:
        """Say what the bar does; background and the pane beside are the browser's own affair."""
        self.bar.select(self.choose, None, self.look, **EACH).then(**self.drawing)

    def open(self, batch_id: str, job: JobView) -> tuple[Any, Shown]:
        """Values for `place`: this finished job."""
        return templating.beside(job), (batch_id, job.number, _camera(job.facts or {}))

    async def choose(self, event: gr.EventData) -> str:
        """Remember the look that was chosen, for this mesh and the next."""
        return str(getattr(event, "look", "textured"))

    async def draw(self, shown: Shown | None, look: str) -> Any:
        """Show this mesh in this look."""
        if not shown:
            return gr.skip()
        batch_id, number, camera = shown
        try:
            mesh = await self.studio.lend_look(batch_id, number, look)
        except Image2ModelError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return gr.Model3D(value=str(mesh), camera_position=camera)


def _camera(facts: Mapping[str, Any]) -> tuple[float, float, float | None]:
    """Where to look from (degrees, degrees, distance): a little from the side and above, all of the mesh in view."""
    diagonal = math.hypot(*facts["dimensions"]) if facts.get("dimensions") else None
    return 70, 75, diagonal and 1.3 * diagonal
