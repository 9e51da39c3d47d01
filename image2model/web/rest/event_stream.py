"""A batch's views as server-sent events.

An event's id is the sequence number of the newest change that the events up to it include, so that a client can resume.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from sse_starlette import ServerSentEvent

from ...services import BatchView, JobView
from .legacy_status import job_status, percent, task_status

COMMENT_SECONDS = 5
"""Seconds between comments in a silent stream: the first image2model's clients give up after ten seconds of silence."""
HEARTBEAT_SECONDS = 30.0
Views = AsyncIterator[tuple[BatchView, dict[str, Any]]]
FINAL_EVENTS = {"completed": "task_completed", "failed": "task_failed", "cancelled": "task_cancelled"}


async def task_events(
    views: Views,
    task_id: str,
    timeout: float,  # noqa: ASYNC109
    after: int,
    attempts: Mapping[str, int] | None = None,
) -> AsyncGenerator[Sequence[ServerSentEvent]]:
    """The events of a task after change `after`, until the task ends or `timeout` seconds have passed.

    Those that come together are one item. `attempts` has each job's attempt number as of then; jobs that are not in
    it were at their first.
    """
    until, stream = time.monotonic() + timeout, TaskEventStream(task_id, after, attempts or {})
    heartbeat = time.monotonic() + HEARTBEAT_SECONDS
    next_view: asyncio.Future[Any] = asyncio.ensure_future(anext(views, None))
    try:
        while (left := until - time.monotonic()) > 0:
            if (until_heartbeat := heartbeat - time.monotonic()) <= 0:
                heartbeat = time.monotonic() + HEARTBEAT_SECONDS
                yield [stream.event("heartbeat")]
                continue
            done, _ = await asyncio.wait({next_view}, timeout=min(until_heartbeat, left))
            if not done:
                continue
            events, is_last = stream.next_events(next_view.result())
            if events:
                yield events
            if is_last:
                return
            next_view = asyncio.ensure_future(anext(views, None))
        yield [stream.event("connection_timeout", message="The connection has lasted as long as was asked for.")]
    finally:
        next_view.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await next_view


class TaskEventStream:
    """The last state sent to one client, and the events that update it."""

    def __init__(self, task_id: str, after: int, attempts: Mapping[str, int]) -> None:
        self.last_id = self.highest_id = after
        self.known = self.resumed = after >= 0
        """True if the task exists or has existed."""
        self.latest: dict[str, Any] = {"task_id": task_id, "status": "queued", "progress": 0.0, "message": "Waiting."}
        self.files: dict[str, dict[str, Any]] = {}
        self.attempts = dict(attempts)

    def next_events(self, update: tuple[BatchView, dict[str, Any]] | None) -> tuple[list[ServerSentEvent], bool]:
        """The events for a view, or for None where there is no such task (any more), and whether they are the last."""
        if update:
            return list(self.update(*update)), update[0].finished
        if self.known:
            return [self.deleted()], True
        return [self.event("task_queued"), self.unknown()], True

    def update(self, view: BatchView, outcome: dict[str, Any]) -> Iterator[ServerSentEvent]:
        """The events for what is new in a view."""
        previous, first, self.known = self.latest, not self.files, True
        self.latest = {
            **self.latest,
            "status": task_status(view),
            "progress": max(self.latest["progress"], percent(view.progress)),
            "message": view.message,
            **_counts(view),
        }  # fmt: skip
        for job in sorted(view.jobs, key=lambda job: job.sequence):
            yield from self._file_events(job)
        name = FINAL_EVENTS.get(
            self.latest["status"], "task_queued" if self.latest["status"] == "queued" else "task_progress"
        )
        if name in FINAL_EVENTS.values():
            yield self.event(name, view.sequence, **outcome)
        elif previous != self.latest or first:
            newest = max(view.jobs, key=lambda job: job.sequence)
            files = list(self.files.values())
            yield self.event(name, view.sequence, files=files, file_progress=self.files[newest.id]["progress"])
        self.attempts = {job.id: job.attempt for job in view.jobs}
        self.last_id = max(self.last_id, view.sequence)

    def _file_events(self, job: JobView) -> Iterator[ServerSentEvent]:
        known = self.files.get(job.id)
        entry = {
            "file_id": job.id, "filename": job.name, "status": job_status(job), "message": job.message,
            "progress": max(percent(job.progress), known["progress"] if known else 0.0),
            "queue_position": job.queue_position,
        }  # fmt: skip
        self.files[job.id] = entry
        if job.attempt > self.attempts.get(job.id, 1 if self.resumed else job.attempt):
            yield self.event("task_retry", job.sequence, file_id=job.id)
        if known != entry and (known is not None or job.sequence > self.last_id):
            yield self.event("file_update", job.sequence, task_id=self.latest["task_id"], **entry)

    def unknown(self) -> ServerSentEvent:
        """The last event of a task that does not exist."""
        self.latest |= {"status": "failed", "message": "There is no such task. It may have been deleted."}
        return self.event("task_failed", error=self.latest["message"])

    def deleted(self) -> ServerSentEvent:
        """The last event of a task that has been deleted."""
        self.latest |= {"status": "cancelled", "message": "This batch has been deleted."}
        return self.event("task_cancelled")

    def event(self, name: str, number: int | None = None, **more: Any) -> ServerSentEvent:
        """An event of the task; `number` is the sequence number of its change."""
        data = json.dumps({**self.latest, **more}, ensure_ascii=False)
        if number is None:
            return ServerSentEvent(data, event=name)
        self.highest_id = max(self.highest_id, number)
        return ServerSentEvent(data, event=name, id=str(self.highest_id))


def _counts(view: BatchView) -> dict[str, int]:
    """Numbers of files, under each name used by clients of the first image2model."""
    counts = view.counts
    through = counts.done + counts.unsuccessful
    return {
        "current": through, "processed": through, "total": counts.total, "total_files": counts.total,
        "files_completed": counts.done,
    }  # fmt: skip
