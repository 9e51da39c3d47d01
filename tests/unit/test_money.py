"""The ledger and the host's limits, on a real SQLite file and a real PostgreSQL."""

from __future__ import annotations

from decimal import Decimal

import pytest

from image2model.errors import LimitReached
from image2model.jobs import ledger
from image2model.jobs.db import queries
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.ledger import NO_LIMITS, Buyer, Limits, day_start, month_start
from image2model.jobs.models import Batch, NewBatch, NewJob


@pytest.fixture
def store(database_url: str):
    """A store on a real database of each kind."""
    store = Store(database_url)
    yield store
    store.close()


def buy(store: Store, images: int = 2, price: str = "0.30", limits: Limits = NO_LIMITS, **buyer: str) -> Batch:
    """A batch of so many images at a price."""
    jobs = [NewJob(f"{n}.jpg", f"{n}", Decimal(price)) for n in range(images)]
    return store.create(NewBatch(new_id(), "tripo", {}, None, False, jobs), Buyer(**buyer), limits)


def take(store: Store, batch: Batch, number: int = 1) -> None:
    """A job is at the provider, and at work there."""
    job = batch.jobs[number - 1]
    store.transition(job.id, "submitting", attempt=job.attempt)
    store.transition(job.id, "queued", attempt=job.attempt, remote={"request_id": "r"})
    store.transition(job.id, "running", attempt=job.attempt)


def states(store: Store) -> dict[str, tuple[Decimal, int]]:
    """The ledger's sums by state."""
    return {row["state"]: (row["amount"], row["images"]) for row in store.read(queries.spending, "generator")}


def test_each_image_is_booked_before_it_is_made(store):
    """A new batch reserves its whole price at once."""
    buy(store, 3)
    assert states(store) == {"reserved": (Decimal("0.9"), 3)}
    assert store.read(ledger.total_spent, day_start()) == Decimal("0.9")


def test_charged_amount_replaces_the_estimate(store):
    """A done job costs the amount reported by the generator."""
    batch = buy(store, 1)
    take(store, batch)
    store.transition(batch.jobs[0].id, "done", attempt=1, cost=Decimal("0.45"))
    assert states(store) == {"charged": (Decimal("0.45"), 1)}


@pytest.mark.parametrize(
    ("taken", "state", "code", "outcome"),
    [
        (False, "failed", "key_refused", "free"),
        (True, "failed", "fal_temporary", "free"),
        (True, "failed", "nothing_built", "maybe"),
        (True, "cancelled", "", "maybe"),
        (False, "cancelled", "", "free"),
        (False, "unconfirmed", "unconfirmed", "maybe"),
    ],
)
def test_unsuccessful_job_is_billed_as_by_fal(store, taken, state, code, outcome):
    """Nothing before it was taken and for fal's own faults; perhaps for anything else."""
    batch = buy(store, 1)
    if taken:
        take(store, batch)
    store.transition(batch.jobs[0].id, state, attempt=1, failure={"code": code, "message": "m"} if code else None)
    assert states(store) == {outcome: (Decimal(0) if outcome == "free" else Decimal("0.3"), 1)}


def test_a_job_cancelled_in_the_queue_is_free(store):
    """fal bills no time in its queue."""
    batch = buy(store, 1)
    store.transition(batch.jobs[0].id, "queued", attempt=1, remote={"request_id": "r"})
    store.cancel(batch.jobs[0].id)
    store.transition(batch.jobs[0].id, "cancelled", attempt=1)
    assert states(store)["free"][1] == 1


def test_the_daily_budget_is_never_passed(store):
    """An order beyond what is left is refused whole, with what is left; nothing of it is stored."""
    limits = Limits(per_day=Decimal(1))
    buy(store, 3, limits=limits)
    with pytest.raises(LimitReached, match=r"\$0.10 is left") as refused:
        buy(store, 1, limits=limits)
    assert refused.value.code == "budget_reached"
    assert 0 < refused.value.retry_after <= 86400
    assert store.read(queries.total_counts)["batches"] == 1
    buy(store, 1, price="0.10", limits=limits)


def test_a_retry_asks_the_budget_too_unless_it_only_collects(store):
    """Trying again buys again; collecting what was paid for does not."""
    limits = Limits(per_day=Decimal("0.5"))
    batch = buy(store, 1, limits=limits)
    take(store, batch)
    failure = {"code": "internal_error", "message": "m", "retryable": True}
    store.transition(batch.jobs[0].id, "failed", attempt=1, failure=failure)
    with pytest.raises(LimitReached):
        store.retry_jobs(batch.id, None, ["failed"], limits=limits)
    (again,) = store.retry_jobs(batch.id, None, ["failed"], {"internal_error"}, limits=limits)
    assert (again.purchase, again.remote) == (1, {"request_id": "r"})
    assert states(store) == {"reserved": (Decimal("0.3"), 1)}


def test_a_free_generator_needs_no_budget(store):
    """A free generator is not limited by a budget that is used up."""
    limits = Limits(per_day=Decimal(0), per_batch=Decimal(0))
    buy(store, 5, price="0", limits=limits)
    with pytest.raises(LimitReached):
        buy(store, 1, price="0.02", limits=limits)


def test_a_batch_may_not_cost_more_than_the_host_allows(store):
    """A batch above the limit is refused with its price and the limit."""
    limits = Limits(per_batch=Decimal("0.5"))
    with pytest.raises(LimitReached, match=r"\$0.60; the host allows \$0.50"):
        buy(store, 2, limits=limits)


def test_a_visitor_s_own_key_spends_nothing_of_the_host_s(store):
    """Own keys pass the budget and the batch limit, and are summed apart."""
    buy(store, 2, limits=Limits(per_day=Decimal(0), per_batch=Decimal(0)), key_mark="abc")
    assert store.read(ledger.total_spent, 0) == 0
    assert [row["own_key"] for row in store.read(queries.spending, "day")] == [True]


def test_one_visitor_has_so_many_images_an_hour(store):
    """The count is of the address, passes by deleting nothing, and does not touch others."""
    limits = Limits(images_per_hour=3)
    first = buy(store, 2, price="0", limits=limits, client="ann")
    store.delete(first.id)
    with pytest.raises(LimitReached, match="3 images made in an hour; 1 are left") as refused:
        buy(store, 2, price="0", limits=limits, client="ann")
    assert 3500 < refused.value.retry_after <= 3600
    buy(store, 1, price="0", limits=limits, client="ann")
    buy(store, 3, price="0", limits=limits, client="bob")


def test_deleting_a_batch_keeps_its_cost(store):
    """The ledger outlives the batch; jobs that were cut short are settled by how far they had come."""
    batch = buy(store, 2)
    take(store, batch)
    store.delete(batch.id)
    assert states(store) == {"free": (Decimal(0), 1), "maybe": (Decimal("0.3"), 1)}


@pytest.mark.parametrize("by", ["day", "client", "batch", "generator"])
def test_the_ledger_sums_by_day_client_batch_and_generator(store, by):
    """Each way of grouping comes to the same total."""
    for client in ("ann", "bob"):
        buy(store, 2, client=client)
    rows = store.read(queries.spending, by)
    assert sum(row["amount"] for row in rows) == Decimal("1.2")
    assert sum(row["images"] for row in rows) == 4


def test_days_and_months_begin_at_midnight_utc():
    """2026-11-23 12:00 UTC lies in the day and the month that began at midnight."""
    noon = 1795435200.0
    assert noon - day_start(noon) == 43200
    assert noon - month_start(noon) == 22 * 86400 + 43200
