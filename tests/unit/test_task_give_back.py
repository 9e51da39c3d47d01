"""A worker that cannot make a call leaves the task to others: it is of another version, or its disk is full."""

from __future__ import annotations

import pickle
import tempfile

import pytest

from image2model.jobs.db import tasks
from image2model.jobs.db.store import Store, new_id
from image2model.settings import Settings
from image2model.worker.processes import Worker
from tests.support import task_functions

CALL = pickle.dumps((task_functions.double, (21,)))


@pytest.fixture
def worker(database_url, tmp_path) -> Worker:
    """A worker, which only makes the calls that it is asked for."""
    return Worker(Settings(data_dir=tmp_path, database_url=database_url, _env_file=None))


@pytest.mark.parametrize(
    "unknown",
    [CALL.replace(b"double", b"triple"), CALL.replace(b"task_functions", b"some_functions")],
    ids=["function", "module"],
)
def test_an_unknown_function_waits_for_a_worker_that_knows_it(worker, unknown):
    """A call of another version's function is given back, as often as need be, and its worker makes others."""
    task_id, known = new_id(), new_id()
    worker.store.write(tasks.add, task_id, unknown)
    worker.store.write(tasks.add, known, CALL)
    for message in range(tasks.MAX_TRIES + 1):
        worker.run_task(task_id, message)
    worker.run_task(known, 1)
    waiting, done = (worker.store.read(tasks.progress, stored_id) for stored_id in (task_id, known))
    assert (waiting.tries, waiting.seconds, waiting.outcome) == (0, None, None)
    assert done.outcome == pickle.dumps((True, 42))
    assert worker.store.read(tasks.count_waiting) == 1


def test_a_full_disk_leaves_the_task_to_others(worker, monkeypatch, database_url, tmp_path):
    """A worker that has no room for a task's files gives it back, and another makes it."""
    task_id = new_id()
    worker.store.write(tasks.add, task_id, CALL)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    worker.run_task(task_id, 1)
    assert worker.store.read(tasks.progress, task_id).seconds is None
    monkeypatch.setattr(tempfile, "tempdir", None)
    Worker(Settings(data_dir=tmp_path, database_url=database_url, _env_file=None)).run_task(task_id, 1)
    assert worker.store.read(tasks.progress, task_id).outcome


def test_only_who_has_begun_a_task_gives_it_back(database_url):
    """A task that has another holder, or is finished, stays as it is."""
    store, other = Store(database_url, holder="worker-one"), Store(database_url, holder="worker-other")
    task_id = new_id()
    store.write(tasks.add, task_id, CALL)
    assert store.run_as_holder(tasks.begin, task_id, 1) == CALL
    other.run_as_holder(tasks.give_back, task_id)
    assert store.read(tasks.progress, task_id).tries == 1
    store.run_as_holder(tasks.finish, task_id, b"outcome")
    store.run_as_holder(tasks.give_back, task_id)
    assert store.read(tasks.progress, task_id).outcome == b"outcome"
    store.close()
    other.close()
