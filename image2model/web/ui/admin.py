"""The Admin tab: closed without its key, which every function checks for itself."""

from __future__ import annotations

import hmac
from typing import Any

import gradio as gr
from pydantic import SecretStr

from ...errors import Image2ModelError
from ...studio import Studio
from ..address import client_of
from ..security import Throttle
from . import render
from .theme import html

HEADERS = ["Batch", "Made", "Generator", "Images", "State", "Progress"]
CLOSED = "Admin is closed here. The host opens it by setting `ADMIN_PASSWORD` and starting the app again."


class Admin:
    """The tab's components and handlers."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.tries = Throttle()
        is_open = any(_keys(studio))
        with gr.Column(elem_id="admin"):
            with gr.Column(elem_id="admin-sign-in") as self.sign_in:
                gr.Markdown("### Admin\n" + ("For the host: enter the admin key." if is_open else CLOSED))
                self.key = gr.Textbox(type="password", label="Admin key", visible=is_open, elem_id="admin-key")
                self.enter = gr.Button("Sign in", variant="primary", visible=is_open, elem_id="admin-enter")
            with gr.Column(visible=False, elem_id="admin-board") as self.panel:
                self.numbers = html(elem_id="admin-numbers")
                self.table = gr.Dataframe(headers=HEADERS, interactive=False, label="Batches, newest first", wrap=True)
                with gr.Row():
                    self.chosen = gr.Textbox(label="Batch", placeholder="Click a row, or paste a batch's id", scale=3)
                    self.delete = gr.Button("Delete this batch", variant="stop", elem_id="admin-delete")
                    self.refresh = gr.Button("Refresh", elem_id="admin-refresh")

    def connect(self) -> None:
        """Say what happens when."""
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown = [self.sign_in, self.panel, self.numbers, self.table]
        for press in (self.enter.click, self.key.submit, self.refresh.click):
            press(self.show, self.key, shown, **hidden)
        self.table.select(self.choose, self.key, self.chosen, **hidden)
        self.delete.click(self.remove, [self.key, self.chosen], shown, **hidden)

    def check(self, key: str, request: gr.Request | None) -> None:
        """Raise gr.Error unless this is an admin key, compared in constant time, or after too many wrong ones."""
        client = client_of(request)
        if not self.tries.may_try(client):
            raise gr.Error("Too many tries. Wait a minute.", print_exception=False)
        keys = [known.get_secret_value().encode() for known in _keys(self.studio) if known]
        if not any(hmac.compare_digest(known, str(key).encode()) for known in keys):
            self.tries.tried(client)
            raise gr.Error("This is not the admin key.", print_exception=False)

    async def show(self, key: str, request: gr.Request) -> tuple[Any, ...]:
        """The host's numbers and batches."""
        self.check(key, request)
        overview = await self.studio.host.overview()
        rows = [_row(view) for view in await self.studio.library(None, limit=200)]
        return gr.Column(visible=False), gr.Column(visible=True), render.overview(overview), rows

    async def choose(self, key: str, event: gr.SelectData, request: gr.Request) -> str:
        """The id of the batch whose row was clicked."""
        self.check(key, request)
        return str(event.row_value[0])

    async def remove(self, key: str, batch_id: str, request: gr.Request) -> tuple[Any, ...]:
        """Delete a batch with its files."""
        self.check(key, request)
        try:
            await self.studio.delete(batch_id.strip())
        except Image2ModelError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return await self.show(key, request)


def _keys(studio: Studio) -> tuple[SecretStr | None, ...]:
    return studio.settings.admin_api_key, studio.settings.admin_password


def _row(view: dict[str, Any]) -> list[Any]:
    return [
        view["batch_id"], render.ago(view["created_at"]), view["generator_name"], view["counts"]["total"],
        view["state"], view["message"],
    ]  # fmt: skip


def build(studio: Studio) -> None:
    """Build the tab."""
    Admin(studio).connect()
