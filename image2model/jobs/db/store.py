"""The store of batches, jobs and events: SQLAlchemy, on SQLite by default.

Every method is one short transaction and blocks; `AsyncStore` calls it in a thread.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...errors import Conflict, ErrorCode, NotFound
from ...metrics import RETRIES
from .. import ledger
from ..models import (
    FINISHED,
    STATE_ORDER,
    UNFINISHED,
    Batch,
    Job,
    JobState,
    NewBatch,
    NewJob,
    Wait,
    batch_state,
    can_transition,
    fold_case,
)
from . import queries
from .connection import connect, lock_batch, migrate
from .listener import FREE_JOBS_TOPIC, notify
from .mappers import batch_not_found, load_batch, load_batches, to_job
from .schema import batches, events, jobs
from .submissions import Submission, find_submission, store_submission

P = ParamSpec("P")
T = TypeVar("T")
EMPTY: Mapping[str, Any] = {}
# Every step of a job runs these, so they are built once; an update sets the columns that its parameters name.
SELECT_JOB = select(jobs).where(jobs.c.id == bindparam("of_job")).with_for_update()
UPDATE_JOB = update(jobs).where(jobs.c.id == bindparam("of_job")).returning(jobs)
IS_BATCH = batches.c.id == bindparam("of_batch")
NEXT_SEQUENCE = update(batches).where(IS_BATCH).values(sequence=batches.c.sequence + 1).returning(batches.c.sequence)
UPDATE_BATCH = update(batches).where(IS_BATCH)
STATES_OF_BATCH = select(jobs.c.state).where(jobs.c.batch_id == bindparam("of_batch")).distinct()
INSERT_EVENT = insert(events)


def new_id() -> str:
    """An unguessable id (122 random bits); knowing a batch's id is the right to read it."""
    return str(uuid.uuid4())


class Store:
    """The database at `url`, brought to the newest schema when opened.

    A process that `runs_jobs` holds those that it stores; else only those on a visitor's key, which no other can run.
    """

    def __init__(self, url: str, *, runs_jobs: bool = True, holder: str = "") -> None:
        self.holder = holder or new_id()
        """Name of this process as the holder of jobs (`leases`)."""
        self._runs_jobs = runs_jobs
        self._engine = connect(url)
        self._transaction_of_thread = threading.local()
        migrate(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def create(
        self,
        new: NewBatch,
        buyer: ledger.Buyer = ledger.ANONYMOUS,
        limits: ledger.Limits = ledger.NO_LIMITS,
        submission: Submission | None = None,
    ) -> Batch:
        """Store a new batch with its jobs; raises LimitReached, and then stores nothing.

        For a submission that has made a batch already, return that one; raises Conflict where its key made another.
        """
        try:
            with self._begin_write() as connection:
                return self._create(connection, new, buyer, limits, submission)
        except IntegrityError:  # on PostgreSQL, whose transactions run side by side
            if submission is None or (existing := self.find_submitted(submission)) is None:
                raise
            return existing

    def find_submitted(self, submission: Submission) -> Batch | None:
        """The batch that a submission has made within a day; raises Conflict, and NotFound for a deleted batch."""
        with self._engine.connect() as connection:
            batch_id = find_submission(connection, submission, time.time())
            return load_batch(connection, batch_id) if batch_id else None

    def _create(
        self,
        connection: Connection,
        new: NewBatch,
        buyer: ledger.Buyer,
        limits: ledger.Limits,
        submission: Submission | None,
    ) -> Batch:
        now = time.time()
        if submission:
            if batch_id := find_submission(connection, submission, now):
                return load_batch(connection, batch_id)
            store_submission(connection, submission, new.id, now)
        order = ledger.Order([job.price for job in new.jobs], buyer)
        ledger.check_limits(connection, order, limits, now)
        connection.execute(insert(batches), _batch_row(new, now))
        connection.execute(insert(jobs), _job_rows(new, buyer.key_mark, self._initial_holder(buyer.key_mark), now))
        self._announce_free(connection, buyer.key_mark)
        stored = load_batch(connection, new.id)
        ledger.reserve(connection, order, new.id, new.generator, stored.jobs, now)
        return stored

    def batch(self, batch_id: str) -> Batch:
        """The batch with its jobs in their order; raises NotFound."""
        with self._engine.connect() as connection:
            return load_batch(connection, batch_id)

    def job(self, job_id: str) -> Job:
        """The job; raises NotFound."""
        with self._engine.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFound(ErrorCode.JOB_NOT_FOUND, "There is no such job.", "It may have been deleted.")
        return to_job(row)

    def sequence(self, batch_id: str) -> int | None:
        """Sequence number of the batch's latest change; None for an unknown batch."""
        with self._engine.connect() as connection:
            return connection.scalar(select(batches.c.sequence).where(batches.c.id == batch_id))

    def transition(
        self, job_id: str, state: JobState, *, attempt: int, fence: int | None = None, **fields: Any
    ) -> Job | None:
        """Take a job to `state` and set `fields` of it, as its execution does; return None where nothing changes.

        `attempt` and `fence` are the caller's (no fence: not an execution's): an update under an earlier one, a step
        backwards and anything after the end come too late and change nothing. Progress never falls. A job that is
        being cancelled stays so when it is taken.
        """
        with self._begin_write() as connection:
            row = _job_row(connection, job_id)
            if row is not None and row.state == "cancelling" and "remote" in fields:
                state = "cancelling"
            if row is None or _is_superseded(row, attempt, fence) or not can_transition(row.state, state):
                return None
            now = time.time()
            values = {
                "waiting": None,
                **fields,
                "state": state,
                "progress": 1.0 if state == "done" else max(row.progress, fields.get("progress", 0.0)),
                "queue_position": fields.get("queue_position"),
                "started_at": row.started_at or now,
                "running_at": row.running_at or (now if state == "running" else None),
                "finished_at": now if state in FINISHED else None,
            }
            return _update_job(connection, row, values, now)

    def set_waiting(self, job_id: str, attempt: int, waiting: Wait, fence: int | None = None) -> Job | None:
        """Store the reason why an unfinished job waits; return None where nothing changes."""
        with self._begin_write() as connection:
            row = _job_row(connection, job_id)
            if row is None or _is_superseded(row, attempt, fence) or row.state in FINISHED:
                return None
            return _update_job(connection, row, {"waiting": asdict(waiting)}, time.time())

    def schedule_next_attempt(
        self,
        job_id: str,
        attempt: int,
        waiting: Wait | None,
        remote: Mapping[str, Any] | None = None,
        fence: int | None = None,
    ) -> Job | None:
        """Begin a job's next attempt after `waiting`: with `remote` only to collect, without it to submit again."""
        with self._begin_write() as connection:
            row = _job_row(connection, job_id)
            if row is None or _is_superseded(row, attempt, fence) or row.state in FINISHED:
                return None
            values = {
                "state": "cancelling" if row.state == "cancelling" else "new",
                "attempt": row.attempt + 1,
                "tries": row.tries if remote or row.remote is None else row.tries + 1,
                "remote": None if remote is None else dict(remote),
                "waiting": waiting and asdict(waiting),
                "queue_position": None,
                "message": "",
            }
            return _update_job(connection, row, values, time.time())

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that is not submitted, mark any other as `cancelling`; return None where it is too late.

        What another process follows at its provider is taken from it, so that whoever takes it next tells the provider.
        """
        with self._begin_write() as connection:
            row = _job_row(connection, job_id)
            if row is None or row.state in FINISHED or STATE_ORDER[row.state] >= STATE_ORDER["downloading"]:
                return None
            submitted = row.remote is not None or row.state in ("submitting", "cancelling")
            now = time.time()
            cleared = {"queue_position": None, "waiting": None, "message": ""}
            if submitted:
                followed_elsewhere = row.remote is not None and row.holder != self.holder
                if followed_elsewhere:
                    cleared |= {"holder": None, "fence": row.fence + 1}
                    notify(connection, FREE_JOBS_TOPIC)
                return _update_job(connection, row, {**cleared, "state": "cancelling"}, now)
            return _update_job(connection, row, {**cleared, "state": "cancelled", "finished_at": now}, now)

    def retry_jobs(
        self,
        batch_id: str,
        numbers: Container[int] | None,
        states: Container[JobState],
        collectable: Container[str] = (),
        *,
        found_remotes: Mapping[str, Mapping[str, Any]] = EMPTY,
        buyer: ledger.Buyer = ledger.ANONYMOUS,
        keeps_payer: bool = True,
        limits: ledger.Limits = ledger.NO_LIMITS,
    ) -> list[Job]:
        """Retry the jobs of a batch that are in one of `states`, by default of all numbers; raises LimitReached.

        A job that failed with a code in `collectable` keeps its `remote`, and one in `found_remotes` (by its id) gets
        it: the next attempt collects what was paid for instead of buying it again. Others are bought by the buyer, or
        where it `keeps_payer` at the expense of whoever paid before.
        """
        now = time.time()
        with self._begin_write() as connection:
            lock_batch(connection, batch_id)
            batch = load_batch(connection, batch_id)
            retried = [job for job in batch.jobs if job.state in states and (numbers is None or job.number in numbers)]
            remotes = _remotes_to_collect(retried, collectable, found_remotes)
            payers = {job.id: job.key_mark if keeps_payer or job.id in remotes else buyer.key_mark for job in retried}
            restarted = [self._restart(connection, job, remotes.get(job.id), payers[job.id], now) for job in retried]
            for mark in set(payers.values()):
                self._announce_free(connection, mark)
                bought = [job for job in restarted if job.id not in remotes and job.key_mark == mark]
                _buy_again(connection, batch, bought, replace(buyer, key_mark=mark), limits, now)
            for job in restarted:
                if job.id in remotes:
                    ledger.settle(connection, job, "reserved")
            RETRIES.labels("person").inc(len(restarted))
            return restarted

    def _restart(
        self, connection: Connection, job: Job, remote: Mapping[str, Any] | None, key_mark: str, now: float
    ) -> Job:
        empty = ("queue_position", "failure", "facts", "waiting", "intent", "started_at", "running_at", "finished_at")
        values = {
            **dict.fromkeys(empty),
            "remote": remote and dict(remote),
            "state": "new",
            "attempt": job.attempt + 1,
            "purchase": job.purchase if remote else job.purchase + 1,
            "key_mark": key_mark,
            "tries": 1,
            "progress": 0.0,
            "message": "",
            "requested_at": now,
            "holder": self._initial_holder(key_mark),
            "fence": job.fence + 1,
        }
        row = _job_row(connection, job.id)
        assert row is not None  # noqa: S101  read in this very transaction
        return _update_job(connection, row, values, now)

    def count_queued_before(self, batch: Batch) -> int:
        """Number of jobs of the same generator, of older batches, that have not started yet."""
        query = (
            select(func.count())
            .select_from(jobs.join(batches))
            .where(jobs.c.state == "new", jobs.c.remote.is_(None), batches.c.generator == batch.generator)
            .where(batches.c.created_at < batch.created_at)
        )
        with self._engine.connect() as connection:
            return connection.scalar(query) or 0

    def list_batches(self, visitor: str | None = None, limit: int = 50, offset: int = 0) -> list[Batch]:
        """The newest batches with their jobs, of one visitor or of all."""
        query = select(batches.c.id).order_by(batches.c.created_at.desc()).limit(limit).offset(offset)
        if visitor is not None:
            query = query.where(batches.c.visitor == visitor)
        with self._engine.connect() as connection:
            return load_batches(connection, list(connection.scalars(query)))

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query of `queries` or `ledger`."""
        with self._engine.connect() as connection:
            return query(connection, *args, **kwargs)

    def find_page(self, batch_filter: queries.BatchFilter, limit: int, offset: int) -> tuple[list[Batch], int]:
        """A page of the batches that match, with their jobs, and how many match in all."""
        with self._engine.connect() as connection:
            ids, total = queries.find_page(connection, batch_filter, limit, offset)
            return load_batches(connection, ids), total

    def write(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a change of `tasks`."""
        with self._begin_write() as connection:
            return change(connection, *args, **kwargs)

    def run_as_holder(
        self, change: Callable[Concatenate[Connection, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Make a change of `leases` or `tasks` in the name of this process."""
        with self._begin_write() as connection:
            return change(connection, self.holder, *args, **kwargs)

    def ping(self) -> None:
        """Check that the database can be written, by an empty transaction; raises the database's error."""
        with self._begin_write() as connection:
            connection.execute(select(1))

    def delete(self, batch_id: str, force: bool = True) -> None:
        """Delete a batch with its jobs and events, but not from the ledger; raises NotFound.

        Without `force` raises Conflict while a job of it is unfinished.
        """
        with self._begin_write() as connection:
            lock_batch(connection, batch_id)
            unfinished = connection.execute(
                select(jobs).where(jobs.c.batch_id == batch_id, jobs.c.state.in_(UNFINISHED))
            ).all()
            if unfinished and not force:
                raise Conflict(
                    ErrorCode.BATCH_WORKING, "This batch is still being worked on.", "Cancel it first, or wait."
                )
            for row in unfinished:
                job = to_job(row)
                ledger.settle(connection, job, ledger.billing_outcome(job, "cancelled"))
            if not connection.execute(delete(batches).where(batches.c.id == batch_id)).rowcount:
                raise batch_not_found()

    def find_batch_id(self, **ids: str) -> str:
        """The id of the batch with this `task_id` or `legacy_job_id`, or that the job of this `job_id` belongs to.

        Raises NotFound.
        """
        ((name, value),) = ids.items()
        query = select(jobs.c.batch_id).where(jobs.c.id == value)
        if name != "job_id":
            query = select(batches.c.id).where(batches.c[name] == value)
        with self._engine.connect() as connection:
            batch_id = connection.scalar(query)
        if batch_id is None:
            raise batch_not_found()
        return str(batch_id)

    def pin(self, batch_id: str, pinned: bool) -> None:
        """Keep a batch from being deleted by its age, or no longer; raises NotFound."""
        with self._begin_write() as connection:
            changed = update(batches).where(batches.c.id == batch_id).values(pinned=pinned)
            if not connection.execute(changed).rowcount:
                raise batch_not_found()

    def batch_ids(self) -> set[str]:
        """The id of every batch."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(batches.c.id)))

    def events(self, batch_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The batch's state changes after the given sequence number, oldest first."""
        query = select(events).where(events.c.batch_id == batch_id, events.c.sequence > after)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query.order_by(events.c.sequence))]

    def attempt_numbers_at(self, batch_id: str, at: int) -> dict[str, int]:
        """Attempt numbers of the batch's jobs as of this change; a job that is left out was at its first."""
        query = select(events.c.job_id, func.max(events.c.attempt).label("attempt")).group_by(events.c.job_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(events.c.batch_id == batch_id, events.c.sequence <= at))
            return {row.job_id: row.attempt for row in rows}

    def _initial_holder(self, key_mark: str) -> str | None:
        """First holder of a new job; None where it is left to processes that run jobs."""
        return self.holder if self._runs_jobs or key_mark else None

    def _announce_free(self, connection: Connection, key_mark: str) -> None:
        if self._initial_holder(key_mark) is None:
            notify(connection, FREE_JOBS_TOPIC)

    @contextmanager
    def one_transaction(self) -> Iterator[None]:
        """Let everything that this thread writes inside the block be committed together, or not at all."""
        with self._engine.execution_options(write=True).begin() as connection:
            self._transaction_of_thread.connection = connection
            try:
                yield
            finally:
                del self._transaction_of_thread.connection

    def _begin_write(self) -> AbstractContextManager[Connection]:
        """A transaction that may write, and has the lock from its beginning; inside `one_transaction` that one."""
        shared: Connection | None = getattr(self._transaction_of_thread, "connection", None)
        return nullcontext(shared) if shared else self._engine.execution_options(write=True).begin()


def _batch_row(new: NewBatch, now: float) -> dict[str, Any]:
    return {
        "id": new.id, "task_id": new_id(), "legacy_job_id": new_id(), "visitor": new.visitor,
        "generator": new.generator, "options": dict(new.options), "face_limit": new.face_limit,
        "cut_out": new.cut_out, "refusals": [asdict(refusal) for refusal in new.refusals],
        "names": _searchable_names(new.jobs), "state": "working", "sequence": 0, "pinned": False,
        "correlation_id": new.correlation_id, "created_at": now,
    }  # fmt: skip


def _job_rows(new: NewBatch, key_mark: str, holder: str | None, now: float) -> list[dict[str, Any]]:
    return [
        {
            **asdict(job), "id": new_id(), "batch_id": new.id, "number": number, "state": "new",
            "attempt": 1, "purchase": 1, "key_mark": key_mark, "tries": 1, "sequence": 0, "progress": 0.0,
            "message": "", "created_at": now, "requested_at": now, "holder": holder,
        }
        for number, job in enumerate(new.jobs, 1)
    ]  # fmt: skip


def _remotes_to_collect(
    retried: Sequence[Job], collectable: Container[str], found: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """`remote` of the jobs that a retry collects at the provider instead of buying them, by the job's id."""
    kept = {job.id: job.remote for job in retried if job.failure and job.failure.code in collectable}
    return {job_id: remote for job_id, remote in {**kept, **found}.items() if remote}


def _buy_again(
    connection: Connection, batch: Batch, bought: Sequence[Job], buyer: ledger.Buyer, limits: ledger.Limits, now: float
) -> None:
    """Reserve the price of retried jobs at the expense of one payer; raises LimitReached."""
    order = ledger.Order([job.price for job in bought], buyer)
    if bought:
        ledger.check_limits(connection, order, limits, now)
    ledger.reserve(connection, order, batch.id, batch.generator, bought, now)


def _update_job(connection: Connection, row: Row[Any], values: dict[str, Any], now: float) -> Job:
    """Write a job's new values with the batch's next sequence number, its payment and an event for a new state."""
    sequence = connection.scalar(NEXT_SEQUENCE, {"of_batch": row.batch_id})
    job = to_job(connection.execute(UPDATE_JOB, {"of_job": row.id, **values, "sequence": sequence}).one())
    notify(connection, row.batch_id)
    if row.state in FINISHED or job.finished:
        _update_batch_state(connection, row.batch_id)
    code = job.failure.code if job.failure else None
    if job.finished:
        ledger.settle(connection, job, ledger.billing_outcome(job, job.state, code or ""), job.cost)
    if (job.state, job.attempt) != (row.state, row.attempt):
        event = {
            "batch_id": row.batch_id, "sequence": sequence, "job_id": row.id, "attempt": job.attempt,
            "state": job.state, "message": job.message, "code": code, "at": now,
        }  # fmt: skip
        connection.execute(INSERT_EVENT, event)
    return job


def _is_superseded(row: Row[Any], attempt: int, fence: int | None) -> bool:
    """True if another attempt, or another process, has the job by now."""
    return row.attempt != attempt or (fence is not None and row.fence != fence)


def _searchable_names(new: Sequence[NewJob]) -> str:
    return fold_case("\n".join(name for job in new for name in (job.name, *(side.name for side in job.sides))))


def _update_batch_state(connection: Connection, batch_id: str) -> None:
    """Derive the batch's state from its jobs; its row is locked by then, where a database locks rows."""
    states = set(connection.scalars(STATES_OF_BATCH, {"of_batch": batch_id}))
    connection.execute(UPDATE_BATCH, {"of_batch": batch_id, "state": batch_state(states)})


def _job_row(connection: Connection, job_id: str) -> Row[Any] | None:
    """The row of a job, which with its batch's stays as it is until the transaction ends."""
    lock_batch(connection, select(jobs.c.batch_id).where(jobs.c.id == job_id).scalar_subquery())
    return connection.execute(SELECT_JOB, {"of_job": job_id}).one_or_none()
