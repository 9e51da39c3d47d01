"""The Admin tab: closed without its key, which every function asks for (`rights`).

Its sections are classes of one shape (`Section`), each in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gradio as gr

from ....studio import Studio
from .batches import Batches
from .overview import Overview
from .rights import CLOSED, Rights


class Section(Protocol):
    """A part of the tab: it builds its components where it is made, and connects them in `connect`.

    Ids of components begin with `admin-`.
    """

    asked: list[Any]
    """Components whose values `show` takes."""
    shown: list[Any]
    """Components that `show` gives values for."""

    async def show(self, *asked: Any) -> Any:
        """Values for `shown`, read anew."""

    def connect(self, rights: Rights) -> None:
        """Say what happens when, all of it through `rights.on`."""


SECTIONS: Mapping[str, Callable[[Studio], Section]] = {"Overview": Overview, "Batches": Batches}


class Admin:
    """The tab: the way in, and behind it the sections, each read anew when it is opened."""

    def __init__(self, studio: Studio) -> None:
        self.rights = Rights(studio.settings)
        is_open = self.rights.by_key
        with gr.Column(elem_id="admin"):
            with gr.Column(elem_id="admin-sign-in") as self.sign_in:
                gr.Markdown("### Admin\n" + ("For the host: enter the admin key." if is_open else CLOSED))
                self.key = self.rights.key = gr.Textbox(
                    type="password", label="Admin key", visible=is_open, elem_id="admin-key"
                )
                self.enter = gr.Button("Sign in", variant="primary", visible=is_open, elem_id="admin-enter")
            with gr.Column(visible=False, elem_id="admin-board") as self.panel, gr.Tabs(elem_id="admin-tabs"):
                self.sections = [self._section(name, make, studio) for name, make in SECTIONS.items()]

    def _section(self, name: str, make: Callable[[Studio], Section], studio: Studio) -> tuple[gr.Tab, Section]:
        with gr.Tab(name, id=f"admin-{name.lower()}", elem_id=f"admin-tab-{name.lower()}") as tab:
            return tab, make(studio)

    def connect(self) -> None:
        """Say what happens when."""
        first = self.sections[0][1]
        for press in (self.enter.click, self.key.submit):
            self.rights.on(press, self.open, first.asked, [self.sign_in, self.panel, *first.shown])
        for tab, section in self.sections:
            self.rights.on(tab.select, section.show, section.asked, section.shown)
            section.connect(self.rights)

    async def open(self, *asked: Any) -> tuple[Any, ...]:
        """Show the first section instead of the way in."""
        return gr.Column(visible=False), gr.Column(visible=True), *await self.sections[0][1].show(*asked)


def build(studio: Studio) -> None:
    """Build the tab."""
    Admin(studio).connect()
