"""The use cases of pictures before they are paid for: what is their subject, and what will likely go wrong."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from async_lru import alru_cache

from ..generators import local
from ..images import ImageLimits
from ..jobs.records import Batch, OtherSide
from ..jobs.storage.folders import Folders, picture_name
from ..process_pool import Workers

log = logging.getLogger(__name__)

SECONDS = 20.0
KNOWN = 500
"""Inspections kept in memory, of about 10 kB each."""
NOT_JUDGED = local.Inspection((), None)
"""What is known of a picture that took too long, or that broke its inspection."""


class Inputs:
    """One studio's, as `Studio.inputs`."""

    def __init__(self, folders: Folders, workers: Workers, limits: ImageLimits) -> None:
        self._folders, self._workers, self._limits = folders, workers, limits
        self._inspected = alru_cache(maxsize=KNOWN)(self._inspect)  # who asks while another waits, waits with them

    async def inspect(self, path: Path) -> local.Inspection:
        """Judge a picture file; what cannot be judged in time has neither warnings nor cut-out. Never raises."""
        try:
            stat = await asyncio.to_thread(path.stat)
            return await self._inspected(path, stat.st_mtime_ns, stat.st_size)
        except Exception as error:  # a picture that could not be judged is worked like any other
            log.warning("could not inspect a picture: %r", error, extra={"picture": path.name})
            return NOT_JUDGED

    async def _inspect(self, path: Path, modified: int, size: int) -> local.Inspection:
        """Judge this version of a picture file."""
        return await self._workers.run(local.inspect, path, self._limits, seconds=SECONDS)

    def words(self, found: local.Inspection) -> list[str]:
        """The warnings as sentences."""
        return [local.WORDS[code] for code in found.warnings]

    async def warnings(self, batch: Batch) -> list[dict[str, Any]]:
        """What will likely go wrong with a batch's pictures: name, code and message of each warning."""
        shown = [(job, one) for job in batch.jobs for one in (OtherSide("front", job.name), *job.sides)]
        paths = [self._folders.job(job) / picture_name(one.side) for job, one in shown]
        seen = await asyncio.gather(*(self.inspect(path) for path in paths))
        return [
            {"number": job.number, "name": one.name, "code": code, "message": local.WORDS[code]}
            for (job, one), found in zip(shown, seen, strict=True)
            for code in found.warnings
        ]
