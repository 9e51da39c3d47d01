"""The Library: this browser's earlier models, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ...errors import NotFound
from ...plurals import pluralize
from ...services import BatchView, JobView, Services
from . import assets, templating
from .event_options import HIDDEN, LATEST_EVENT
from .theme import html

WAITING = templating.render("library.html", waiting=True, batches=[], count=0)


def build(services: Services, demo: gr.Blocks, tab: gr.Tab, visitor: gr.BrowserState) -> None:
    """Build the page; it is refreshed when it is opened, and while it is visible."""
    library = html(WAITING, elem_id="library", js_on_load=assets.script("library", "tick", "select"))

    async def show(visitor: str) -> str:
        """The models of this browser."""
        return _library(await services.library(visitor) if visitor else [])

    async def remove(visitor: str, event: gr.EventData) -> str:
        """Delete one of this browser's own batches."""
        batch_id = str(getattr(event, "batch", ""))
        try:
            if visitor and (await services.batch(batch_id)).visitor == visitor:
                await services.delete(batch_id)
        except NotFound:
            pass  # already deleted
        return await show(visitor)

    for read in (tab.select, library.tick, demo.load):
        read(show, visitor, library, **LATEST_EVENT)
    library.select(remove, visitor, library, **HIDDEN)


def _library(views: Sequence[BatchView]) -> str:
    jobs = [job for view in views for job in view.jobs]
    made = [job for job in jobs if job.succeeded]
    closed = sum(bool((job.facts or {}).get("watertight")) for job in made)
    bad = sum(job.finished and not job.succeeded for job in jobs)
    filters = [("", "All", len(jobs)), ("closed", "Closed surface", closed), ("bad", "Not made", bad)]
    return templating.render(
        "library.html", batches=[_batch_section(view) for view in views], count=len(made), filters=filters
    )


def _batch_section(view: BatchView) -> dict[str, Any]:
    cost = view.cost
    price = templating.dollars(cost.spent) if cost.spent or cost.estimate else "free"
    name = templating.short_name(view.generator_name)
    made_by = name if name == view.generator_name else name.lower()
    parts = [pluralize(view.counts.total, "model"), made_by, price, templating.kept(view)]
    if not view.finished:
        parts = [view.message, made_by]
    return {
        "view": view,
        "line": " · ".join(part for part in parts if part),
        "lines": [_line(job) for job in view.jobs],
    }


def _line(job: JobView) -> str:
    faces = (job.facts or {}).get("faces")
    if job.succeeded:
        return f"{faces:,} faces" if faces else "Done"
    if not job.finished:
        return "Being made"
    return "Cancelled" if job.state == "cancelled" else "Not made"
