"""Disk usage of the data folder, and its clean-up: a first click lists what would be deleted, a second deletes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ....errors import ErrorCode, OptionRefused
from ....services import Services
from .. import templating
from ..theme import html
from .access import HostRights
from .actions import action_html

DEFAULT_HOURS = 24
"""Age, since its end, from which a batch is offered for deletion by default."""
KIND_LABELS: Mapping[str, str] = {
    "uploads": "Pictures", "results": "Meshes", "exports": "Other formats, made again when asked for",
    "logs": "Logs", "database": "Database", "other": "Other files",
    "cache": "Gradio's cache, mostly links to meshes; not in the sum",
}  # fmt: skip
"""Names of the kinds of files in the data folder."""
REASON_LABELS: Mapping[str, str] = {
    "age": "old", "no files": "a row without files", "orphan": "Files that belong to no batch",
    "export": "Other formats, made again when asked for", "cache": "Gradio's cache, unused",
}  # fmt: skip
"""Names of the reasons for deletion."""


class Disk:
    """The section."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.use = html(elem_id="admin-use")
        with gr.Row(elem_id="admin-clean-head"):
            self.hours = gr.Number(
                DEFAULT_HOURS, label="Batches that ended more than so many hours ago", minimum=0, elem_id="admin-hours"
            )
            self.look = gr.Button("See what would go", elem_id="admin-look")
        self.plan = action_html("admin-plan")
        self.inputs: list[Any] = []
        self.outputs = [self.use, self.plan]

    def connect(self, rights: HostRights) -> None:
        """Add the listeners: of the dry run, and of the button that deletes."""
        for trigger in (self.look.click, self.hours.submit):
            rights.connect(trigger, self.dry_run, [self.hours], [self.plan])
        rights.connect(self.plan.select, self.clean, [], self.outputs, event="dataset")

    async def show(self) -> tuple[str, str]:
        """The usage, without a plan."""
        usage = await self.services.admin.disk_usage()
        settings = self.services.settings
        kept = {"hours": settings.retention_hours, "most": settings.max_data_gb, "free": settings.keep_free_gb}
        return templating.admin(
            "disk", usage=usage, kinds=KIND_LABELS, rules={k: v for k, v in kept.items() if v is not None}
        ), ""

    async def dry_run(self, hours: float | None) -> list[str]:
        """Plan of a deletion as HTML, and the button that carries it out."""
        if hours is None or hours < 0:
            raise OptionRefused(ErrorCode.BAD_HOURS, "That is no number of hours.", "Enter 0 or more.")
        return [
            templating.admin(
                "plan", found=await self.services.retention.cleanup(hours), hours=hours, reasons=REASON_LABELS
            )
        ]

    async def clean(self, dataset: Any) -> tuple[str, str]:
        """Delete what the dry run listed, except batches that have been retried or downloaded since."""
        hours = float(dataset["hours"])
        done = await self.services.retention.cleanup(hours, dry_run=False)
        use, _ = await self.show()
        return use, templating.admin("plan", found=done, hours=hours, reasons=REASON_LABELS)
