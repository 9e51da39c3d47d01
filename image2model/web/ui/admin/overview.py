"""How everything is, for a tired person: what needs the host first."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ....studio import Studio
from .. import render
from ..theme import html
from .rights import Rights


class Overview:
    """The numbers."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.numbers = html(elem_id="admin-numbers")
        self.refresh = gr.Button("Refresh", elem_id="admin-refresh")
        self.asked: list[Any] = []
        self.shown = [self.numbers]

    def connect(self, rights: Rights) -> None:
        """Say what the button does."""
        rights.on(self.refresh.click, self.show, self.asked, self.shown)

    async def show(self) -> tuple[Any, ...]:
        """The host's numbers."""
        return (render.overview(await self.studio.host.overview()),)
