"""The store for asyncio: its calls queue up in one thread, and what must be written is written in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from ...errors import ErrorCode, Unavailable
from ...metrics import job_ended
from ..notifications import Changes
from ..records import Job, JobState
from .store import Store

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Where jobs are written down and their watchers told."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self.store = store
        self.changes = changes
        self._thread = ThreadPoolExecutor(1, "database")

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store in its thread; raises Unavailable where it is full, locked or away."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **kwargs))
        except DBAPIError as error:
            log.error("the database does not work: %s", error.orig, extra={"cause": "database"})
            raise Unavailable(
                ErrorCode.DATABASE_UNAVAILABLE, "Nothing can be stored here at the moment.", "Try again in a minute."
            ) from error

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a query of `search` or `money` finds; raises Unavailable as `call`."""
        return await self.call(partial(self.store.read, query, *args, **kwargs))

    async def surely(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, again and again until it works: a job stands still meanwhile, and nothing of it is lost."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.2),
        )
        return await retrying(self.call, function, *args, **kwargs)

    async def move(self, job: Job, state: JobState, **fields: Any) -> Job | None:
        """See `Store.transition`."""
        return self._tell(job, await self.surely(self.store.transition, job.id, state, attempt=job.attempt, **fields))

    async def change(self, method: Callable[..., Job | None], job: Job, *args: Any) -> Job | None:
        """Call one of the store's methods that change a job in a try: `wait` or `defer`."""
        return self._tell(job, await self.surely(method, job.id, job.attempt, *args))

    async def cancel(self, job: Job) -> Job | None:
        """See `Store.cancel`."""
        return self._tell(job, await self.surely(self.store.cancel, job.id))

    def close(self) -> None:
        """Finish what is being written."""
        self._thread.shutdown()

    def _tell(self, before: Job, job: Job | None) -> Job | None:
        if job:
            self.changes.notify(job.batch_id)
        if job and job.state != before.state:
            _log(job)
        if job and job.finished_at:
            code = job.failure.code if job.failure else ""
            job_ended(job.state, code, job.finished_at - (job.started_at or job.finished_at))
        return job


def about(job: Job) -> dict[str, Any]:
    """What log lines tell of a job: the beginning of its batch's id (all of it is the right to read it), and whose."""
    remote = {"request_id": job.remote["request_id"]} if job.remote and "request_id" in job.remote else {}
    return {"batch": job.batch_id[:8], "image": job.number, **remote}


def tell_logs(job: Job) -> None:
    """Let every line that is logged in this task from now on tell of the job."""
    structlog.contextvars.unbind_contextvars("request_id")
    structlog.contextvars.bind_contextvars(**about(job))


def _log(job: Job) -> None:
    """A line for a new state."""
    failure = {"code": job.failure.code} if job.failure else {}
    seconds = {"seconds": round(job.finished_at - job.created_at, 3)} if job.finished_at else {}
    level = logging.WARNING if job.failure else logging.INFO
    log.log(
        level, "image %d is %s", job.number, job.state, extra={**about(job), "state": job.state, **failure, **seconds}
    )
