"""Leases: of several processes on one database each job has one, and who has lost it can change nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy.exc import DBAPIError

from image2model.jobs.db import connection, leases
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.ledger import ANONYMOUS, Buyer
from image2model.jobs.models import Batch, Job, NewBatch, NewJob, Wait

MINUTE = 60.0


@pytest.fixture
def web(database_url: str) -> Iterator[Store]:
    """The store of a process that runs no jobs."""
    store = Store(database_url, runs_jobs=False)
    yield store
    store.close()


@pytest.fixture
def schedulers(database_url: str) -> Iterator[tuple[Store, Store]]:
    """The stores of two living processes that run jobs."""
    stores = Store(database_url), Store(database_url)
    for store in stores:
        store.run_as_holder(leases.renew, MINUTE)
    yield stores
    for store in stores:
        store.close()


def batch_of(store: Store, pictures: int = 1, buyer: Buyer = ANONYMOUS) -> Batch:
    """A stored batch of so many pictures."""
    jobs = [NewJob(f"{n}.jpg", f"{n}", Decimal(0)) for n in range(pictures)]
    return store.create(NewBatch(new_id(), "tripo", {}, None, False, jobs), buyer)


def taken_by(store: Store, limit: int = 10) -> list[Job]:
    """The jobs that a process takes."""
    return [job for _, job in store.run_as_holder(leases.acquire_jobs, limit)]


def test_free_jobs_are_acquired_once_in_order(web, schedulers):
    """Two processes that take jobs at the same time share them: none twice, none left, the oldest first."""
    batches = [batch_of(web, 5) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        takes = list(pool.map(lambda number: taken_by(schedulers[number % 2], 3), range(8)))
    numbers = {job.id: place for place, job in enumerate(job for batch in batches for job in batch.jobs)}
    assert sorted(numbers[job.id] for taken in takes for job in taken) == list(range(20))
    assert all(sorted(taken, key=lambda job: numbers[job.id]) == taken for taken in takes)


def test_jobs_of_a_living_process_are_not_acquired(schedulers):
    """A process that runs jobs holds what it stores, and others leave that to it as long as it lives."""
    first, second = schedulers
    (job,) = batch_of(first).jobs
    assert job.holder == first.holder
    assert taken_by(second) == []
    first.run_as_holder(leases.renew, -1.0)
    assert [(job.id, job.holder) for job in taken_by(second)] == [(job.id, second.holder)]


@pytest.mark.parametrize("skew", [-86400.0, 86400.0])
def test_leases_follow_the_clock_of_the_database(postgres, monkeypatch, skew):
    """A machine whose clock is a day off takes nothing from a living process, and loses nothing to it."""
    url = postgres.database(new_id())
    on_time, off = Store(url), Store(url)
    on_time.run_as_holder(leases.renew, MINUTE)
    (held,) = batch_of(on_time).jobs
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda real=time.time: real() + skew)
        off.run_as_holder(leases.renew, MINUTE)
        (own,) = batch_of(off).jobs
        assert taken_by(off) == []
    assert taken_by(on_time) == []
    assert (held.holder, own.holder) == (on_time.holder, off.holder)
    on_time.close()
    off.close()


def test_writes_of_a_process_that_slept_through_its_lease_are_refused(schedulers):
    """After its lease was taken over a process can neither move, nor hold, nor restart the job; the new holder can."""
    suspended, successor = schedulers
    (job,) = batch_of(suspended).jobs
    suspended.run_as_holder(leases.renew, -1.0)
    ((_, taken),) = successor.run_as_holder(leases.acquire_jobs, 10)
    suspended.run_as_holder(leases.renew, MINUTE)  # it wakes, and believes that nothing has happened
    assert suspended.transition(job.id, "submitting", attempt=1, fence=job.fence) is None
    assert suspended.set_waiting(job.id, 1, Wait("x", "m"), job.fence) is None
    assert suspended.schedule_next_attempt(job.id, 1, None, None, job.fence) is None
    assert successor.transition(job.id, "submitting", attempt=1, fence=taken.fence).state == "submitting"
    assert taken_by(suspended) == []


def test_released_jobs_are_free_immediately(schedulers):
    """The unfinished jobs of a process that ends need no lapse of its lease; finished ones stay as they are."""
    first, second = schedulers
    batch = batch_of(first, 2)
    done = first.transition(batch.jobs[0].id, "done", attempt=1)
    first.run_as_holder(leases.release)
    assert [job.id for job in taken_by(second)] == [batch.jobs[1].id]
    assert second.job(done.id) == done


def test_job_on_a_visitor_key_stays_with_the_process_that_has_it(web, schedulers):
    """A process that runs no jobs holds those on keys that only it knows, until it dies."""
    web.run_as_holder(leases.renew, MINUTE)
    (job,) = batch_of(web, buyer=Buyer("client", "mark")).jobs
    assert job.holder == web.holder
    assert taken_by(schedulers[0]) == []
    web.run_as_holder(leases.renew, -1.0)
    assert [job.id for job in taken_by(schedulers[0])] == [job.id]


def test_key_given_to_another_process_moves_the_job(web, schedulers):
    """A process that learns the key a job waits for takes the job from its holder, unless it is finished."""
    batch = batch_of(schedulers[0], 2)
    schedulers[0].transition(batch.jobs[0].id, "done", attempt=1)
    (seized,) = web.run_as_holder(leases.reassign_jobs, batch.id, [job.id for job in batch.jobs])
    assert (seized.id, seized.holder) == (batch.jobs[1].id, web.holder)
    assert schedulers[0].transition(seized.id, "running", attempt=1, fence=batch.jobs[1].fence) is None


def test_cancel_in_another_process_takes_over_a_submitted_job(web, schedulers):
    """A cancel in another process releases a submitted job, so that its next holder cancels it at the provider."""
    (job,) = batch_of(schedulers[0]).jobs
    schedulers[0].transition(job.id, "queued", attempt=1, remote={"request_id": "r"})
    assert schedulers[0].cancel(job.id).holder == schedulers[0].holder
    assert web.cancel(job.id).holder is None
    ((_, taken),) = schedulers[1].run_as_holder(leases.acquire_jobs, 10)
    assert (taken.id, taken.state, taken.remote) == (job.id, "cancelling", {"request_id": "r"})


def test_a_cancel_elsewhere_waits_for_the_answer_of_a_submission(web, schedulers):
    """A job that is being submitted at this moment stays with its holder, whose answer is stored."""
    (job,) = batch_of(schedulers[0]).jobs
    schedulers[0].transition(job.id, "submitting", attempt=1, fence=job.fence)
    assert web.cancel(job.id).holder == schedulers[0].holder
    moved = schedulers[0].transition(job.id, "queued", attempt=1, fence=job.fence, remote={"request_id": "r"})
    assert (moved.state, moved.remote) == ("cancelling", {"request_id": "r"})


def test_process_stalled_in_a_transaction_blocks_no_other(postgres, monkeypatch):
    """The locks of a stalled process are released for others, and its own write fails when it wakes."""
    url = postgres.database()
    current = Store(url)  # on a busy machine it may stand still for longer
    monkeypatch.setattr(connection, "IDLE_TRANSACTION_SECONDS", 0.2)
    lapsed = Store(url)
    job = batch_of(lapsed).jobs[0]

    @lapsed.one_transaction()
    def write_after_others() -> None:
        assert lapsed.transition(job.id, "queued", attempt=1)
        assert current.transition(job.id, "uploading", attempt=1)
        lapsed.transition(job.id, "running", attempt=1)

    with pytest.raises(DBAPIError):
        write_after_others()
    assert current.job(job.id).state == "uploading"
    for store in (lapsed, current):
        store.close()
