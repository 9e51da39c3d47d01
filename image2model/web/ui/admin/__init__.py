"""The Admin tab: closed without its key, which every function asks for (`rights`).

Its sections are classes of one shape (`Section`), each in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gradio as gr

from ....services import Studio
from ..event_options import EACH, HIDDEN
from .access import Rights
from .batches import Batches
from .disk import Disk
from .logs import Logs
from .overview import Overview


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


SECTIONS: Mapping[str, Callable[[Studio], Section]] = {
    "Overview": Overview,
    "Batches": Batches,
    "Disk": Disk,
    "Logs": Logs,
}


CLOSED = "Admin is closed here. The host opens it by setting `ADMIN_PASSWORD` and starting the app again."
KEY, NAME = "For the host: enter the admin key", "sign in with Hugging Face as one of this app's hosts"
GREETINGS: Mapping[tuple[bool, bool], str] = {
    (False, False): CLOSED,
    (True, False): f"{KEY}.",
    (False, True): f"For the host: {NAME}.",
    (True, True): f"{KEY}, or {NAME}.",
}
"""What is said where a key opens the tab, and where a name does."""


class Admin:
    """The tab: the way in, and behind it the sections, each read anew when it is opened."""

    def __init__(self, studio: Studio) -> None:
        rights = self.rights = Rights(studio.settings, studio.key_attempts)
        with gr.Column(elem_id="admin"):
            with gr.Column(elem_id="admin-sign-in") as self.sign_in:
                self.greeting = gr.Markdown(
                    _greeting(GREETINGS[rights.by_key, rights.by_name]), elem_id="admin-greeting"
                )
                rights.key = gr.Textbox(type="password", label="Admin key", visible=rights.by_key, elem_id="admin-key")
                self.enter = gr.Button("Sign in", variant="primary", visible=rights.by_key, elem_id="admin-enter")
            with gr.Column(visible=False, elem_id="admin-board") as self.panel, gr.Tabs(elem_id="admin-tabs"):
                self.sections = [self._section(name, make, studio) for name, make in SECTIONS.items()]
            if rights.by_name:
                gr.LoginButton(logout_value="Sign out {}", size="md", elem_id="admin-login")

    def _section(self, name: str, make: Callable[[Studio], Section], studio: Studio) -> tuple[gr.Tab, Section]:
        with gr.Tab(name, id=f"admin-{name.lower()}", elem_id=f"admin-tab-{name.lower()}") as tab:
            return tab, make(studio)

    def connect(self, demo: gr.Blocks) -> None:
        """Say what happens when."""
        first = self.sections[0][1]
        opened = [self.sign_in, self.panel, *first.shown]
        for press in (self.enter.click, self.rights.key.submit):
            self.rights.on(press, self.open, first.asked, opened, **EACH)
        if self.rights.by_name:
            demo.load(self.welcome, first.asked, [self.greeting, *opened], **HIDDEN)  # a person may be typing the key
        for tab, section in self.sections:
            self.rights.on(tab.select, section.show, section.asked, section.shown)
            section.connect(self.rights)

    async def open(self, *asked: Any) -> tuple[Any, ...]:
        """Show the first section instead of the way in."""
        return gr.Column(visible=False), gr.Column(visible=True), *await self.sections[0][1].show(*asked)

    async def welcome(self, request: gr.Request, profile: gr.OAuthProfile | None, *asked: Any) -> Any:
        """Open to whoever comes back signed in; tell others that they are no host here."""
        if self.rights.is_named(request, profile):
            return gr.skip(), *await self.open(*asked)
        if profile is None:
            return gr.skip()
        greeting = f"Hello {profile.username}. This tab is for the hosts of this app, whom `ADMIN_USERS` names."
        return {self.greeting: _greeting(greeting)}


def _greeting(text: str) -> str:
    return f"### Admin\n{text}"


def build(studio: Studio, demo: gr.Blocks) -> None:
    """Build the tab."""
    Admin(studio).connect(demo)
