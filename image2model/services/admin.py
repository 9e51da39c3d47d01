"""The use cases of the host: overview, batches, spending, disk."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import psutil

from ..errors import ErrorCode, NotFound
from ..generators.base import Generator
from ..generators.failure_rules import HostAlert
from ..generators.providers import failure_rules, rules_of
from ..jobs import ledger
from ..jobs.db import leases, queries, tasks
from ..jobs.db.async_store import AsyncStore
from ..jobs.models import BatchState
from ..jobs.scheduler import JobScheduler
from ..jobs.storage import disk_usage
from ..jobs.storage.disk_usage import Kind as DiskKind
from ..jobs.storage.folders import Folders
from ..settings import Settings
from ..units import DAY, HOUR
from .batch_details import BatchDetails, BatchPage, batch_details
from .cleanup import FreedCounter, SurveyCache
from .key_attempts import FREE_ATTEMPTS, KeyAttempts
from .untrusted_proxy import UntrustedProxy
from .view_builder import ViewBuilder

log = logging.getLogger(__name__)


class AdminService:
    """The host's use cases, as `Services.admin`; rights are the caller's to check."""

    def __init__(
        self,
        settings: Settings,
        generators: Mapping[str, Generator],
        folders: Folders,
        store: AsyncStore,
        scheduler: JobScheduler,
        build_view: ViewBuilder,
        surveys: SurveyCache,
        key_attempts: KeyAttempts,
        untrusted_proxy: UntrustedProxy,
    ) -> None:
        self._settings, self._generators = settings, generators
        self._folders, self._store, self._scheduler, self._build_view = folders, store, scheduler, build_view
        self._surveys, self._key_attempts, self._untrusted_proxy = surveys, key_attempts, untrusted_proxy

    async def overview(self) -> dict[str, Any]:
        """`queue_state`, and counts of batches and jobs by state, outcomes of 24 hours, breakers, disk (bytes).

        Money is of the host's key, in US dollars: charged, or perhaps to be charged, today and this month (UTC).
        `attention` lists problems that only the host can solve. The size of the data is in `disk_usage`, which has to
        read every file's size.
        """
        now = time.time()
        whole = shutil.disk_usage(self._folders.data)
        return {
            **await self.queue_state(),
            "counts": await self._store.read(queries.total_counts),
            "disk_free_bytes": whole.free,
            "disk_used_bytes": whole.used,
            "daily_budget": self._settings.daily_budget,
            "outcomes": await self._store.read(queries.outcomes, now - DAY),
            "breakers": self._scheduler.breakers.not_closed(),
            "attention": await self.attention(now),
        }

    async def attention(self, now: float) -> list[dict[str, Any]]:
        """Problems that only the host can solve, at fal (`remote_attention`) and here: wrong keys, an untrusted proxy.

        Each entry has `code`, `message` and `hint` (plain words), `count` (pictures, keys or 0) and `last_seen` (since
        1970).
        """
        return [
            *await self.remote_attention(now),
            *await self._wrong_key_alerts(now),
            *self._untrusted_proxy.alerts(now),
        ]

    async def remote_attention(self, now: float) -> list[dict[str, Any]]:
        """Problems of the host's account at fal: key refused, balance exhausted, results withheld; as in `attention`.

        They are of the last 24 hours, and disappear when fal has accepted a picture on the host's key again.
        """
        alerts = host_alerts()
        refusals = tuple(code for code in alerts if not rules_of(code).is_collectable)
        refused = await self._store.read(queries.failure_counts, refusals, now - DAY)
        waiting = {
            code: await self._store.read(queries.count_waiting_for, code) for code in alerts if code not in refusals
        }
        failed = [_alert_entry(row["code"], alerts[row["code"]], row["count"], row["last_seen"]) for row in refused]
        held = [_alert_entry(code, alerts[code], count, now) for code, count in waiting.items() if count]
        return failed + held

    async def _wrong_key_alerts(self, now: float) -> list[dict[str, Any]]:
        """An alert if more wrong keys were tried lately than a person mistypes."""
        count, networks = await self._key_attempts.recent()
        if count < FREE_ATTEMPTS:
            return []
        message = f"{count} wrong keys were tried in the last quarter of an hour, from {networks} networks."
        hint = "Tries are slowed down. If it was not you, see that the keys are long and random."
        return [
            {"code": str(ErrorCode.TOO_MANY_TRIES), "message": message, "hint": hint, "count": count, "last_seen": now}
        ]

    async def ping(self) -> None:
        """Raise Unavailable unless the database could be written to now."""
        await self._store.call(self._store.store.ping)

    async def worker_count(self) -> int:
        """Number of a cluster's living workers."""
        return await self._store.read(leases.count_workers)

    async def queue_state(self) -> dict[str, Any]:
        """Facts that are cheap to read: jobs by state (`states`), the age of the oldest unfinished job, money.

        `tasks_waiting` counts a cluster's tasks that no worker has begun; `spent_today` and `spent_this_month` as in
        `overview`.
        """
        now = time.time()
        state = await self._store.read(queries.queue_state)
        return {
            "states": state["states"],
            "oldest_seconds": max(0.0, now - state["oldest"]) if state["oldest"] else 0.0,
            "tasks_waiting": await self._store.read(tasks.count_waiting),
            "spent_today": await self._store.read(ledger.total_spent, ledger.day_start(now)),
            "spent_this_month": await self._store.read(ledger.total_spent, ledger.month_start(now)),
        }

    @property
    def active_jobs(self) -> int | None:
        """Number of jobs that run or wait in this process; None unless it has been started."""
        return self._scheduler.active_jobs

    async def remote_status(self) -> dict[str, Any]:
        """State of the generators on the host's key, by the outcomes of the last 24 hours and by their breakers.

        `configured`: whether the host has a key; `done` and `faults` (the generator's own) of its jobs; `resting`: ids
        of generators whose breaker is not closed; `attention`: `remote_attention`.
        """
        now = time.time()
        ids = {name for name, generator in self._generators.items() if generator.key_mark}
        rows = [
            row
            for row in await self._store.read(queries.outcomes, now - DAY)
            if row["generator"] in ids and not row["own_key"]
        ]
        return {
            "configured": bool(ids),
            "done": sum(row["count"] for row in rows if row["state"] == "done"),
            "faults": sum(row["count"] for row in rows if row["code"] and rules_of(row["code"]).kind == "generator"),
            "resting": [row["generator"] for row in self._scheduler.breakers.not_closed() if not row["own_key"]],
            "attention": await self.remote_attention(now),
        }

    async def reset_breaker(self, generator: str, *, own_key: bool = False) -> None:
        """Close the breakers of a generator, on the host's key or on visitors' own; raises NotFound."""
        if generator not in self._generators:
            raise NotFound(ErrorCode.GENERATOR_UNKNOWN, f"There is no generator called {generator!r}.")
        log.info("the host has reset the circuit breakers of %s", generator)
        await self._scheduler.breakers.reset(generator, own_key)

    async def spending(self, by: queries.SpendingBy, since: float = 0.0) -> list[dict[str, Any]]:
        """Sums of the ledger (`queries.spending`)."""
        return await self._store.read(queries.spending, by, since)

    async def search(
        self,
        *,
        state: BatchState | None = None,
        generator: str = "",
        text: str = "",
        oldest_first: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> BatchPage:
        """A page of batches, newest first unless asked otherwise.

        `text` is part of a picture's name in any case, or the beginning of an id.
        """
        batch_filter = queries.BatchFilter(state, generator, text, oldest_first)
        batches, total = await self._store.call(self._store.store.find_page, batch_filter, limit, offset)
        return BatchPage([self._build_view(batch) for batch in batches], total)

    async def batch_details(self, batch_id: str) -> BatchDetails:
        """Details of one batch for the host; raises NotFound."""
        batch = await self._store.call(self._store.store.batch, batch_id)
        payments = await self._store.read(queries.payments, batch_id)
        use = await asyncio.to_thread(FreedCounter().add, self._folders.batch_folders(batch_id))
        events = await self._store.call(self._store.store.events, batch.id)
        return batch_details(batch, self._build_view(batch), use, self._folders.is_in_use(batch_id), payments, events)

    async def failure_reasons(self, hours: float = 24.0) -> list[dict[str, Any]]:
        """Reasons of recent failures (`queries.failure_reasons`)."""
        return await self._store.read(queries.failure_reasons, time.time() - hours * HOUR)

    async def time_series(self, hours: float = 24.0, step: float = HOUR) -> list[dict[str, Any]]:
        """Jobs, failures, duration and cost over time in spans of `step` seconds, the empty ones too."""
        first = (time.time() - hours * HOUR) // step * step
        rows = await self._store.read(queries.time_series, first, step)
        by_time = {row["at"]: row for row in rows}
        spans = [first + number * step for number in range(int((time.time() - first) // step) + 1)]
        return [by_time.get(at, queries.empty_span(at)) for at in spans]

    async def pin(self, batch_id: str, pinned: bool = True) -> None:
        """Pin or unpin a batch; a pinned batch is exempt from retention. Raises NotFound."""
        await self._store.call(self._store.store.pin, batch_id, pinned)

    async def disk_usage(self) -> dict[str, Any]:
        """`kinds` (uploads, results, … and cache: size in bytes, files, folders), and the disk in bytes.

        `cache` is Gradio's own and mostly links to results. `data_bytes` leaves it out; `total`, `used` and
        `free_bytes` are of the disk that holds the data, `disk_percent` how full it is (as in df: blocks reserved
        for root count as used). The kinds are as of `measured_at` (since 1970), as surveying very many files takes a
        while.
        """
        survey, cache, measured_at = await self._surveys()
        whole = psutil.disk_usage(str(self._folders.data))
        return {
            "kinds": {**{str(kind): asdict(use) for kind, use in survey.kinds.items()}, "cache": asdict(cache)},
            "data_bytes": survey.size,
            "measured_at": measured_at,
            "disk_total_bytes": whole.total,
            "disk_used_bytes": whole.used,
            "disk_free_bytes": whole.free,
            "disk_percent": whole.percent,
        }

    async def bytes_written_by_day(self, days: int = 30) -> list[int]:
        """Bytes in the data folder that were written on each of the last days, today (UTC) last.

        A file counts on the day of its last change, so the database counts for today.
        """
        survey, _, measured_at = await self._surveys()
        today = int(measured_at // DAY)
        return [survey.days[day] for day in range(today - days + 1, today + 1)]

    async def list_files(self, kind: DiskKind, limit: int = 100) -> dict[str, Any]:
        """The newest files of a kind: `items` (path relative to the data folder, size, modified), and all of them."""
        items, total = await asyncio.to_thread(disk_usage.newest_files, self._folders.data, kind, limit)
        return {"directory": kind, "items": [asdict(item) for item in items], **asdict(total)}

    async def list_folders(self, kind: DiskKind, limit: int = 100) -> dict[str, Any]:
        """The batch folders with the newest files of a kind, in the form of `list_files`."""
        items, total = await asyncio.to_thread(disk_usage.newest_folders, self._folders.data, kind, limit)
        return {"directory": kind, "items": [asdict(item) for item in items], **asdict(total)}


def host_alerts() -> dict[str, HostAlert]:
    """Alerts for the host, by the code of the failure or wait that causes them."""
    return {code: rules.host_alert for code, rules in failure_rules().items() if rules.host_alert}


def _alert_entry(code: str, alert: HostAlert, count: int, last_seen: float) -> dict[str, Any]:
    return {"code": code, **asdict(alert), "count": count, "last_seen": last_seen}
