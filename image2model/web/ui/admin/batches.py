"""The host's batches: found by name, id, state or generator, looked into, cancelled, kept and deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from ....errors import NotFound
from ....services import Studio
from .. import templating
from .access import Rights
from .actions import action_html

PAGE = 50
"""Batches that are listed at once."""
STATES: Mapping[str, str] = {
    "": "All states", "working": "Being worked", "done": "Done", "partly": "Partly done", "failed": "Failed",
    "cancelled": "Cancelled",
}  # fmt: skip
ORDERS = ["Newest first", "Oldest first"]
ACTS: Mapping[str, Callable[[Studio, str], Awaitable[object]]] = {
    "cancel": lambda studio, batch_id: studio.cancel(batch_id),
    "keep": lambda studio, batch_id: studio.admin.pin(batch_id),
    "release": lambda studio, batch_id: studio.admin.pin(batch_id, pinned=False),
    "delete": lambda studio, batch_id: studio.delete(batch_id),
}
"""What the buttons of a batch do, by their `data-do`; any other one only shows."""


class Batches:
    """The section: one page of the list, with one batch unfolded."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        generators = [("All generators", ""), *((one.spec.name, name) for name, one in studio.generators.items())]
        bare: dict[str, Any] = {"show_label": False, "container": False, "min_width": 150}
        with gr.Row(elem_id="admin-batches-head"):
            self.text = gr.Textbox(
                label="Search", placeholder="A picture's name, or an id's beginning", scale=2, max_lines=1,
                elem_id="admin-search", **bare,
            )  # fmt: skip
            self.state = gr.Dropdown(
                [(name, state) for state, name in STATES.items()], value="", label="State", elem_id="admin-state",
                **bare,
            )  # fmt: skip
            self.generator = gr.Dropdown(
                generators, value="", label="Generator", elem_id="admin-generator", **bare,
            )  # fmt: skip
            self.order = gr.Dropdown(ORDERS, value=ORDERS[0], label="Order", elem_id="admin-order", **bare)
        self.rows = action_html("admin-batches")
        self.asked: list[Any] = [self.text, self.state, self.generator, self.order]
        self.shown = [self.rows]

    def connect(self, rights: Rights) -> None:
        """Say what the filters and the buttons do."""
        for one in self.asked:
            rights.on(one.change, self.show, self.asked, self.shown, trigger_mode="always_last")
        for trigger, mode in ((self.rows.select, "multiple"), (self.rows.tick, "once")):
            rights.on(trigger, self.act, self.asked, self.shown, event="wanted", trigger_mode=mode)

    async def show(self, *asked: str) -> list[str]:
        """The first page of what is asked for."""
        return [await self._draw(0, "", *asked)]

    async def act(self, wanted: Any, *asked: str) -> list[str]:
        """Do what a button says, then show its `page` with its `batch` unfolded."""
        batch_id = str(wanted.get("batch", ""))
        if act := ACTS.get(wanted.get("do")):
            await act(self.studio, batch_id)
        return [await self._draw(int(wanted.get("page", 0)), batch_id, *asked)]

    async def _draw(self, page: int, opened: str, text: str, state: Any, generator: str, order: str) -> str:
        host = self.studio.admin
        results = await host.search(
            state=state or None, generator=generator, text=text, oldest_first=order == ORDERS[1],
            limit=PAGE, offset=PAGE * page,
        )  # fmt: skip
        if page and not results.batches:  # the last one of the last page was deleted
            return await self._draw(page - 1, opened, text, state, generator, order)
        try:
            inside = await host.batch_details(opened) if opened else None
        except NotFound:  # deleted
            inside = None
        return templating.admin(
            "batches", batches=results.batches, total=results.total, page=page, first=PAGE * page + 1,
            pages=-(-results.total // PAGE), inside=inside, states=STATES, filtered=bool(text or state or generator),
        )  # fmt: skip
