"""What lies on the host's disk, and clearing it up: first what would go, then, on a second press, that it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ....errors import ErrorCode, OptionRefused
from ....services import Studio
from .. import templating
from ..theme import html
from .access import Rights
from .actions import action_html

HOURS = 24
"""Batches that ended longer ago are offered for deletion at first."""
KINDS: Mapping[str, str] = {
    "uploads": "Pictures", "results": "Meshes", "exports": "Other formats, made again when asked for",
    "logs": "Logs", "database": "Database", "other": "Other files", "cache": "Gradio's cache, mostly links to meshes",
}  # fmt: skip
"""What lies in the data folder, in words."""
REASONS: Mapping[str, str] = {
    "age": "old", "no files": "a row without files", "orphan": "Files that belong to no batch",
    "export": "Other formats, made again when asked for", "cache": "Gradio's cache, unused",
}  # fmt: skip
"""Why a batch goes, and what else does."""


class Disk:
    """The section."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.use = html(elem_id="admin-use")
        with gr.Row(elem_id="admin-clean-head"):
            self.hours = gr.Number(
                HOURS, label="Batches that ended more than so many hours ago", minimum=0, elem_id="admin-hours"
            )
            self.look = gr.Button("See what would go", elem_id="admin-look")
        self.plan = action_html("admin-plan")
        self.asked: list[Any] = []
        self.shown = [self.use, self.plan]

    def connect(self, rights: Rights) -> None:
        """Say that a look tells, and that the button of what it told deletes."""
        for trigger in (self.look.click, self.hours.submit):
            rights.on(trigger, self.dry_run, [self.hours], [self.plan])
        rights.on(self.plan.select, self.clean, [], self.shown, event="wanted")

    async def show(self) -> tuple[str, str]:
        """What lies there, and no plan."""
        usage = await self.studio.admin.disk_usage()
        settings = self.studio.settings
        kept = {"hours": settings.retention_hours, "most": settings.max_data_gb, "free": settings.keep_free_gb}
        return templating.admin(
            "disk", usage=usage, kinds=KINDS, rules={k: v for k, v in kept.items() if v is not None}
        ), ""

    async def dry_run(self, hours: float | None) -> list[str]:
        """What would go, and the button that lets it go."""
        if hours is None or hours < 0:
            raise OptionRefused(ErrorCode.BAD_HOURS, "That is no number of hours.", "Enter 0 or more.")
        return [
            templating.admin("plan", found=await self.studio.retention.cleanup(hours), hours=hours, reasons=REASONS)
        ]

    async def clean(self, wanted: Any) -> tuple[str, str]:
        """Delete what a look has told of; a batch that came to be worked on or downloaded since then stays."""
        hours = float(wanted["hours"])
        done = await self.studio.retention.cleanup(hours, dry_run=False)
        use, _ = await self.show()
        return use, templating.admin("plan", found=done, hours=hours, reasons=REASONS)
