"""Checks of pictures before they are paid for: what is their subject, and what will likely go wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from async_lru import alru_cache

from ..errors import ImageRefused
from ..generators import local
from ..images import NOTE_TEXTS, ImageChecker
from ..jobs.models import Batch, Job, SidePicture
from ..jobs.storage.folders import Folders, picture_filename
from ..process_pool import IDLE_SECONDS, Executor

log = logging.getLogger(__name__)

INSPECTION_SECONDS = 20.0
WARM_SECONDS = 0.75 * IDLE_SECONDS
"""Seconds for which workers that have loaded all are taken to be there."""
MAX_CACHED = 500
"""Inspections kept in memory, of about 10 kB each."""
NOT_INSPECTED = local.Inspection((), None)
"""Inspection of a picture that took too long, or that broke its inspection."""
NOTE_TEXTS = {**NOTE_TEXTS, **local.WARNINGS}


class PictureChecks:
    """Cut-outs and warnings of pictures, as `Services.picture_checks`."""

    def __init__(self, folders: Folders, workers: Executor, checker: ImageChecker) -> None:
        self._folders, self._workers, self._checker = folders, workers, checker
        self._warm_until = 0.0
        self._inspected = alru_cache(maxsize=MAX_CACHED)(self._inspect)  # who asks while another waits, waits with them

    async def warm_up(self) -> None:
        """Let the workers load what inspections need, because a picture will come soon. Never raises.

        Whatever many visitors do, it happens once in WARM_SECONDS.
        """
        if time.monotonic() < self._warm_until:
            return
        self._warm_until = time.monotonic() + WARM_SECONDS
        loading = (self._workers.run(local.warm_up) for _ in range(self._workers.processes or 0))
        await asyncio.gather(*loading, return_exceptions=True)

    async def inspect(self, path: Path) -> local.Inspection:
        """Judge a picture file; what is refused or takes too long has neither warnings nor cut-out. Never raises."""
        try:
            stat = await asyncio.to_thread(path.stat)
            return await self._inspected(path, stat.st_mtime_ns, stat.st_size)
        except Exception as error:  # a picture that could not be inspected is processed like any other
            log.warning("could not inspect a picture: %r", error, extra={"picture": path.name})
            return NOT_INSPECTED

    async def _inspect(self, path: Path, modified: int, size: int) -> local.Inspection:
        """Judge this version of a picture file."""
        image = await self._checker.check(path, path.name)
        if isinstance(image, ImageRefused):
            return local.Inspection((), None)
        inspection = await self._workers.run(local.inspect, image.data, seconds=INSPECTION_SECONDS)
        return replace(inspection, warnings=(*image.notes, *inspection.warnings))

    def warning_texts(self, inspection: local.Inspection) -> list[str]:
        """The warnings as sentences."""
        return [NOTE_TEXTS[code] for code in inspection.warnings]

    async def warnings(self, batch: Batch) -> list[dict[str, Any]]:
        """Warnings about a batch's pictures: name, code and message of each."""
        shown = _pictures(batch)
        paths = await asyncio.to_thread(self._bring_pictures, shown)
        seen = await asyncio.gather(*(self.inspect(path) for path in paths))
        noted = await asyncio.to_thread(self._stored_notes, shown)
        return [
            {"number": job.number, "name": one.name, "code": code, "message": NOTE_TEXTS[code]}
            for (job, one), notes, inspection in zip(shown, noted, seen, strict=True)
            for code in (*notes, *inspection.warnings)
        ]

    async def notes(self, batch: Batch) -> list[str]:
        """Notes that were stored when a batch's pictures were accepted, as sentences with their names."""
        shown = _pictures(batch)
        noted = await asyncio.to_thread(self._stored_notes, shown)
        return [
            f"{one.name}: {NOTE_TEXTS[code]}" for (_, one), notes in zip(shown, noted, strict=True) for code in notes
        ]

    def _bring_pictures(self, shown: Sequence[tuple[Job, SidePicture]]) -> list[Path]:
        """The paths of pictures, which are on this machine when this returns."""
        paths = [self._folders.picture(self._folders.job(job), one.side) for job, one in shown]
        for path in paths:
            self._folders.bring(path)
        return paths

    def _stored_notes(self, shown: Sequence[tuple[Job, SidePicture]]) -> list[list[str]]:
        """The codes that were stored with each of the pictures."""
        paths = [self._folders.job(job) / picture_filename(one.side, "notes", "json") for job, one in shown]
        return [json.loads(path.read_text()) if self._folders.bring(path) else [] for path in paths]


def _pictures(batch: Batch) -> list[tuple[Job, SidePicture]]:
    """Every picture of a batch with its job, the fronts among them."""
    return [(job, one) for job in batch.jobs for one in (SidePicture("front", job.name), *job.sides)]
