"""The executor of a cluster: calls are stored as tasks, and made by worker processes on any machine.

Functions and values are passed pickled through the app's database, which only its processes write; a message to a
worker is only a task's id, so that the queue need not be trusted and may lose messages. Files are passed by a shared
folder, or by object storage (`storage.task_files`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from pebble import ProcessExpired

from ..errors import Unavailable
from .db import tasks
from .db.async_store import AsyncStore
from .db.store import new_id
from .storage.bucket import Bucket
from .storage.folders import Folders
from .storage.task_files import CallerFiles, WorkerFiles

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_SECONDS = 2.0
"""Seconds between polls of a task without notifications."""
RESEND_SECONDS = 20.0
"""Seconds after which a message is sent again if no worker has begun the task."""
GRACE_SECONDS = 3.0
"""Seconds that a worker has to stop a task whose time is over."""

Send = Callable[[str, int, float], None]
"""Sends the workers a task's id, the number of this message, and the seconds that the task may take.

Blocks, and raises where the message cannot be sent.
"""


class TaskExecutor:
    """Runs functions in the worker processes that receive their messages from `send`."""

    processes = None
    running = True

    def __init__(self, store: AsyncStore, send: Send, folders: Folders) -> None:
        self._store, self._send, self._folders = store, send, folders

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """See `Executor.run`; a task waits as long as there is no worker."""
        task_id, store = new_id(), self._store.store
        files = CallerFiles(self._folders, task_id)
        with self._store.notifier.subscribe(task_id) as announced:
            try:
                call = await asyncio.to_thread(files.pack, (function, args))
                await self._store.call(store.write, tasks.add, task_id, call)
                outcome = await self._outcome(task_id, seconds, announced)
                succeeded, value = await asyncio.to_thread(files.open, outcome)
            finally:
                with contextlib.suppress(Unavailable):  # it is forgotten tomorrow
                    await self._store.call(store.write, tasks.remove, task_id)
                    await asyncio.to_thread(files.remove)
        if succeeded:
            return cast(T, value)
        raise value

    async def _outcome(self, task_id: str, seconds: float, announced: asyncio.Event) -> bytes:
        """The value or error of a task, pickled; messages are sent until a worker has begun it."""
        message, sent_at, clock = 0, -RESEND_SECONDS, asyncio.get_running_loop().time
        while True:
            announced.clear()
            found = await self._store.call_with_retry(self._store.store.read, tasks.progress, task_id)
            if found.outcome is not None:
                return found.outcome
            if found.tries > tasks.MAX_TRIES or (found.lost and found.tries == tasks.MAX_TRIES):
                raise ProcessExpired("the worker died")  # type: ignore[no-untyped-call]
            if found.seconds is not None and not found.lost and found.seconds > seconds + GRACE_SECONDS:
                raise TimeoutError
            if (found.seconds is None or found.lost) and clock() >= sent_at + RESEND_SECONDS:
                message, sent_at = message + 1, clock()
                await self._notify_workers(task_id, message, seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await announced.wait()

    async def _notify_workers(self, task_id: str, message: int, seconds: float) -> None:
        try:
            await asyncio.to_thread(self._send, task_id, message, seconds)
        except Exception as error:
            log.warning("cannot notify workers of a task: %s", type(error).__name__)

    def start(self) -> None:
        """Do nothing: workers are always there."""

    def close(self) -> None:
        """Do nothing: workers are processes of their own."""


class CannotCall(Exception):
    """A worker cannot make a call, and that is not the call's fault: another worker may, or this one later.

    It is of another version and does not know the function, its disk is full, or the object storage is away.
    """


def execute_call(call: bytes, bucket: Bucket | None, task_id: str) -> bytes:
    """Make the call of a task, in a worker, and return its outcome; raises CannotCall."""
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="task-")))
            files = WorkerFiles(folder, bucket, task_id)
            function, args = files.open(call)
        except (AttributeError, ImportError, OSError, Unavailable) as error:
            raise CannotCall(str(error)) from error
        try:
            outcome = (True, function(*args))
        except Exception as error:
            outcome = (False, error)
        try:
            return files.pack(outcome)
        except Unavailable as error:
            raise CannotCall(str(error)) from error
        except Exception as error:
            return files.pack((False, TypeError(f"an outcome that cannot be sent: {error}")))
