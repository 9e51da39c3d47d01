"""The retention sweep: deletes batches by the host's rules, and orphaned files, every quarter of an hour.

The rules are in `image2model.jobs.storage.retention_rules`, the survey of the disk and the plan in cleanup.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import astuple
from decimal import Decimal
from typing import Any

from ..errors import Conflict, ErrorCode, NotFound, Unavailable
from ..jobs.db import queries
from ..jobs.db.async_store import AsyncStore
from ..jobs.scheduler import JobScheduler
from ..jobs.storage.folders import Folders
from ..jobs.storage.retention_rules import Reason, RetentionRules
from ..metrics import FREED_BYTES, REMOVED
from ..settings import Settings
from ..units import GB, HOUR
from .cleanup import CleanupPlan, Freed, SurveyCache, plan_cleanup, remove_files

log = logging.getLogger(__name__)

SWEEP_INTERVAL = 900.0


class RetentionService:
    """Deletes batches and files, as `Services.retention`; rights are the caller's to check."""

    def __init__(
        self, settings: Settings, folders: Folders, store: AsyncStore, scheduler: JobScheduler, surveys: SurveyCache
    ) -> None:
        self._settings, self._folders, self._store = settings, folders, store
        self._scheduler, self._surveys = scheduler, surveys
        self._sweeping = asyncio.Lock()
        """One sweep at a time: what another has planned may meanwhile be gone, or made again."""

    async def run_regularly(self) -> None:
        """Sweep now and every SWEEP_INTERVAL seconds, also after failed sweeps."""
        while True:
            await self.try_run()
            await asyncio.sleep(SWEEP_INTERVAL)

    async def try_run(self) -> None:
        """Sweep as `run` does, or log why that is not possible: there is a next time."""
        try:
            await self.run()
        except (OSError, Unavailable) as error:
            log.warning("retention could not run: %r", error)

    async def drop_copies_regularly(self) -> None:
        """Delete local copies of deleted batches, and those unused for a day, every SWEEP_INTERVAL."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            try:
                known = await self._store.call(self._store.store.batch_ids)
                await asyncio.to_thread(remove_files, self._folders.orphans(known))
                await asyncio.to_thread(self._folders.drop_copies, 24 * HOUR)
            except (OSError, Unavailable) as error:
                log.warning("copies could not be deleted: %r", error)

    async def run(self) -> dict[str, Any]:
        """Sweep by the host's rules: delete by age, by the size of the data, for free disk space, and orphaned files.

        What lies on a machine says nothing of the data where these are in object storage.
        """
        settings = self._settings
        space = (None, None) if settings.asset_store else (_bytes(settings.max_data_gb), _bytes(settings.keep_free_gb))
        rules = RetentionRules(settings.retention_hours, *space)
        return await self._sweep(rules, 24 * HOUR, dry_run=False)

    async def cleanup(self, hours: float | None = 24.0, dry_run: bool = True) -> dict[str, Any]:
        """Delete batches that ended more than `hours` ago and orphaned files; a dry run only reports.

        Pinned and running batches, batches that are being downloaded and uploads of the last hour stay.
        Returns `items` (kind, name, reason, size in bytes, files, folders; of batches also `title`, `images` and when
        it `ended`), `stays` (batches that are old, too, or still run, and the reason why they stay), `freed_bytes`,
        `files`, `folders` and `errors` (plain sentences).
        """
        return await self._sweep(RetentionRules(hours), max(1.0, 24.0 if hours is None else hours) * HOUR, dry_run)

    async def delete(self, batch_id: str, *, force: bool = False, reason: Reason = "asked") -> Freed:
        """Delete a batch with its files; raises NotFound, and Conflict while it runs unless `force` stops it first."""
        batch = await self._store.call(self._store.store.batch, batch_id)
        if force:
            await self._scheduler.abort(batch)
        await self._store.call(self._store.store.delete, batch_id, force)
        self._store.notifier.notify(batch_id)
        short = batch_id[:8]
        if reason != "asked" and self._folders.is_in_use(batch_id):
            log.info("batch %s is being downloaded: its files are deleted later", short, extra={"batch": short})
            return Freed()
        freed = await asyncio.to_thread(remove_files, self._folders.batch_folders(batch_id))
        with contextlib.suppress(Unavailable):  # the next sweep deletes orphaned objects
            await asyncio.to_thread(self._folders.remove_objects, batch_id)
        self._surveys.invalidate()
        log.info("deleted batch %s (%s), %d bytes", short, reason, freed.size, extra={"batch": short})
        REMOVED.labels("batch", reason).inc()
        FREED_BYTES.labels("batch").inc(freed.size)
        return freed

    async def _sweep(self, rules: RetentionRules, stale: float, dry_run: bool) -> dict[str, Any]:
        async with self._sweeping:
            rows = await self._store.read(queries.batch_end_times)
            known = await self._store.call(self._store.store.batch_ids)
            plan = await asyncio.to_thread(plan_cleanup, self._folders, rows, known, rules, stale)
            freed, left, errors = _dry_run_result(plan) if dry_run else await self._remove(plan)
            if not dry_run:
                await asyncio.to_thread(self._folders.remove_orphaned_objects, known)
        return {
            "items": [item for item in plan.items if item["name"] not in left],
            "stays": list(plan.retained),
            "freed_bytes": freed.size,
            "files": freed.files,
            "folders": freed.folders,
            "errors": errors,
            "dry_run": dry_run,
        }

    async def _remove(self, plan: CleanupPlan) -> tuple[Freed, set[str], list[str]]:
        """Carry out a plan; return what that has freed, the ids of batches that stayed, and why they did."""
        freed, left = Freed(), set[str]()
        errors: list[str] = []
        for batch_id, reason in ((eviction.candidate.batch_id, eviction.reason) for eviction in plan.evictions):
            try:
                if self._folders.is_in_use(batch_id):
                    raise Conflict(
                        ErrorCode.BATCH_IN_USE, "This batch is being downloaded.", "Try again when that is over."
                    )
                freed.add(*astuple(await self.delete(batch_id, reason=reason)))
            except (NotFound, Conflict) as error:  # deleted or restarted meanwhile
                left.add(batch_id)
                errors.append(f"{batch_id}: {error.message}")
        for kind, paths in plan.unowned.items():
            paths = [path for path in paths if not self._folders.is_leased(path)]
            removed = await asyncio.to_thread(remove_files, paths)
            freed.add(*astuple(removed))
            if paths:
                log.info("deleted %d unreferenced files or folders (%s), %d bytes", len(paths), kind, removed.size)
            REMOVED.labels(kind, "nobody's").inc(len(paths))
            FREED_BYTES.labels(kind).inc(removed.size)
        await asyncio.to_thread(self._folders.remove_empty_folders, 24 * HOUR)
        self._surveys.invalidate()
        return freed, left, errors


def _dry_run_result(plan: CleanupPlan) -> tuple[Freed, set[str], list[str]]:
    """Result of `_remove` if nothing came between."""
    freed = Freed()
    for item in plan.items:
        freed.add(item["size"], item["files"], item["folders"])
    return freed, set(), []


def _bytes(gigabytes: Decimal | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * GB)
