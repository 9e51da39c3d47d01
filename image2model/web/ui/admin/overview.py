"""The overview: alerts first, then numbers, causes of failures, parts and charts."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from ....ops.health import CachedProbe, health_of
from ....services import Services
from .. import templating
from ..theme import html
from . import plots, wording
from .access import HostRights
from .actions import action_html

MAX_RUNNING_SHOWN = 5
"""Running batches that are listed."""


class Overview:
    """The section."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.health = health_of(services)
        self.disk = CachedProbe(self._disk, max_age=60.0)
        self.numbers = action_html("admin-numbers")
        with gr.Row(elem_id="admin-plots-head"):
            self.span = gr.Radio(
                list(plots.SPANS), value=next(iter(plots.SPANS)), show_label=False, label="Time shown",
                container=False, elem_id="admin-span",
            )  # fmt: skip
            self.refresh = gr.Button("Refresh", size="md", elem_id="admin-refresh")
        self.plots = html(elem_id="admin-plots")
        self.inputs: list[Any] = [self.span]
        self.outputs = [self.numbers, self.plots]

    def connect(self, rights: HostRights) -> None:
        """Add the listeners of the buttons, and of the refresh while the page is visible."""
        for trigger in (self.refresh.click, self.span.input, self.numbers.tick):
            rights.connect(trigger, self.show, self.inputs, self.outputs)
        rights.connect(self.numbers.select, self.reset, self.inputs, self.outputs, event="dataset")

    async def reset(self, dataset: Any, span: str) -> tuple[str, str]:
        """Close the circuit breaker of a generator."""
        name = dataset["reset"]
        await self.services.admin.reset_breaker(
            name.removesuffix(wording.OWN_KEY), own_key=name.endswith(wording.OWN_KEY)
        )
        return await self.show(span)

    async def show(self, span: str) -> tuple[str, str]:
        """The numbers, and the charts of a span; without disk usage while that is still being measured."""
        usage = await self.disk()
        disk = usage[0] if usage else None
        series = await self.services.admin.time_series(*plots.span_and_step(span))
        return await self._numbers(disk), plots.draw(span, series, disk.written if disk else None)

    async def _disk(self) -> wording.Disk:
        """Reads every file's size, so it is not done each time."""
        host = self.services.admin
        return wording.Disk(await host.disk_usage(), await host.bytes_written_by_day())

    async def _numbers(self, disk: wording.Disk | None) -> str:
        host = self.services.admin
        overview, parts = await host.overview(), await self.health.components()
        working = await host.search(state="working", limit=MAX_RUNNING_SHOWN)
        return templating.admin(
            "overview",
            alerts=wording.alerts(overview, parts, self._name),
            tiles=wording.tiles(overview, working.total, disk),
            reasons=[{**reason, "name": self._name(reason["generator"])} for reason in await host.failure_reasons()],
            running=working.batches,
            more=working.total - len(working.batches),
            parts=[
                (wording.COMPONENT_TEXTS[part.name][0], part.status, wording.status_text(part))
                for part in parts
                if wording.is_used(part)
            ],
            now=time.time(),
        )

    def _name(self, generator: str) -> str:
        known = self.services.generators.get(generator)
        return known.spec.name if known else generator
