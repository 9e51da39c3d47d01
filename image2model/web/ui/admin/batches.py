"""The host's batches."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ....studio import Studio
from .. import render
from .rights import Rights

HEADERS = ["Batch", "Made", "Generator", "Images", "State", "Progress"]


class Batches:
    """A table of the newest batches; one of them can be deleted."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.table = gr.Dataframe(
            headers=HEADERS, interactive=False, label="Batches, newest first", wrap=True, elem_id="admin-batches"
        )
        with gr.Row():
            self.chosen = gr.Textbox(
                label="Batch", placeholder="Click a row, or paste a batch's id", scale=3, elem_id="admin-chosen"
            )
            self.delete = gr.Button("Delete this batch", variant="stop", elem_id="admin-delete")
        self.asked: list[Any] = []
        self.shown = [self.table]

    def connect(self, rights: Rights) -> None:
        """Say what a row and the button do."""
        rights.on(self.table.select, self.choose, [], self.chosen, event="row_value")
        rights.on(self.delete.click, self.remove, [self.chosen], self.shown)

    async def show(self) -> list[Any]:
        """The newest batches."""
        return [[_row(view) for view in await self.studio.library(None, limit=200)]]

    async def choose(self, row: Any) -> str:
        """The id of the batch whose row was clicked."""
        return str(row[0]) if isinstance(row, list) and row else ""

    async def remove(self, batch_id: str) -> list[Any]:
        """Delete a batch with its files."""
        await self.studio.delete(batch_id.strip())
        return await self.show()


def _row(view: dict[str, Any]) -> list[Any]:
    return [
        view["batch_id"], render.ago(view["created_at"]), view["generator_name"], view["counts"]["total"],
        view["state"], view["message"],
    ]  # fmt: skip
