"""The store for asyncio: calls run in one thread, and writes of a running job are retried until they succeed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from ...errors import ErrorCode, Unavailable
from ...metrics import job_ended
from ..models import Job, JobState, Wait
from ..notifications import ChangeNotifier
from .group_commit import Change, GroupCommit
from .store import Store

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class AsyncStore:
    """The store behind one thread; changes of jobs are logged, counted and announced to watchers."""

    def __init__(self, store: Store, notifier: ChangeNotifier) -> None:
        self.store = store
        self.notifier = notifier
        self._thread = ThreadPoolExecutor(1, "database")
        self._group_commit = GroupCommit(store, self._thread)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store in its thread; raises Unavailable where the database is full, locked or away."""
        with _raising_unavailable():
            return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **kwargs))

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query of `queries` or `ledger`; raises Unavailable as `call`."""
        return await self.call(partial(self.store.read, query, *args, **kwargs))

    async def run_as_holder(
        self, change: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Make a change of `leases` in the name of this process; raises Unavailable as `call`."""
        return await self.call(partial(self.store.run_as_holder, change, *args, **kwargs))

    async def call_with_retry(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call`, retried indefinitely while the database is unavailable."""
        return await retrying()(self.call, function, *args, **kwargs)

    async def transition(self, job: Job, state: JobState, **fields: Any) -> Job | None:
        """See `Store.transition`."""
        return await self._change(
            job, partial(self.store.transition, job.id, state, attempt=job.attempt, fence=job.fence, **fields)
        )

    async def set_waiting(self, job: Job, waiting: Wait) -> Job | None:
        """See `Store.set_waiting`."""
        return await self._change(job, partial(self.store.set_waiting, job.id, job.attempt, waiting, job.fence))

    async def schedule_next_attempt(
        self, job: Job, waiting: Wait | None, remote: Mapping[str, Any] | None
    ) -> Job | None:
        """See `Store.schedule_next_attempt`."""
        return await self._change(
            job, partial(self.store.schedule_next_attempt, job.id, job.attempt, waiting, remote, job.fence)
        )

    async def cancel(self, job: Job) -> Job | None:
        """See `Store.cancel`."""
        return await self._change(job, partial(self.store.cancel, job.id))

    async def _change(self, job: Job, change: Change) -> Job | None:
        """Store a change of a job together with others that wait, retried as `call_with_retry`, and notify watchers."""
        return self._announce(job, await retrying()(self._write, job.batch_id, change))

    async def _write(self, batch_id: str, change: Change) -> Job | None:
        with _raising_unavailable():
            return await self._group_commit.write(batch_id, change)

    def close(self) -> None:
        """Finish the waiting calls."""
        self._thread.shutdown()

    def _announce(self, before: Job, job: Job | None) -> Job | None:
        """Report a change to watchers, logs and metrics; None is no change."""
        if job is None:
            return None
        self.notifier.notify(job.batch_id)
        if job.state != before.state:
            _log_transition(job)
        if job.finished_at:
            code = job.failure.code if job.failure else ""
            job_ended(job.state, code, job.finished_at - (job.started_at or job.finished_at))
        return job


@contextmanager
def _raising_unavailable() -> Iterator[None]:
    """Raise Unavailable, and log why, where the database cannot be used."""
    try:
        yield
    except DBAPIError as error:
        log.error("the database cannot be used: %s", error.orig, extra={"cause": "database"})
        raise Unavailable(
            ErrorCode.DATABASE_UNAVAILABLE, "Nothing can be stored here at the moment.", "Try again in a minute."
        ) from error


def retrying() -> AsyncRetrying:
    """Call a coroutine function until it does not raise Unavailable."""
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.2),
    )


def log_context(job: Job) -> dict[str, Any]:
    """Fields of log lines that name a job. Only the beginning of its batch's id, as the whole id grants access."""
    remote = {"request_id": job.remote["request_id"]} if job.remote and "request_id" in job.remote else {}
    return {"batch": job.batch_id[:8], "image": job.number, **remote}


def bind_log_context(job: Job) -> None:
    """Name the job in every log line of this task from now on."""
    structlog.contextvars.unbind_contextvars("request_id")
    structlog.contextvars.bind_contextvars(**log_context(job))


def _log_transition(job: Job) -> None:
    failure = {"code": job.failure.code} if job.failure else {}
    seconds = {"seconds": round(job.finished_at - job.created_at, 3)} if job.finished_at else {}
    log.log(
        logging.WARNING if job.failure else logging.INFO,
        "image %d of batch %s is %s%s",
        job.number,
        job.batch_id[:8],
        job.state,
        f": {job.failure.message}" if job.failure else "",
        extra={**log_context(job), "state": job.state, **failure, **seconds},
    )
