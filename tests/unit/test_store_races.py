"""The store under two processes at once: two stores on one database, many threads, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from image2model.errors import Image2ModelError, LimitReached
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.db.submissions import Submission
from image2model.jobs.ledger import NO_LIMITS, Buyer, Limits, day_start, total_spent
from image2model.jobs.models import Batch, NewBatch, NewJob

AT_THE_SAME_TIME = 8
PRICE = Decimal("0.30")


@pytest.fixture
def stores(database_url: str) -> Iterator[list[Store]]:
    """Two stores on the same database, as two processes have them."""
    stores = [Store(database_url), Store(database_url)]
    yield stores
    for store in stores:
        store.close()


def batch_of(store: Store, pictures: int = 1, limits: Limits = NO_LIMITS) -> Batch:
    """A stored batch of so many pictures."""
    jobs = [NewJob(f"{n}.jpg", f"{n}", PRICE) for n in range(pictures)]
    return store.create(NewBatch(new_id(), "tripo", {}, None, False, jobs), Buyer("c"), limits)


def all_at_once(stores: list[Store], call: Callable[[Store], object]) -> list[object]:
    """Results of several simultaneous calls, or the errors that they ended in."""

    def caught(number: int) -> object:
        try:
            return call(stores[number % len(stores)])
        except Image2ModelError as error:
            return error

    with ThreadPoolExecutor(AT_THE_SAME_TIME) as pool:
        return list(pool.map(caught, range(AT_THE_SAME_TIME)))


def test_a_daily_budget_holds_against_simultaneous_orders(stores):
    """Eight simultaneous orders do not exceed the day's budget."""
    limits = Limits(per_day=PRICE * 3)
    answers = all_at_once(stores, lambda store: batch_of(store, limits=limits))
    assert sum(isinstance(answer, Batch) for answer in answers) == 3
    assert sum(isinstance(answer, LimitReached) for answer in answers) == 5
    assert stores[0].read(total_spent, day_start(0)) == PRICE * 3


def test_concurrent_equal_submissions_make_one_batch(stores):
    """Eight equal submissions with one key get the same batch, and each of its jobs is bought once."""
    submission = Submission("key", "contents")

    def submit(store: Store) -> str:
        new = NewBatch(new_id(), "tripo", {}, None, False, [NewJob("a.jpg", "a", PRICE)])
        return store.create(new, submission=submission).id

    assert len(set(all_at_once(stores, submit))) == 1
    assert stores[0].read(total_spent, day_start(0)) == PRICE


def test_simultaneous_retries_buy_once(stores):
    """One of eight simultaneous retries restarts a failed job, and the ledger has one more purchase."""
    batch = batch_of(stores[0])
    stores[0].transition(batch.jobs[0].id, "failed", attempt=1, failure={"code": "fal_temporary", "message": "m"})
    answers = all_at_once(stores, lambda store: len(store.retry_jobs(batch.id, None, ["failed"])))
    assert sorted(answers) == [0] * 7 + [1]
    assert stores[1].batch(batch.id).jobs[0].purchase == 2


def test_one_try_of_a_job_ends_once(stores):
    """One of eight simultaneous reports of a job's end counts, and every change has its own sequence number."""
    batch = batch_of(stores[0], pictures=2)
    first, second = batch.jobs

    def report(store: Store) -> bool:
        store.transition(second.id, "running", attempt=1)
        return store.transition(first.id, "done", attempt=1) is not None

    assert sorted(all_at_once(stores, report)) == [False] * 7 + [True]
    numbers = [event["sequence"] for event in stores[1].events(batch.id)]
    assert len(set(numbers)) == len(numbers) == 2
    assert stores[1].sequence(batch.id) == AT_THE_SAME_TIME + 1


def test_a_deletion_meets_a_change_without_a_deadlock(stores):
    """A batch that is deleted while its jobs change is gone afterwards, without a deadlock."""
    batch = batch_of(stores[0], pictures=AT_THE_SAME_TIME)
    jobs = iter(batch.jobs)

    def change(store: Store) -> object:
        job = next(jobs)
        if job.number == 4:
            return store.delete(batch.id)
        return store.transition(job.id, "running", attempt=1)

    all_at_once(stores, change)
    assert batch.id not in stores[1].batch_ids()
