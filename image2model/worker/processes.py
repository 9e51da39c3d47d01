"""Processes of `image2model worker`, `image2model beat` and `image2model scheduler`."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import signals
from sqlalchemy.exc import DBAPIError

from ..generators import local
from ..jobs.db import leases, tasks
from ..jobs.db.store import Store
from ..jobs.storage.bucket import open_bucket
from ..jobs.task_executor import CannotCall, execute_call
from ..mesh import report
from ..ops.metrics import serve_counters
from ..process_pool import NICENESS
from ..services import Services
from ..settings import Settings
from .celery_app import CLEAN_HOLDERS, RETENTION, RUN_TASK, make_app, sender

log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> None:
    """Make the calls of tasks in `WORKERS` processes until SIGTERM; what runs then is finished or begun elsewhere."""
    app, worker = make_app(settings), Worker(settings)
    app.task(worker.run_task, name=RUN_TASK)
    app.task(worker.retention, name=RETENTION)
    app.task(worker.forget, name=CLEAN_HOLDERS)
    signals.worker_process_init.connect(worker.prepare_process, weak=False)
    signals.worker_ready.connect(worker.keep_alive, weak=False)
    signals.worker_shutdown.connect(worker.leave, weak=False)
    app.worker_main(
        ["worker", "--pool=prefork", f"--concurrency={settings.workers}", f"--hostname={worker.name}@%h",
         "--loglevel=WARNING", "--without-gossip", "--without-mingle"]
    )  # fmt: skip


def run_beat(settings: Settings) -> None:
    """Tell workers of the chores when they are due, until SIGTERM."""
    schedule = Path(settings.data_dir) / "celerybeat-schedule"
    make_app(settings).start(["beat", "--loglevel=WARNING", f"--schedule={schedule}", "--pidfile="])


def run_scheduler(settings: Settings) -> None:
    """Run jobs without a page until SIGTERM or Ctrl-C."""
    with serve_counters(settings):
        asyncio.run(_schedule(settings))


async def _schedule(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    services = Services(settings, send=sender(settings))
    await services.start()
    log.info("the scheduler runs")
    try:
        await stop.wait()
    finally:
        await services.close()


class Worker:
    """A worker: a process that lives, and children that make calls in its name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = leases.WORKER + secrets.token_hex(8)
        """Name by which tasks tell the worker that has begun them."""
        self._bucket = open_bucket(settings.asset_store) if settings.asset_store else None
        self._leaving = threading.Event()
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store of this process: connections cannot be shared with children."""
        if self._store is None:
            self._store = Store(self._settings.database, holder=self.name)
        return self._store

    def prepare_process(self, **_: Any) -> None:
        """Warm a new child up."""
        os.nice(NICENESS)
        self._store = None
        for warm_up in (local.warm_up, report.warm_up):
            warm_up()

    def keep_alive(self, **_: Any) -> None:
        """Renew the lease under which the children work, in a thread."""
        threading.Thread(target=self._renew_regularly, name="lease", daemon=True).start()

    def _renew_regularly(self) -> None:
        while True:
            _try_write(lambda: self.store.run_as_holder(leases.renew, self._settings.lease_seconds))
            if self._leaving.wait(self._settings.lease_seconds / 5):
                return

    def leave(self, **_: Any) -> None:
        """Give up the lease, so that what was begun here is begun elsewhere at once."""
        self._leaving.set()
        _try_write(lambda: self.store.run_as_holder(leases.release))

    def run_task(self, task_id: str, message: int) -> None:
        """Make the call of a task, unless it is over or made elsewhere (see `tasks.begin`)."""
        call = self.store.run_as_holder(tasks.begin, task_id, message)
        if call is None:
            return
        try:
            outcome = execute_call(call, self._bucket, task_id)
        except CannotCall as error:
            log.warning("this worker cannot do a task, which now waits for another: %s", error)
            self.store.run_as_holder(tasks.give_back, task_id)
        else:
            self.store.run_as_holder(tasks.finish, task_id, outcome)

    def retention(self) -> None:
        """Sweep once by the host's rules."""
        asyncio.run(self._retention())

    async def _retention(self) -> None:
        services = Services(self._settings, send=sender(self._settings))
        try:
            await services.retention.try_run()
        finally:
            await services.close()

    def forget(self) -> None:
        """Forget processes that are long dead."""
        self.store.write(leases.delete_expired_holders)


def _try_write(write: Callable[[], None]) -> None:
    """Write, or log that it was not possible: there is a next time."""
    try:
        write()
    except DBAPIError as error:
        log.warning("could not renew the lease of this worker: %s", error.orig)
