"""A batch's views as server-sent events.

An event's id is the number of the newest of the batch's changes that have been told with it, so that a client can go
on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from sse_starlette import ServerSentEvent

from ...services import BatchView, JobView
from .legacy_status import job_status, percent, task_status

HEARTBEAT = 30.0
Views = AsyncIterator[tuple[BatchView, dict[str, Any]]]
ENDS = {"completed": "task_completed", "failed": "task_failed", "cancelled": "task_cancelled"}


async def follow(
    views: Views,
    task_id: str,
    timeout: float,  # noqa: ASYNC109
    after: int,
    attempts: Mapping[str, int] | None = None,
) -> AsyncIterator[ServerSentEvent]:
    """The events of a task after change number `after` until it ends or `timeout` seconds have passed.

    `attempts` tells at which try each job was then, unless it was at its first.
    """
    until, told = time.monotonic() + timeout, Told(task_id, after, attempts or {})
    beat = time.monotonic() + HEARTBEAT
    coming: asyncio.Future[Any] = asyncio.ensure_future(anext(views, None))
    try:
        while (left := until - time.monotonic()) > 0:
            if (beat_in := beat - time.monotonic()) <= 0:
                beat = time.monotonic() + HEARTBEAT
                yield told.event("heartbeat")
                continue
            done, _ = await asyncio.wait({coming}, timeout=min(beat_in, left))
            if not done:
                continue
            if found := coming.result():
                for event in told.news(*found):
                    yield event
                if found[0].finished:
                    return
                coming = asyncio.ensure_future(anext(views, None))
            elif told.known:
                yield told.deleted()
                return
            else:
                yield told.event("task_queued")
                coming = asyncio.get_running_loop().create_future()  # nobody knows this task: nothing will come
        yield told.event("connection_timeout", message="The connection has lasted as long as was asked for.")
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming


class Told:
    """What the other side has been told."""

    def __init__(self, task_id: str, after: int, attempts: Mapping[str, int]) -> None:
        self.after = self.highest = after
        self.known = self.resumed = after >= 0
        """Whether there has been such a task."""
        self.latest: dict[str, Any] = {"task_id": task_id, "status": "queued", "progress": 0.0, "message": "Waiting."}
        self.files: dict[str, dict[str, Any]] = {}
        self.attempts = dict(attempts)

    def news(self, view: BatchView, outcome: dict[str, Any]) -> Iterator[ServerSentEvent]:
        """The events that tell what is new in a view."""
        before, first, self.known = self.latest, not self.files, True
        self.latest = {
            **self.latest,
            "status": task_status(view),
            "progress": max(self.latest["progress"], percent(view.progress)),
            "message": view.message,
        }  # fmt: skip
        for job in sorted(view.jobs, key=lambda job: job.sequence):
            yield from self._file(job)
        name = ENDS.get(self.latest["status"], "task_queued" if self.latest["status"] == "queued" else "task_progress")
        if name in ENDS.values():
            yield self.event(name, view.sequence, **outcome)
        elif before != self.latest or first:
            yield self.event(name, view.sequence)
        self.attempts = {job.id: job.attempt for job in view.jobs}
        self.after = max(self.after, view.sequence)

    def _file(self, job: JobView) -> Iterator[ServerSentEvent]:
        told = self.files.get(job.id)
        entry = {
            "file_id": job.id, "filename": job.name, "status": job_status(job), "message": job.message,
            "progress": max(percent(job.progress), told["progress"] if told else 0.0),
            "queue_position": job.queue_position,
        }  # fmt: skip
        self.files[job.id] = entry
        if job.attempt > self.attempts.get(job.id, 1 if self.resumed else job.attempt):
            yield self.event("task_retry", job.sequence, file_id=job.id)
        if told != entry and (told is not None or job.sequence > self.after):
            yield self.event("file_update", job.sequence, task_id=self.latest["task_id"], **entry)

    def deleted(self) -> ServerSentEvent:
        """The last event of a task that is no longer there."""
        self.latest |= {"status": "cancelled", "message": "This batch has been deleted."}
        return self.event("task_cancelled")

    def event(self, name: str, number: int | None = None, **more: Any) -> ServerSentEvent:
        """An event of the task; `number` is that of the change that it tells of."""
        data = json.dumps({**self.latest, **more}, ensure_ascii=False)
        if number is None:
            return ServerSentEvent(data, event=name)
        self.highest = max(self.highest, number)
        return ServerSentEvent(data, event=name, id=str(self.highest))
