"""The log lines, newest first, by level and text, and their download."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from ....ops import log_config, log_files
from ....ops.log_export import export
from ....ops.log_search import LogFilter, newest_lines, search
from ....services import Services
from .. import templating
from .access import HostRights
from .actions import action_html

PAGE_SIZE = 100
"""Lines on a page."""
MAX_DOWNLOAD_LINES = 20_000
"""Lines of the downloaded file; REST exports all of them."""
LEVELS = [("All levels", ""), ("Warnings and errors", "warning"), ("Errors", "error")]
KINDS_BY_LABEL: Mapping[str, tuple[str, ...]] = {
    "What goes on": ("app",),
    "Requests": ("access",),
    "Both": log_config.LOG_KINDS,
}
HEAD = frozenset({"timestamp", "level", "logger", "event"})
"""Fields in the first row of an entry."""
SAVE_SCRIPT = """text => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/plain"}));
  link.download = "image2model-logs.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return "";
}"""
"""Makes the file in the browser: on the server, anybody who knows its address could read it."""


class Logs:
    """The section."""

    def __init__(self, services: Services) -> None:
        self.folder = log_config.log_folder(services.settings)
        bare: dict[str, Any] = {"show_label": False, "container": False, "min_width": 150}
        with gr.Row(elem_id="admin-logs-head"):
            self.text = gr.Textbox(
                label="Search", placeholder="Part of a line: a word, a batch, a correlation id", scale=2, max_lines=1,
                elem_id="admin-log-text", **bare,
            )  # fmt: skip
            self.level = gr.Dropdown(LEVELS, value="", label="Level", elem_id="admin-log-level", **bare)
            self.kind = gr.Dropdown(
                list(KINDS_BY_LABEL), value="What goes on", label="Log", elem_id="admin-log-kind", **bare
            )
            self.refresh = gr.Button("Refresh", size="md", min_width=90, elem_id="admin-log-refresh")
            self.save = gr.Button("Download", size="md", min_width=90, elem_id="admin-log-save")
        self.saved = gr.Textbox(visible="hidden", elem_id="admin-log-file")
        self.lines = action_html("admin-logs")
        self.inputs: list[Any] = [self.text, self.level, self.kind]
        self.outputs = [self.lines]

    def connect(self, rights: HostRights) -> None:
        """Add the listeners of the filters and the buttons."""
        for control in self.inputs:
            rights.connect(control.change, self.show, self.inputs, self.outputs, trigger_mode="always_last")
        rights.connect(self.refresh.click, self.show, self.inputs, self.outputs)
        rights.connect(self.lines.select, self.show_page, self.inputs, self.outputs, event="dataset")
        handed = rights.connect(self.save.click, self.download_lines, self.inputs, [self.saved])
        handed.success(None, self.saved, self.saved, js=SAVE_SCRIPT)

    async def show(self, *filters: str) -> list[str]:
        """The newest matching lines."""
        return [await self._draw(0, datetime.now(UTC), *filters)]

    async def show_page(self, dataset: Any, *filters: str) -> list[str]:
        """Another page of the lines that existed when the first page was shown."""
        return [await self._draw(int(dataset["offset"]), datetime.fromisoformat(dataset["until"]), *filters)]

    async def download_lines(self, *filters: str) -> list[str]:
        """The newest matching lines as plain text, oldest first."""
        lines = await asyncio.to_thread(
            newest_lines, self.folder, _log_filter(datetime.now(UTC), *filters), MAX_DOWNLOAD_LINES
        )
        return [b"".join(export(reversed(lines), "txt")).decode()]

    async def _draw(self, offset: int, until: datetime, *filters: str) -> str:
        page = await asyncio.to_thread(search, self.folder, _log_filter(until, *filters), PAGE_SIZE, offset)
        files = await asyncio.to_thread(log_files.statistics, self.folder)
        return templating.admin(
            "logs", entries=page.entries, more=page.more, offset=offset, page=PAGE_SIZE, most=MAX_DOWNLOAD_LINES,
            head=HEAD, files=files, until=until.isoformat(), filtered=any(filters[:2]),
        )  # fmt: skip


def _log_filter(until: datetime, text: str, level: str, kind: str) -> LogFilter:
    return LogFilter(KINDS_BY_LABEL.get(kind, log_config.LOG_KINDS), level, text.strip(), until=until)
