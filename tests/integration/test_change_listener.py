"""Changes that another process stores wake the watchers of this one, over a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest

from image2model.jobs.db.listener import CHANNEL, can_listen, listen
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import Batch, NewBatch, NewJob
from image2model.jobs.notifications import ChangeNotifier


@pytest.fixture
def url(postgres) -> str:
    """A new PostgreSQL database."""
    return postgres.database()


@pytest.fixture
def store(url: str):
    """The other process's store."""
    store = Store(url)
    yield store
    store.close()


@pytest.fixture
async def changes(url: str) -> AsyncIterator[ChangeNotifier]:
    """This process's notifier, once it listens."""
    changes = ChangeNotifier()
    with changes.subscribe("the start") as started:
        task = asyncio.create_task(listen(url, changes))
        async with asyncio.timeout(10):
            await started.wait()
    yield changes
    task.cancel()


def batch_of_one(store: Store) -> Batch:
    """A stored batch of one picture."""
    return store.create(NewBatch(new_id(), "local", {}, None, False, [NewJob("a.jpg", "a", Decimal(0))]))


async def test_a_watcher_wakes_at_another_process_s_change(store, changes):
    """A job's change in another process wakes the subscribers of its batch and no others."""
    batch, other = batch_of_one(store), batch_of_one(store)
    with changes.subscribe(batch.id) as changed, changes.subscribe(other.id) as unchanged:
        store.transition(batch.jobs[0].id, "running", attempt=1)
        async with asyncio.timeout(5):
            await changed.wait()
        assert not unchanged.is_set()


async def test_watchers_refresh_after_a_lost_connection(url, store, changes):
    """A listener whose connection is ended by the server comes back, and wakes all for what they may have missed."""
    batch = batch_of_one(store)
    with changes.subscribe(batch.id) as changed:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s", [f"LISTEN {CHANNEL}"]
            )
            assert ended.fetchall() == [(True,)]
        async with asyncio.timeout(10):
            await changed.wait()
        changed.clear()
        store.transition(batch.jobs[0].id, "running", attempt=1)
        async with asyncio.timeout(5):
            await changed.wait()


def test_only_postgresql_is_listened_to(tmp_path):
    """A SQLite file has all its watchers in one process."""
    assert not can_listen(f"sqlite:///{tmp_path / 'x.db'}")
