"""Functions that run in Celery's workers: values, errors, time limits, dead workers, a Redis that is away.

Real Celery on a real Redis, tasks in a real PostgreSQL, each worker a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pebble import ProcessExpired

from image2model.errors import GenerationFailed
from image2model.jobs import task_executor
from image2model.jobs.db import tasks
from image2model.jobs.db.async_store import AsyncStore
from image2model.jobs.db.listener import listen
from image2model.jobs.db.store import Store
from image2model.jobs.notifications import ChangeNotifier
from image2model.jobs.storage.folders import Folders
from image2model.jobs.task_executor import TaskExecutor
from image2model.settings import Settings
from image2model.worker.celery_app import sender
from tests.support import task_functions
from tests.support.redis import RedisServer
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE_SECONDS = 1.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for all tests here."""
    server = RedisServer().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def settings(tmp_path_factory, postgres, redis_server) -> Settings:
    """Settings of all processes here."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("cluster"), database_url=postgres.database(), workers=2,
        celery_broker_url=redis_server.url, lease_seconds=LEASE_SECONDS, _env_file=None,
    )  # fmt: skip


def begin_worker(settings: Settings) -> subprocess.Popen[bytes]:
    """A worker in its own process group."""
    names = ("data_dir", "database_url", "workers", "celery_broker_url", "lease_seconds")
    environment = {name.upper(): str(getattr(settings, name)) for name in names}
    return subprocess.Popen(
        [sys.executable, "-m", "image2model", "worker"], env={**os.environ, **environment}, start_new_session=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and its children at once."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


@pytest.fixture(scope="module")
def worker(settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that all tests share."""
    worker = begin_worker(settings)
    yield worker
    kill(worker)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor(settings, worker) -> AsyncIterator[TaskExecutor]:
    """The executor that runs functions in the worker, which has started by then."""
    store, notifier = Store(settings.database), ChangeNotifier()
    listening = asyncio.create_task(listen(settings.database, notifier))
    executor = TaskExecutor(AsyncStore(store, notifier), sender(settings), Folders(settings.data_dir))
    assert await executor.run(task_functions.double, 1) == 2
    yield executor
    listening.cancel()
    store.close()


async def test_values_and_errors_come_back(executor):
    """Many calls at once return each its own value, and an error arrives as it was raised."""
    assert await asyncio.gather(*(executor.run(task_functions.double, n) for n in range(20))) == list(range(0, 40, 2))
    with pytest.raises(GenerationFailed, match="Nothing to see") as caught:
        await executor.run(task_functions.refuse, "Nothing to see.")
    assert caught.value.code == "no_subject"


async def test_slow_call_raises_timeout_error(executor, monkeypatch):
    """A task beyond its seconds is stopped in the worker, whose next task is taken as ever."""
    monkeypatch.setattr(task_executor, "GRACE_SECONDS", 0.5)
    monkeypatch.setattr(task_executor, "POLL_SECONDS", 0.2)
    with pytest.raises(TimeoutError):
        await executor.run(task_functions.sleep, 60, seconds=0.3)
    assert await executor.run(task_functions.double, 4) == 8


async def test_a_call_that_kills_its_process_is_made_twice_at_most(executor, tmp_path):
    """A task whose process dies is given to another once, and no more: it would take one down after the other."""
    with pytest.raises(ProcessExpired):
        await executor.run(task_functions.die, tmp_path)
    assert len(list(tmp_path.iterdir())) == tasks.MAX_TRIES


async def test_task_of_a_killed_worker_is_run_by_another(executor, settings, monkeypatch, tmp_path):
    """After kill -9 of a whole worker its tasks are given to another as soon as its lease has lapsed."""
    monkeypatch.setattr(task_executor, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(task_executor, "RESEND_SECONDS", 0.5)
    other = begin_worker(settings)
    paths = [tmp_path / str(number) for number in range(4)]  # as many as both have processes
    calls = [asyncio.create_task(executor.run(task_functions.wait_for, path)) for path in paths]
    try:
        await wait_until_async(lambda: len(list(tmp_path.iterdir())) == len(paths))
    finally:
        kill(other)
    for path in paths:
        path.touch()
    async with asyncio.timeout(30):
        await asyncio.gather(*calls)


async def test_a_redis_that_is_away_holds_calls_up_and_loses_none(executor, redis_server, monkeypatch):
    """Calls that are asked for while Redis is gone are made when it is back, without anybody asking again."""
    monkeypatch.setattr(task_executor, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(task_executor, "RESEND_SECONDS", 0.5)
    redis_server.halt()
    calls = asyncio.gather(*(executor.run(task_functions.double, n) for n in range(5)))
    await asyncio.sleep(0.5)
    assert await executor._store.read(tasks.count_waiting) == 5  # what an autoscaler goes by
    redis_server.start()
    async with asyncio.timeout(60):
        assert await calls == [0, 2, 4, 6, 8]
    assert await executor._store.read(tasks.count_waiting) == 0
