"""The log lines, newest first: by level, by text, and to take away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from ....ops import log_config, log_files
from ....ops.log_export import export
from ....ops.log_search import LogFilter, newest_lines, search
from ....services import Studio
from .. import templating
from .access import Rights
from .actions import action_html

PAGE = 100
"""Lines that are shown at once."""
MOST = 20_000
"""Lines that the page hands over as a file; all of them come over REST."""
LEVELS = [("All levels", ""), ("Warnings and errors", "warning"), ("Errors", "error")]
KINDS: Mapping[str, tuple[str, ...]] = {"What goes on": ("app",), "Requests": ("access",), "Both": log_config.LOG_KINDS}
HEAD = frozenset({"timestamp", "level", "logger", "event"})
"""What stands in a line's first row."""
SAVE = """text => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/plain"}));
  link.download = "image2model-logs.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return "";
}"""
"""Makes a file in the browser: on the server's side it would lie where whoever knows its address can read it."""


class Logs:
    """The section."""

    def __init__(self, studio: Studio) -> None:
        self.folder = log_config.log_folder(studio.settings)
        bare: dict[str, Any] = {"show_label": False, "container": False, "min_width": 150}
        with gr.Row(elem_id="admin-logs-head"):
            self.text = gr.Textbox(
                label="Search", placeholder="Part of a line: a word, a batch, a correlation id", scale=2, max_lines=1,
                elem_id="admin-log-text", **bare,
            )  # fmt: skip
            self.level = gr.Dropdown(LEVELS, value="", label="Level", elem_id="admin-log-level", **bare)
            self.kind = gr.Dropdown(list(KINDS), value="What goes on", label="Log", elem_id="admin-log-kind", **bare)
            self.refresh = gr.Button("Refresh", size="md", min_width=90, elem_id="admin-log-refresh")
            self.save = gr.Button("Download", size="md", min_width=90, elem_id="admin-log-save")
        self.saved = gr.Textbox(visible="hidden", elem_id="admin-log-file")
        self.lines = action_html("admin-logs")
        self.asked: list[Any] = [self.text, self.level, self.kind]
        self.shown = [self.lines]

    def connect(self, rights: Rights) -> None:
        """Say what the filters and the buttons do."""
        for one in self.asked:
            rights.on(one.change, self.show, self.asked, self.shown, trigger_mode="always_last")
        rights.on(self.refresh.click, self.show, self.asked, self.shown)
        rights.on(self.lines.select, self.turn, self.asked, self.shown, event="wanted")
        handed = rights.on(self.save.click, self.hand_over, self.asked, [self.saved])
        handed.success(None, self.saved, self.saved, js=SAVE)

    async def show(self, *asked: str) -> list[str]:
        """The newest lines of what is asked for."""
        return [await self._draw(0, datetime.now(UTC), *asked)]

    async def turn(self, wanted: Any, *asked: str) -> list[str]:
        """Another page of the lines that there were when the first one was shown."""
        return [await self._draw(int(wanted["offset"]), datetime.fromisoformat(wanted["until"]), *asked)]

    async def hand_over(self, *asked: str) -> list[str]:
        """The newest lines of what is asked for as plain text, the oldest of them first."""
        lines = await asyncio.to_thread(newest_lines, self.folder, _wanted(datetime.now(UTC), *asked), MOST)
        return [b"".join(export(reversed(lines), "txt")).decode()]

    async def _draw(self, offset: int, until: datetime, *asked: str) -> str:
        page = await asyncio.to_thread(search, self.folder, _wanted(until, *asked), PAGE, offset)
        files = await asyncio.to_thread(log_files.statistics, self.folder)
        return templating.admin(
            "logs", entries=page.entries, more=page.more, offset=offset, page=PAGE, most=MOST, head=HEAD, files=files,
            until=until.isoformat(), filtered=any(asked[:2]),
        )  # fmt: skip


def _wanted(until: datetime, text: str, level: str, kind: str) -> LogFilter:
    return LogFilter(KINDS.get(kind, log_config.LOG_KINDS), level, text.strip(), until=until)
