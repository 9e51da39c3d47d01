"""The Library tab: this browser's earlier batches."""

from __future__ import annotations

import gradio as gr

from ...errors import NotFound
from ...services import Studio
from . import templating
from .event_options import HIDDEN
from .theme import html

SHELF_JS = """
setInterval(() => {  // as it stands, while it is looked at; nobody's focus is taken away by it
  if (element.checkVisibility() && !document.hidden && !element.contains(document.activeElement)) trigger("tick");
}, 15000);
element.addEventListener("click", event => {
  const button = event.target.closest(".shelf-delete");
  if (button && confirm("Delete this batch and its files? This cannot be undone."))
    trigger("select", {batch: element.deleted = button.closest("[data-batch]").dataset.batch});
});
watch("value", () => {  // the batch that is open on the page is gone: so is its board
  if (element.deleted && new URLSearchParams(location.search).get("batch") === element.deleted)
    document.getElementById("anew")?.click();
  element.deleted = null;
});
"""


def build(studio: Studio, tab: gr.Tab, visitor: gr.BrowserState) -> None:
    """Build the tab; it is read anew when it is opened, and while it is looked at."""
    shelf = html(templating.library([]), elem_id="library", js_on_load=SHELF_JS)

    async def show(visitor: str) -> str:
        """The shelf of this browser."""
        return templating.library(await studio.library(visitor) if visitor else [])

    async def remove(visitor: str, event: gr.EventData) -> str:
        """Delete one of this browser's own batches."""
        batch_id = str(getattr(event, "batch", ""))
        try:
            if visitor and (await studio.batch(batch_id)).visitor == visitor:
                await studio.delete(batch_id)
        except NotFound:
            pass  # gone already, which is what was wanted
        return await show(visitor)

    for read in (tab.select, shelf.tick):
        read(show, visitor, shelf, **HIDDEN)
    shelf.select(remove, visitor, shelf, **HIDDEN)
