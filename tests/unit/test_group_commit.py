"""The store for asyncio: changes that wait at the same time are one transaction, and each is safe when it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import event

from image2model.jobs.db.async_store import AsyncStore
from image2model.jobs.db.group_commit import GroupCommit
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import Batch, Job, NewBatch, NewJob
from image2model.jobs.notifications import ChangeNotifier

JOBS = 25


@pytest.fixture
def store(database_url: str) -> Iterator[AsyncStore]:
    """A store for asyncio on a real database of each kind."""
    blocking = Store(database_url)
    store = AsyncStore(blocking, ChangeNotifier())
    yield store
    store.close()
    blocking.close()


def batch_of(store: Store) -> Batch:
    """A stored batch of 25 pictures."""
    jobs = [NewJob(f"{n}.jpg", f"{n}", Decimal("0.30")) for n in range(JOBS)]
    return store.create(NewBatch(new_id(), "tripo", {}, None, False, jobs))


def commits(store: Store) -> list[object]:
    """A list that grows with each transaction that the store commits."""
    seen: list[object] = []
    event.listen(store._engine, "commit", seen.append)
    return seen


async def test_changes_that_wait_together_are_committed_together(store):
    """Fifty changes of 25 jobs of two batches at once are one transaction, and get sequence numbers of their own."""
    batches = [batch_of(store.store), batch_of(store.store)]
    seen = commits(store.store)
    changed = await asyncio.gather(
        *(store.transition(job, "uploading", progress=0.01) for batch in batches for job in batch.jobs)
    )
    assert len(seen) == 1
    assert sorted(job.sequence for job in changed) == sorted([*range(1, JOBS + 1)] * 2)


async def test_a_change_is_safe_on_disk_when_it_returns(store, database_url):
    """Each step of 25 jobs at once can be read by another process before the job's next step."""
    batch, other = batch_of(store.store), Store(database_url)

    async def work(job: Job) -> None:
        for state in ("uploading", "submitting", "queued", "running"):
            await store.transition(job, state)
            assert other.job(job.id).state == state

    await asyncio.gather(*map(work, batch.jobs))
    other.close()


async def test_a_change_at_fault_fails_alone(store):
    """A change that raises is undone and raised to its own caller; those that wait with it are stored."""
    batch, together = batch_of(store.store), GroupCommit(store.store, store._thread)

    def broken() -> None:
        store.store.transition(batch.jobs[2].id, "running", attempt=1)
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        together.write(batch.id, lambda: store.store.transition(batch.jobs[0].id, "uploading", attempt=1)),
        together.write(batch.id, broken),
        together.write(batch.id, lambda: store.store.transition(batch.jobs[1].id, "uploading", attempt=1)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], ZeroDivisionError)
    stored = store.store.batch(batch.id)
    assert [job.state for job in stored.jobs[:3]] == ["uploading", "uploading", "new"]
    assert stored.sequence == 2


async def test_changes_of_cancelled_callers_are_left_out(store):
    """A caller that is cancelled before its change begins leaves the job as it is; the next change is stored."""
    batch = batch_of(store.store)
    gone = asyncio.create_task(store.transition(batch.jobs[0], "uploading"))
    await asyncio.sleep(0)
    gone.cancel()
    await store.transition(batch.jobs[1], "uploading")
    assert [job.state for job in store.store.batch(batch.id).jobs[:2]] == ["new", "uploading"]
