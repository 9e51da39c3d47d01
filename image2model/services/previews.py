"""Use cases of viewing: turntable, plain and wireframe mesh, contact sheet; each made on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ErrorCode, GenerationFailed, Image2ModelError, Unavailable
from ..jobs.models import Batch, Job
from ..jobs.single_flight import SingleFlight
from ..jobs.storage.folders import THUMBNAIL_FILE, TURNTABLE_FILE, Folders, picture_filename
from ..mesh.render.contact_sheet import Cell, write_contact_sheet
from ..mesh.render.render_modes import write_render_mode
from ..mesh.render.turntable import write_turntable
from ..process_pool import Executor, with_memory_limit

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 180.0
"""A turntable of a million faces takes half a minute."""
CONTACT_SHEET_FILE = "contact-sheet.webp"
RENDER_MODES = ("textured", "plain", "wireframe")


class PreviewService:
    """Previews of meshes, as `Services.previews`, kept beside their mesh."""

    def __init__(self, folders: Folders, workers: Executor) -> None:
        self._folders, self._workers = folders, workers
        self._single_flight = SingleFlight[None]()

    async def turntable(self, job: Job) -> Path:
        """Animated WebP of the finished job's mesh.

        Raises GenerationFailed for a mesh that cannot be drawn, Unavailable where it takes too long or too much memory.
        """
        return await self._cached(job, TURNTABLE_FILE, write_turntable)

    async def mesh_in_render_mode(self, job: Job, mode: str) -> Path:
        """The finished job's mesh in one of RENDER_MODES; raises as `turntable`."""
        if mode not in RENDER_MODES[1:]:
            return self._folders.mesh(job)
        return await self._cached(job, f"{mode}.glb", write_render_mode, mode)

    async def contact_sheet(self, batch: Batch) -> Path | None:
        """Contact sheet of the finished meshes of a batch; None where there is none yet.

        Made again whenever the batch has changed. Never raises: a zip without a sheet is better than no zip.
        """
        cells = await asyncio.to_thread(lambda: [self._cell(job) for job in batch.jobs if job.state == "done"])
        folder = self._folders.batch(batch.id)
        path = folder / f"contact-sheet-{batch.sequence}.webp"
        if not cells:
            return None
        try:
            if not await asyncio.to_thread(path.is_file):
                await self._render_once(path, write_contact_sheet, cells, path)
                await asyncio.to_thread(_delete_stale_sheets, folder, path)
        except (Image2ModelError, OSError) as error:
            log.warning("no contact sheet: %r", error, extra={"batch": batch.id[:8]})
            return None
        return path

    def _cell(self, job: Job) -> Cell:
        folder = self._folders.job(job)
        pictures = folder / picture_filename(ending="webp"), folder / THUMBNAIL_FILE
        for picture in pictures:
            self._folders.bring(picture)
        return Cell(*pictures, f"{job.stem}.glb", _facts_line(job))

    async def _cached(self, job: Job, name: str, render: Callable[..., None], *args: Any) -> Path:
        path, mesh = self._folders.job(job) / name, self._folders.mesh(job)
        if not await asyncio.to_thread(self._folders.is_servable_file, path):
            await asyncio.to_thread(self._folders.bring, mesh)
            await self._render_once(path, render, mesh, path, *args)
        return path

    async def _render_once(self, path: Path, render: Callable[..., None], *args: Any) -> None:
        """Render in a worker; simultaneous requests share the work."""
        with self._folders.lease(path.parent):
            await self._single_flight(path, lambda: self._render(path, render, *args))

    async def _render(self, path: Path, render: Callable[..., None], *args: Any) -> None:
        try:
            await self._workers.run(with_memory_limit, render, *args, seconds=TIMEOUT_SECONDS)
        except GenerationFailed:
            raise
        except Exception as error:
            log.warning("could not make %s: %r", path.name, error)
            raise Unavailable(
                ErrorCode.CANNOT_DRAW, "This mesh is too much to draw here.", "Download it instead."
            ) from error


def _facts_line(job: Job) -> str:
    facts = job.facts or {}
    facts_text = []
    if "faces" in facts:
        facts_text.append(f"{facts['faces']:,} faces")
    if facts.get("watertight") is not None:
        facts_text.append("closed" if facts["watertight"] else "open")
    if "size_bytes" in facts:
        facts_text.append(f"{facts['size_bytes'] / 1e6:.1f} MB")
    return ", ".join(facts_text)


def _delete_stale_sheets(folder: Path, current: Path) -> None:
    for path in folder.glob("contact-sheet-*.webp"):
        if path != current:
            path.unlink(missing_ok=True)
