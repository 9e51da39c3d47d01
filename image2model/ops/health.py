"""Health of the app's parts: probes that cost no money and do not delay the answer."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar

import psutil

from ..services import Services
from ..units import GB

log = logging.getLogger(__name__)
T = TypeVar("T")
State = Literal["healthy", "degraded", "unhealthy"]

CRITICAL_PARTS = ("database", "queue", "disk_space", "generator")
"""Parts without which no new picture can be processed: the app is unhealthy then."""
PROBE_TIMEOUT = 1.0
"""Seconds that a probe may take."""
MAX_WAIT = 0.02
"""Seconds that a caller waits for a fresh result while the last one is not stale."""
STALE_SECONDS = 60.0
"""Seconds after which a result is stale."""
PROBE_INTERVAL = 0.25
"""Seconds between probes, which run until no request has come for `WATCHED_SECONDS`."""
WATCHED_SECONDS = 600.0
DISK_WARNING_PERCENT, DISK_CRITICAL_PERCENT = 80, 90
"""Percent of the disk, as in df, from which its use is a warning, and critical."""
MIN_OUTCOMES = 5
"""Outcomes that are too few for a verdict."""


@dataclass(frozen=True, slots=True)
class Component:
    """The state of a part; `seconds` is how long its probe took."""

    name: str
    status: State
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


class CachedProbe(Generic[T]):
    """A probe whose result is cached, and that never runs twice at a time."""

    def __init__(self, probe: Callable[[], Awaitable[T]], max_age: float) -> None:
        self._probe, self._max_age = probe, max_age
        self._task: asyncio.Task[None] | None = None
        self._started_at, self._finished_at = 0.0, -STALE_SECONDS
        self._last: tuple[T, float] | None = None

    async def __call__(self) -> tuple[T, float] | None:
        """Result of the last `max_age` seconds, and the seconds it took; None for an error or no answer in time.

        While the probe runs again, that is its previous result, until it has run for `PROBE_TIMEOUT`.
        """
        if self._task is None or (self._task.done() and time.monotonic() > self._started_at + self._max_age):
            self._started_at = time.monotonic()
            self._task = asyncio.create_task(self._timed())
        elapsed = time.monotonic() - self._started_at
        is_fresh = self._started_at < self._finished_at + STALE_SECONDS
        await asyncio.wait(
            [self._task], timeout=MAX_WAIT if is_fresh or elapsed > PROBE_TIMEOUT else PROBE_TIMEOUT - elapsed
        )
        return self._last if self._task.done() or time.monotonic() < self._started_at + PROBE_TIMEOUT else None

    async def _timed(self) -> None:
        began = time.perf_counter()
        try:
            self._last = (await self._probe(), time.perf_counter() - began)
        except Exception as error:
            log.warning("health probe %s failed: %s", getattr(self._probe, "__name__", "?"), type(error).__name__)
            self._last = None
        self._finished_at = time.monotonic()


class Health:
    """The health of the app's parts."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ping = CachedProbe(services.admin.ping, max_age=PROBE_INTERVAL)
        self.queue_state = CachedProbe(services.admin.queue_state, max_age=5.0)
        """See `AdminService.queue_state`."""
        self.provider_status = CachedProbe(services.admin.remote_status, max_age=15.0)
        """See `AdminService.remote_status`."""
        self._broker = CachedProbe(self._ping_broker, max_age=5.0)
        self._workers = CachedProbe(services.admin.worker_count, max_age=5.0)
        self._asked_at = 0.0
        self._watch: asyncio.Task[None] | None = None
        psutil.cpu_percent()  # the first call only begins to measure

    async def components(self) -> list[Component]:
        """Every part."""
        self._probe_in_background()
        database, queue, fal = await asyncio.gather(self._database(), self._queue(), self._fal())
        return [database, queue, self._disk(), fal, self._generator(), *await self._cluster()]

    async def not_ready(self) -> list[str]:
        """Names of unhealthy parts without which no new batch is accepted."""
        self._probe_in_background()
        parts = [*await asyncio.gather(self._database(), self._queue()), self._disk()]
        return [part.name for part in parts if part.status == "unhealthy"]

    def _probe_in_background(self) -> None:
        """Probe in the background for a while, so that a failure is known before the next request."""
        self._asked_at = time.monotonic()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._probe_repeatedly())

    async def _probe_repeatedly(self) -> None:
        while self._services.admin.active_jobs is not None and time.monotonic() < self._asked_at + WATCHED_SECONDS:
            await asyncio.gather(self._ping(), self.queue_state(), self.provider_status())
            await asyncio.sleep(PROBE_INTERVAL)

    async def _database(self) -> Component:
        kind = {"kind": self._services.settings.database.partition(":")[0].partition("+")[0]}
        ping = await self._ping()
        if ping is None:
            return Component("database", "unhealthy", PROBE_TIMEOUT, {**kind, "reason": "It cannot be written to now."})
        return Component("database", "healthy", ping[1], kind)

    async def _queue(self) -> Component:
        working = self._services.admin.active_jobs
        details: dict[str, Any] = {"kind": "embedded", "working": working or 0}
        if working is None:
            return Component("queue", "unhealthy", details={**details, "reason": "It is not running."})
        queue = await self.queue_state()
        if queue is None:
            return Component("queue", "degraded", PROBE_TIMEOUT, {**details, "reason": "What waits cannot be told."})
        waits = {"waiting": queue[0]["states"]["new"], "oldest_seconds": round(queue[0]["oldest_seconds"], 1)}
        return Component("queue", "healthy", queue[1], {**details, **waits})

    async def _cluster(self) -> list[Component]:
        """Redis and Celery, where the host has a cluster."""
        if not self._services.settings.celery_broker_url:
            return [Component(name, "healthy", details={"configured": False}) for name in ("redis", "celery")]
        broker, workers = await asyncio.gather(self._broker(), self._workers())
        details = {"configured": True, "workers": workers[0] if workers else 0}
        return [
            Component("redis", "healthy", broker[1], {"configured": True})
            if broker
            else Component("redis", "degraded", PROBE_TIMEOUT, {"configured": True, "reason": "It does not answer."}),
            Component("celery", "healthy", details=details)
            if details["workers"]
            else Component("celery", "degraded", details={**details, "reason": "No worker lives: meshes wait."}),
        ]

    async def _ping_broker(self) -> None:
        from redis.asyncio import Redis  # an optional package

        async with Redis.from_url(self._services.settings.celery_broker_url) as client:
            await client.get("image2model")  # PING has no types

    def _disk(self) -> Component:
        disk = psutil.disk_usage(str(self._services.folders.data))
        least = float(self._services.settings.min_free_gb)
        details = {"usage_percent": disk.percent, "free_gb": round(disk.free / GB, 3), "min_free_gb": least}
        if disk.free < least * GB:
            return Component("disk_space", "unhealthy", 0.0, {**details, "reason": "No new batch is taken."})
        return Component("disk_space", "degraded" if disk.percent > DISK_WARNING_PERCENT else "healthy", 0.0, details)

    async def _fal(self) -> Component:
        status = await self.provider_status()
        if status is None:
            return Component("fal_api", "degraded", PROBE_TIMEOUT, {"reason": "Its last outcomes cannot be told."})
        provider, seconds = status
        details = {name: provider[name] for name in ("configured", "done", "faults", "resting")}
        reasons = [problem["message"] for problem in provider["attention"]]
        return Component("fal_api", _fal_state(provider), seconds, {**details, "reasons": reasons})

    def _generator(self) -> Component:
        usable = [name for name, generator in self._services.generators.items() if not generator.unavailable]
        details = {"usable": usable, "chosen_at_first": self._services.settings.default_generator}
        if not usable or not self._services.workers.running:
            return Component("generator", "unhealthy", details={**details, "reason": "No picture can be worked."})
        preset = details["chosen_at_first"] in usable
        return Component("generator", "healthy" if preset else "degraded", details=details)


@lru_cache(maxsize=1)
def health_of(services: Services) -> Health:
    """The app's `Health`, shared by all callers so that probes are cached."""
    return Health(services)


def _fal_state(provider: dict[str, Any]) -> State:
    """State of fal by the outcomes of jobs of the last 24 hours."""
    if provider["attention"]:
        return "unhealthy"
    ended = provider["done"] + provider["faults"]
    mostly_failed = ended >= MIN_OUTCOMES and provider["faults"] > ended / 2
    return "degraded" if provider["resting"] or mostly_failed else "healthy"


def overall(parts: Sequence[Component]) -> State:
    """State of the app: unhealthy where a critical part is."""
    if any(part.status == "unhealthy" for part in parts if part.name in CRITICAL_PARTS):
        return "unhealthy"
    return "healthy" if all(part.status == "healthy" for part in parts) else "degraded"


def machine_stats(services: Services) -> dict[str, Any]:
    """The machine: processor and memory in percent (of the time since the last look), memory and disk in GB."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(services.folders.data))
    return {
        "platform": platform.platform(terse=True),
        "python_version": platform.python_version(),
        "cpu_usage_percent": psutil.cpu_percent(),
        "memory_usage_percent": memory.percent,
        "memory_available_gb": round(memory.available / GB, 3),
        "disk_usage_percent": disk.percent,
        "disk_free_gb": round(disk.free / GB, 3),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def uptime() -> float:
    """Seconds since this process began."""
    return time.time() - float(psutil.Process().create_time())
