"""All batches: search by name, id, state or generator; details; cancel, pin and delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from ....errors import NotFound
from ....services import Services
from .. import templating
from .access import HostRights
from .actions import action_html

PAGE_SIZE = 50
"""Batches on a page of the list."""
STATES: Mapping[str, str] = {
    "": "All states", "working": "In progress", "done": "Done", "partly": "Partly done", "failed": "Failed",
    "cancelled": "Cancelled",
}  # fmt: skip
ORDERS = ["Newest first", "Oldest first"]
ACTIONS: Mapping[str, Callable[[Services, str], Awaitable[object]]] = {
    "cancel": lambda services, batch_id: services.cancel(batch_id),
    "keep": lambda services, batch_id: services.admin.pin(batch_id),
    "release": lambda services, batch_id: services.admin.pin(batch_id, pinned=False),
    "delete": lambda services, batch_id: services.delete(batch_id),
}
"""Actions of a batch's buttons, by their `data-action`; any other value only opens the batch."""


class Batches:
    """The section: one page of the list, with one batch unfolded."""

    def __init__(self, services: Services) -> None:
        self.services = services
        generators = [
            ("All generators", ""),
            *((generator.spec.name, name) for name, generator in services.generators.items()),
        ]
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
        self.inputs: list[Any] = [self.text, self.state, self.generator, self.order]
        self.outputs = [self.rows]

    def connect(self, rights: HostRights) -> None:
        """Add the listeners of the filters and the buttons."""
        for control in self.inputs:
            rights.connect(control.change, self.show, self.inputs, self.outputs, trigger_mode="always_last")
        for trigger, mode in ((self.rows.select, "multiple"), (self.rows.tick, "once")):
            rights.connect(trigger, self.run_action, self.inputs, self.outputs, event="dataset", trigger_mode=mode)

    async def show(self, *filters: str) -> list[str]:
        """The first page of the matching batches."""
        return [await self._draw(0, "", *filters)]

    async def run_action(self, dataset: Any, *filters: str) -> list[str]:
        """Run a button's action, then show its `page` with its `batch` unfolded."""
        batch_id = str(dataset.get("batch", ""))
        if action := ACTIONS.get(dataset.get("action")):
            await action(self.services, batch_id)
        return [await self._draw(int(dataset.get("page", 0)), batch_id, *filters)]

    async def _draw(self, page: int, opened: str, text: str, state: Any, generator: str, order: str) -> str:
        host = self.services.admin
        results = await host.search(
            state=state or None, generator=generator, text=text, oldest_first=order == ORDERS[1],
            limit=PAGE_SIZE, offset=PAGE_SIZE * page,
        )  # fmt: skip
        if page and not results.batches:  # the last one of the last page was deleted
            return await self._draw(page - 1, opened, text, state, generator, order)
        try:
            details = await host.batch_details(opened) if opened else None
        except NotFound:  # deleted
            details = None
        return templating.admin(
            "batches", batches=results.batches, total=results.total, page=page, first=PAGE_SIZE * page + 1,
            pages=-(-results.total // PAGE_SIZE), details=details, states=STATES,
            filtered=bool(text or state or generator),
        )  # fmt: skip
