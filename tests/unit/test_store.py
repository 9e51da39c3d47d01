"""The store: transitions, sequence numbers, migrations, two processes' worth of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from image2model.errors import NotFound
from image2model.jobs.db import leases, migrations
from image2model.jobs.db.queries import BatchFilter
from image2model.jobs.db.schema import metadata
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import FINISHED, STATE_ORDER, Batch, NewBatch, NewJob, SidePicture, can_transition


@pytest.fixture
def store(database_url: str):
    """A store on a real database of each kind."""
    store = Store(database_url)
    yield store
    store.close()


def make(store: Store, pictures: int = 2, visitor: str = "") -> Batch:
    """A stored batch of so many pictures."""
    jobs = [NewJob(f"chair {n}.jpg", f"chair-{n}", Decimal("0.30")) for n in range(pictures)]
    return store.create(NewBatch(new_id(), "local", {}, None, False, jobs, visitor=visitor))


def test_a_new_batch_reads_back_whole(store):
    """A stored batch is read back equal, with its amounts to the cent."""
    batch = make(store)
    assert store.batch(batch.id) == batch
    assert batch.estimate == Decimal("0.6")
    assert [job.state for job in batch.jobs] == ["new", "new"]
    assert batch.state == "working"


def test_each_change_gets_the_next_sequence_number(store):
    """Sequence numbers of a batch grow by one with each change, whichever job changes."""
    first, second = make(store).jobs
    numbers = [
        store.transition(first.id, "running", attempt=1).sequence,
        store.transition(second.id, "running", attempt=1).sequence,
        store.transition(first.id, "running", attempt=1, progress=0.5).sequence,
    ]
    assert numbers == [1, 2, 3]
    assert [event["sequence"] for event in store.events(first.batch_id)] == [1, 2]
    assert store.sequence(first.batch_id) == 3


@pytest.mark.parametrize("finished", sorted(FINISHED))
@pytest.mark.parametrize("then", sorted(STATE_ORDER))
def test_a_finished_job_never_moves(store, finished, then):
    """No state follows a finished one."""
    job = make(store).jobs[0]
    store.transition(job.id, finished, attempt=1)
    assert store.transition(job.id, then, attempt=1) is None
    assert store.job(job.id).state == finished


def test_update_of_an_earlier_attempt_is_ignored(store):
    """A step backwards and news of an earlier try are ignored."""
    job = make(store).jobs[0]
    store.transition(job.id, "running", attempt=1, progress=0.7)
    assert store.transition(job.id, "queued", attempt=1) is None
    store.transition(job.id, "failed", attempt=1)
    assert store.retry_jobs(job.batch_id, [1], ["failed"])[0].attempt == 2
    assert store.transition(job.id, "done", attempt=1) is None
    assert store.job(job.id).state == "new"


def test_progress_never_falls(store):
    """Progress keeps its highest value within a try and is whole at the end."""
    job = make(store).jobs[0]
    store.transition(job.id, "running", attempt=1, progress=0.7)
    assert store.transition(job.id, "running", attempt=1, progress=0.2).progress == 0.7
    assert store.transition(job.id, "done", attempt=1).progress == 1


def test_only_the_named_states_start_again(store):
    """A running job cannot be retried, a failed one starts with a clean row."""
    job = make(store).jobs[0]
    store.transition(job.id, "running", attempt=1)
    assert store.retry_jobs(job.batch_id, [1], ["failed", "cancelled"]) == []
    store.transition(job.id, "failed", attempt=1, failure={"code": "x", "message": "y"})
    (fresh,) = store.retry_jobs(job.batch_id, [1], ["failed", "cancelled"])
    assert (fresh.state, fresh.failure, fresh.progress, fresh.started_at) == ("new", None, 0, None)


def test_states_have_an_order():
    """A job can always be ended, and never goes back."""
    assert all(can_transition(state, "cancelled") for state in STATE_ORDER if state not in FINISHED)
    assert not can_transition("running", "queued")


def test_the_batch_state_follows_from_its_jobs(store):
    """One done and one failed make a batch partly done; all of one kind give it their name."""
    batch = make(store)
    store.transition(batch.jobs[0].id, "done", attempt=1)
    assert store.batch(batch.id).state == "working"
    store.transition(batch.jobs[1].id, "failed", attempt=1)
    assert store.batch(batch.id).state == "partly"


def test_money_spent_is_the_sum_of_the_jobs(store):
    """Costs of jobs add up exactly."""
    batch = make(store, 3)
    for job in batch.jobs:
        store.transition(job.id, "done", attempt=1, cost=Decimal("0.1"))
    assert store.batch(batch.id).spent == Decimal("0.3")


def test_a_deleted_batch_is_gone_with_its_jobs(store):
    """After deletion neither the batch nor its jobs or events are found."""
    batch = make(store)
    store.transition(batch.jobs[0].id, "running", attempt=1)
    store.delete(batch.id)
    with pytest.raises(NotFound):
        store.batch(batch.id)
    with pytest.raises(NotFound):
        store.job(batch.jobs[0].id)
    with pytest.raises(NotFound):
        store.delete(batch.id)
    assert store.events(batch.id) == []


def test_visitors_see_their_own_batches(store):
    """A visitor's list has the visitor's own batches alone, the newest first."""
    older, _, newer = make(store, visitor="ann"), make(store, visitor="bob"), make(store, visitor="ann")
    assert [batch.id for batch in store.list_batches("ann")] == [newer.id, older.id]
    assert len(store.list_batches()) == 3


def test_unfinished_jobs_are_listed_oldest_first(store, database_url):
    """The process of a restart takes the jobs with work left in the order they were given, once."""
    first, second = make(store), make(store)
    store.transition(first.jobs[0].id, "done", attempt=1)
    restarted = Store(database_url)
    order = [(batch.id, job.number) for batch, job in restarted.run_as_holder(leases.acquire_jobs, 10)]
    assert order == [(first.id, 2), (second.id, 1), (second.id, 2)]
    assert restarted.run_as_holder(leases.acquire_jobs, 10) == []
    restarted.close()
    assert store.count_queued_before(second) == 1


def test_writers_do_not_lose_each_other_s_changes(store):
    """Eight threads moving the jobs of one batch give every change its own number."""
    batch = make(store, 40)
    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(lambda job: store.transition(job.id, "running", attempt=1), batch.jobs))
    assert sorted(job.sequence for job in moved) == list(range(1, 41))


def test_reopened_store_keeps_its_data(database_url):
    """The schema is brought up once; opening again keeps the rows."""
    first = Store(database_url)
    batch = make(first)
    first.close()
    second = Store(database_url)
    assert second.batch(batch.id) == batch
    second.close()


def test_migrations_and_tables_agree(store):
    """The schema that the migrations make is the schema that the code declares."""
    with store._engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_the_state_and_the_names_of_a_batch_are_kept_for_searching(store):
    """The batch's own row follows its jobs to their ends and back, and names every picture in any script's case."""
    jobs = [
        NewJob("ÄPFEL Front.png", "a", Decimal(0), (SidePicture("back", "Кот.png"),)),
        NewJob("b.png", "b", Decimal(0)),
    ]
    batch = store.create(NewBatch(new_id(), "local", {}, None, False, jobs))
    other = make(store)

    def found(**wanted: str) -> list[str]:
        return [batch.id for batch in store.find_page(BatchFilter(**wanted), 10, 0)[0]]

    for text in ("äpfel", "кОТ", "B.PNG", batch.id[:8].upper(), batch.task_id, batch.legacy_job_id[:20]):
        assert found(text=text) == [batch.id]
    assert found(state="working") == [other.id, batch.id]
    for job in batch.jobs:
        store.transition(job.id, "failed", attempt=1, failure={"code": "x", "message": "y"})
    assert (found(state="failed"), found(state="working")) == ([batch.id], [other.id])
    store.retry_jobs(batch.id, [1], ["failed"])
    assert (found(state="failed"), store.batch(batch.id).state) == ([], "working")


def unheld(batch: Batch) -> Batch:
    """The batch without who runs its jobs, which an old database does not know."""
    return replace(batch, jobs=tuple(replace(job, holder=None) for job in batch.jobs))


def test_batches_of_before_can_be_searched(database_url):
    """A database from before there was a search gets each batch's state and names from its jobs."""
    store = Store(database_url)
    ends = [
        ("done", "done"),
        ("done", "failed"),
        ("cancelled", "cancelled"),
        ("unconfirmed", "cancelled"),
        ("done", ""),
    ]
    expected = []
    for states in ends:
        batch = make(store)
        for job, state in zip(batch.jobs, filter(None, states), strict=False):
            store.transition(job.id, state, attempt=1)
        expected.append(store.batch(batch.id))
    with store._engine.execution_options(write=True).begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", migrations.__path__[0])
        command.downgrade(config, "0004")
    store.close()
    store = Store(database_url)
    assert [unheld(store.batch(batch.id)) for batch in expected] == [unheld(batch) for batch in expected]
    assert [batch.state for batch in expected] == ["done", "partly", "cancelled", "failed", "working"]
    store.close()
