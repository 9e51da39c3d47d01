"""Checks of pictures before they are paid for: detection of the subject, and warnings."""

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
"""Seconds for which workers are assumed to keep what they have loaded."""
MAX_CACHED = 500
"""Maximum number of cached inspections, of about 10 kB each."""
NOT_INSPECTED = local.Inspection((), None)
"""Result for a picture whose inspection took too long or failed."""
NOTE_TEXTS = {**NOTE_TEXTS, **local.WARNINGS}


class PictureChecks:
    """Cut-outs and warnings of pictures, as `Services.picture_checks`."""

    def __init__(self, folders: Folders, workers: Executor, checker: ImageChecker) -> None:
        self._folders, self._workers, self._checker = folders, workers, checker
        self._warm_until = 0.0
        self._inspected = alru_cache(maxsize=MAX_CACHED)(self._inspect)  # simultaneous calls share one inspection

    async def warm_up(self) -> None:
        """Let the workers load the libraries and models of inspections, because a picture is expected. Never raises.

        It happens at most once in WARM_SECONDS, also for many visitors.
        """
        if time.monotonic() < self._warm_until:
            return
        self._warm_until = time.monotonic() + WARM_SECONDS
        loading = (self._workers.run(local.warm_up) for _ in range(self._workers.processes or 0))
        await asyncio.gather(*loading, return_exceptions=True)

    async def inspect(self, path: Path) -> local.Inspection:
        """Inspect a picture file; a refused or slow one has neither warnings nor cut-out. Never raises."""
        try:
            stat = await asyncio.to_thread(path.stat)
            return await self._inspected(path, stat.st_mtime_ns, stat.st_size)
        except Exception as error:  # a picture that could not be inspected is processed like any other
            log.warning("could not inspect a picture: %r", error, extra={"picture": path.name})
            return NOT_INSPECTED

    async def _inspect(self, path: Path, modified: int, size: int) -> local.Inspection:
        """Inspect this version of a picture file."""
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
        inspections = await asyncio.gather(*(self.inspect(path) for path in paths))
        noted = await asyncio.to_thread(self._stored_notes, shown)
        return [
            {"number": job.number, "name": picture.name, "code": code, "message": NOTE_TEXTS[code]}
            for (job, picture), notes, inspection in zip(shown, noted, inspections, strict=True)
            for code in (*notes, *inspection.warnings)
        ]

    async def notes(self, batch: Batch) -> list[str]:
        """Notes that were stored when a batch's pictures were accepted, as sentences with their names."""
        shown = _pictures(batch)
        noted = await asyncio.to_thread(self._stored_notes, shown)
        return [
            f"{picture.name}: {NOTE_TEXTS[code]}"
            for (_, picture), notes in zip(shown, noted, strict=True)
            for code in notes
        ]

    def _bring_pictures(self, shown: Sequence[tuple[Job, SidePicture]]) -> list[Path]:
        """Copy pictures to this machine, if they are not there, and return their paths."""
        paths = [self._folders.picture(self._folders.job(job), picture.side) for job, picture in shown]
        for path in paths:
            self._folders.bring(path)
        return paths

    def _stored_notes(self, shown: Sequence[tuple[Job, SidePicture]]) -> list[list[str]]:
        """The codes that were stored with each of the pictures."""
        paths = [self._folders.job(job) / picture_filename(picture.side, "notes", "json") for job, picture in shown]
        return [json.loads(path.read_text()) if self._folders.bring(path) else [] for path in paths]


def _pictures(batch: Batch) -> list[tuple[Job, SidePicture]]:
    """Every picture of a batch with its job, the fronts included."""
    return [(job, picture) for job in batch.jobs for picture in job.pictures]
