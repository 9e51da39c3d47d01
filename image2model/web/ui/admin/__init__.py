"""The Admin tab: closed without its key, which every function checks (`HostRights`).

Its sections are classes of one shape (`Section`), each in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gradio as gr
from markupsafe import Markup

from ....services import Services
from ..event_options import EVERY_EVENT, HIDDEN
from ..theme import html
from .access import HostRights
from .batches import Batches
from .disk import Disk
from .logs import Logs
from .overview import Overview


class Section(Protocol):
    """A part of the tab: its constructor builds the components, `connect` adds their listeners.

    Ids of components begin with `admin-`.
    """

    inputs: list[Any]
    """Components whose values `show` takes."""
    outputs: list[Any]
    """Components that `show` gives values for."""

    async def show(self, *values: Any) -> Any:
        """Fresh values for `outputs`."""

    def connect(self, rights: HostRights) -> None:
        """Add the listeners, all of them through `rights.connect`."""


SECTIONS: Mapping[str, Callable[[Services], Section]] = {
    "Overview": Overview,
    "Batches": Batches,
    "Disk": Disk,
    "Logs": Logs,
}


CLOSED = "Admin is closed here. The host opens it by setting <code>ADMIN_PASSWORD</code> and starting the app again."
KEY_GREETING = "For the host: enter the admin key"
NAME_GREETING = "sign in with Hugging Face as one of this app's hosts"
GREETINGS: Mapping[tuple[bool, bool], str] = {
    (False, False): CLOSED,
    (True, False): f"{KEY_GREETING}.",
    (False, True): f"For the host: {NAME_GREETING}.",
    (True, True): f"{KEY_GREETING}, or {NAME_GREETING}.",
}
"""Greetings by whether a key opens the tab, and whether a name does."""
NOT_A_HOST = Markup("Hello {}. This tab is for the hosts of this app, whom <code>ADMIN_USERS</code> names.")


class Admin:
    """The tab: a sign-in, and behind it the sections, each refreshed when it is opened."""

    def __init__(self, services: Services) -> None:
        rights = self.rights = HostRights(services.settings, services.key_attempts)
        with gr.Column(elem_id="admin"):
            with gr.Column(elem_id="admin-sign-in") as self.sign_in:
                self.greeting = html(_greeting(GREETINGS[rights.by_key, rights.by_name]), elem_id="admin-greeting")
                rights.key = gr.Textbox(type="password", label="Admin key", visible=rights.by_key, elem_id="admin-key")
                self.enter = gr.Button("Sign in", variant="primary", visible=rights.by_key, elem_id="admin-enter")
            with gr.Column(visible=False, elem_id="admin-board") as self.panel, gr.Tabs(elem_id="admin-tabs"):
                self.sections = [self._section(name, make, services) for name, make in SECTIONS.items()]
            if rights.by_name:
                gr.LoginButton(logout_value="Sign out {}", size="md", elem_id="admin-login")

    def _section(self, name: str, make: Callable[[Services], Section], services: Services) -> tuple[gr.Tab, Section]:
        with gr.Tab(name, id=f"admin-{name.lower()}", elem_id=f"admin-tab-{name.lower()}") as tab:
            return tab, make(services)

    def connect(self, demo: gr.Blocks) -> None:
        """Add the listeners."""
        first = self.sections[0][1]
        opened = [self.sign_in, self.panel, *first.outputs]
        for trigger in (self.enter.click, self.rights.key.submit):
            self.rights.connect(trigger, self.open, first.inputs, opened, **EVERY_EVENT)
        if self.rights.by_name:
            # hidden, for a person may be typing the key
            demo.load(self.open_if_signed_in, first.inputs, [self.greeting, *opened], **HIDDEN)
        for tab, section in self.sections:
            self.rights.connect(tab.select, section.show, section.inputs, section.outputs)
            section.connect(self.rights)

    async def open(self, *values: Any) -> tuple[Any, ...]:
        """Show the first section in place of the sign-in."""
        return gr.Column(visible=False), gr.Column(visible=True), *await self.sections[0][1].show(*values)

    async def open_if_signed_in(self, request: gr.Request, profile: gr.OAuthProfile | None, *values: Any) -> Any:
        """Open to a host who comes back signed in; greet other users without opening."""
        if self.rights.is_named(request, profile):
            return gr.skip(), *await self.open(*values)
        if profile is None:
            return gr.skip()
        return {self.greeting: _greeting(NOT_A_HOST.format(profile.username))}


def _greeting(text: str) -> str:
    return f"<h1>Admin</h1><p>{text}</p>"


def build(services: Services, demo: gr.Blocks) -> None:
    """Build the tab."""
    Admin(services).connect(demo)
