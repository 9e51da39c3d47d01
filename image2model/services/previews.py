"""The use cases of looking: turntable, plain and wireframe look, a sheet of the batch; each made when asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ErrorCode, GenerationFailed, Image2ModelError, Unavailable
from ..jobs.records import Batch, Job
from ..jobs.single_flight import Once
from ..jobs.storage.folders import Folders
from ..mesh.render.contact_sheet import Cell, contact_sheet
from ..mesh.render.render_modes import write_look
from ..mesh.render.turntable import turntable
from ..process_pool import Workers, bounded

log = logging.getLogger(__name__)

SECONDS = 180.0
"""A million faces take half a minute to turn."""
TURNTABLE = "turntable.webp"
SHEET = "contact-sheet.webp"
LOOKS = ("textured", "plain", "wireframe")


class Seeing:
    """One studio's, as `Studio.seeing`. What was made is kept beside its mesh and served from there."""

    def __init__(self, folders: Folders, workers: Workers) -> None:
        self._folders, self._workers = folders, workers
        self._once = Once[None]()

    async def turntable(self, job: Job) -> Path:
        """The finished job's mesh turning once around, as an animated WebP.

        Raises GenerationFailed for a mesh that cannot be drawn, Unavailable where it takes too long or too much.
        """
        return await self._kept(job, TURNTABLE, turntable)

    async def look(self, job: Job, look: str) -> Path:
        """The finished job's mesh as it is (`textured`), `plain` or as `wireframe`; raises as `turntable`."""
        if look not in LOOKS[1:]:
            return self._folders.mesh(job)
        return await self._kept(job, f"{look}.glb", write_look, look)

    async def sheet(self, batch: Batch) -> Path | None:
        """A picture of all finished meshes of a batch beside their pictures; None where there is none yet.

        It is made anew whenever something has changed. A zip is better without one than not at all, so it never raises.
        """
        cells = [self._cell(job) for job in batch.jobs if job.state == "done"]
        folder = self._folders.batch(batch.id)
        path = folder / f"contact-sheet-{batch.sequence}.webp"
        if not cells:
            return None
        try:
            if not await asyncio.to_thread(path.is_file):
                await self._made(path, contact_sheet, cells, path)
                await asyncio.to_thread(_remove_others, folder, path)
        except (Image2ModelError, OSError) as error:
            log.warning("no contact sheet: %r", error, extra={"batch": batch.id[:8]})
            return None
        return path

    def _cell(self, job: Job) -> Cell:
        folder = self._folders.job(job)
        return Cell(folder / "input.webp", folder / "thumbnail.webp", f"{job.stem}.glb", _facts_line(job))

    async def _kept(self, job: Job, name: str, make: Callable[..., None], *args: Any) -> Path:
        path = self._folders.job(job) / name
        if not self._folders.holds(path):
            await self._made(path, make, self._folders.mesh(job), path, *args)
        return path

    async def _made(self, path: Path, make: Callable[..., None], *args: Any) -> None:
        """Have the file made in a worker."""
        with self._folders.reading(path.parent):
            await self._once(path, lambda: self._make(path, make, *args))

    async def _make(self, path: Path, make: Callable[..., None], *args: Any) -> None:
        try:
            await self._workers.run(bounded, make, *args, seconds=SECONDS)
        except GenerationFailed:
            raise
        except Exception as error:
            log.warning("could not make %s: %r", path.name, error)
            raise Unavailable(
                ErrorCode.CANNOT_DRAW, "This mesh is too much to draw here.", "Download it instead."
            ) from error


def _facts_line(job: Job) -> str:
    facts = job.facts or {}
    told = []
    if "faces" in facts:
        told.append(f"{facts['faces']:,} faces")
    if facts.get("watertight") is not None:
        told.append("closed" if facts["watertight"] else "open")
    if "size_bytes" in facts:
        told.append(f"{facts['size_bytes'] / 1e6:.1f} MB")
    return ", ".join(told)


def _remove_others(folder: Path, kept: Path) -> None:
    for path in folder.glob("contact-sheet-*.webp"):
        if path != kept:
            path.unlink(missing_ok=True)
