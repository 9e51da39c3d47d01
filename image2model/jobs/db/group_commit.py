"""Group commit: writes that wait at the same time share one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.exc import OperationalError

from ..models import Job
from .store import Store

Change: TypeAlias = Callable[[], Job | None]
"""A call of a method of the store that changes one job."""
Outcome: TypeAlias = Job | Exception | None


@dataclass(frozen=True, slots=True)
class _Write:
    batch_id: str
    change: Change
    done: asyncio.Future[Job | None]


class GroupCommit:
    """Makes the changes that have come in while the last ones were written, in one transaction in `thread`."""

    def __init__(self, store: Store, thread: Executor) -> None:
        self._store, self._thread = store, thread
        self._waiting: list[_Write] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, batch_id: str, change: Change) -> Job | None:
        """Return what the change of a job of this batch returns, once that is safe on disk; raises what it raises."""
        write = _Write(batch_id, change, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting())
        return await write.done

    async def _write_waiting(self) -> None:
        """Write until nothing waits; a change whose caller is gone by then is left out."""
        loop = asyncio.get_running_loop()
        try:
            while group := [write for write in self._waiting if not write.done.done()]:
                self._waiting = []
                group.sort(key=lambda write: write.batch_id)  # two processes lock batches in one order
                changes = [write.change for write in group]
                outcomes = await loop.run_in_executor(self._thread, self._commit, changes)
                for write, outcome in zip(group, outcomes, strict=True):
                    _settle(write.done, outcome)
        finally:
            self._writer = None

    def _commit(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make all changes or, where one of them is at fault, each by itself."""
        try:
            with self._store.one_transaction():
                return [change() for change in changes]
        except OperationalError as error:  # full, locked or unavailable, which concerns all of them
            return [error for _ in changes]
        except Exception as error:
            if len(changes) == 1:
                return [error]
            return [outcome for change in changes for outcome in self._commit([change])]


def _settle(done: asyncio.Future[Job | None], outcome: Outcome) -> None:
    if done.done():  # its caller was cancelled meanwhile
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
