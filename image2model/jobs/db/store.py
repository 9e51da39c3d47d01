"""What remembers batches, jobs and events: SQLAlchemy on SQLite by default.

Every method is one short transaction and blocks; the runner and the studio call them from a thread.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ...errors import Conflict, ErrorCode, NotFound
from ...metrics import RETRIES
from .. import ledger
from ..records import (
    FINISHED,
    RANK,
    UNFINISHED,
    Batch,
    Job,
    JobState,
    NewBatch,
    NewJob,
    Wait,
    batch_state,
    may_follow,
    searchable,
)
from . import queries
from .connection import connect, lock_batch, migrate
from .listener import announce
from .mappers import batch_of, batches_of, head, job_of, no_batch
from .schema import batches, events, jobs

P = ParamSpec("P")
T = TypeVar("T")
EMPTY: Mapping[str, Any] = {}


def new_id() -> str:
    """An id that nobody can guess (122 random bits); knowing a batch's id is the right to read it."""
    return str(uuid.uuid4())


class Store:
    """The database at `url`, brought to the newest schema when opened."""

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        migrate(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def create(
        self, new: NewBatch, buyer: ledger.Buyer = ledger.NOBODY, limits: ledger.Limits = ledger.NO_LIMITS
    ) -> Batch:
        """Store a new batch with its jobs; raises LimitReached, and then stores nothing."""
        now = time.time()
        batch = {
            "id": new.id, "task_id": new_id(), "work_id": new_id(), "visitor": new.visitor, "generator": new.generator,
            "options": dict(new.options), "face_limit": new.face_limit, "cut_out": new.cut_out,
            "refusals": [asdict(refusal) for refusal in new.refusals], "names": _names(new.jobs),
            "state": "working", "sequence": 0, "pinned": False, "correlation_id": new.correlation_id, "created_at": now,
        }  # fmt: skip
        rows = [
            {
                **asdict(job), "id": new_id(), "batch_id": new.id, "number": number, "state": "new",
                "attempt": 1, "press": 1, "key_mark": buyer.key_mark, "tries": 1, "sequence": 0, "progress": 0.0,
                "message": "", "created_at": now, "pressed_at": now,
            }
            for number, job in enumerate(new.jobs, 1)
        ]  # fmt: skip
        order = ledger.Order([job.price for job in new.jobs], buyer)
        with self._write() as connection:
            ledger.check(connection, order, limits, now)
            connection.execute(insert(batches), batch)
            connection.execute(insert(jobs), rows)
            stored = batch_of(connection, new.id)
            ledger.book(connection, order, new.id, new.generator, stored.jobs, now)
            return stored

    def batch(self, batch_id: str) -> Batch:
        """The batch with its jobs in their order; raises NotFound."""
        with self._engine.connect() as connection:
            return batch_of(connection, batch_id)

    def job(self, job_id: str) -> Job:
        """The job; raises NotFound."""
        with self._engine.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFound(ErrorCode.JOB_NOT_FOUND, "There is no such job.", "It may have been deleted.")
        return job_of(row)

    def sequence(self, batch_id: str) -> int | None:
        """The number of the batch's latest change, None when there is no such batch."""
        with self._engine.connect() as connection:
            return connection.scalar(select(batches.c.sequence).where(batches.c.id == batch_id))

    def transition(self, job_id: str, state: JobState, *, attempt: int, **fields: Any) -> Job | None:
        """Take a job to `state`, the only way that its row changes while it is worked.

        `attempt` is the try that the caller works on: news of an earlier try, a step backwards and
        anything after the end are late, change nothing and return None. Progress never falls.
        `fields` are columns of the job. A job that is being cancelled stays so when it is told to be taken.
        """
        with self._write() as connection:
            row = _row(connection, job_id)
            if row is not None and row.state == "cancelling" and "remote" in fields:
                state = "cancelling"
            if row is None or row.attempt != attempt or not may_follow(row.state, state):
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
            return _change(connection, row, values, now)

    def wait(self, job_id: str, attempt: int, waiting: Wait) -> Job | None:
        """Say what a job waits for, in whatever unfinished state it is."""
        with self._write() as connection:
            row = _row(connection, job_id)
            if row is None or row.attempt != attempt or row.state in FINISHED:
                return None
            return _change(connection, row, {"waiting": asdict(waiting)}, time.time())

    def defer(
        self, job_id: str, attempt: int, waiting: Wait | None, remote: Mapping[str, Any] | None = None
    ) -> Job | None:
        """Begin a job's next try by itself, after `waiting`: with `remote` only to collect, without it anew."""
        with self._write() as connection:
            row = _row(connection, job_id)
            if row is None or row.attempt != attempt or row.state in FINISHED:
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
            return _change(connection, row, values, time.time())

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job at once where nobody else has it, else begin to; None where it is over or as good as over."""
        with self._write() as connection:
            row = _row(connection, job_id)
            if row is None or row.state in FINISHED or RANK[row.state] >= RANK["downloading"]:
                return None
            taken = row.remote is not None or row.state in ("submitting", "cancelling")
            now = time.time()
            ended = {"queue_position": None, "waiting": None, "message": ""}
            if taken:
                return _change(connection, row, {**ended, "state": "cancelling"}, now)
            return _change(connection, row, {**ended, "state": "cancelled", "finished_at": now}, now)

    def press(
        self,
        batch_id: str,
        numbers: Container[int] | None,
        states: Container[JobState],
        collectable: Container[str] = (),
        *,
        found: Mapping[str, Mapping[str, Any]] = EMPTY,
        buyer: ledger.Buyer = ledger.NOBODY,
        keeps_payer: bool = True,
        limits: ledger.Limits = ledger.NO_LIMITS,
    ) -> list[Job]:
        """Begin anew the jobs of a batch that are in one of `states`, by default all numbers; raises LimitReached.

        A job that failed with a code in `collectable` keeps what finds it at the far side, and one in `found`
        (by its id) gets it, so that the new try collects what was paid for instead of buying another. What is
        bought anew is paid by the buyer, or where it `keeps_payer` by whoever paid before.
        """
        now = time.time()
        with self._write() as connection:
            lock_batch(connection, batch_id)
            batch = batch_of(connection, batch_id)
            chosen = [job for job in batch.jobs if job.state in states and (numbers is None or job.number in numbers)]
            kept = {job.id: job.remote for job in chosen if job.failure and job.failure.code in collectable}
            kept = {job_id: remote for job_id, remote in {**kept, **found}.items() if remote}
            payers = {job.id: job.key_mark if keeps_payer or job.id in kept else buyer.key_mark for job in chosen}
            fresh = [self._again(connection, job, kept.get(job.id), payers[job.id], now) for job in chosen]
            for mark in set(payers.values()):
                bought = [job for job in fresh if job.id not in kept and job.key_mark == mark]
                order = ledger.Order([job.price for job in bought], replace(buyer, key_mark=mark))
                if bought:
                    ledger.check(connection, order, limits, now)
                ledger.book(connection, order, batch_id, batch.generator, bought, now)
            for job in fresh:
                if job.id in kept:
                    ledger.settle(connection, job, "reserved")
            RETRIES.labels("person").inc(len(fresh))
            return fresh

    @staticmethod
    def _again(connection: Connection, job: Job, remote: Mapping[str, Any] | None, key_mark: str, now: float) -> Job:
        empty = ("queue_position", "failure", "facts", "waiting", "intent", "started_at", "running_at", "finished_at")
        values = {
            **dict.fromkeys(empty),
            "remote": remote and dict(remote),
            "state": "new",
            "attempt": job.attempt + 1,
            "press": job.press if remote else job.press + 1,
            "key_mark": key_mark,
            "tries": 1,
            "progress": 0.0,
            "message": "",
            "pressed_at": now,
        }
        row = _row(connection, job.id)
        assert row is not None  # noqa: S101  read in this very transaction
        return _change(connection, row, values, now)

    def unfinished(self) -> list[tuple[Batch, Job]]:
        """Every job that still has work in it, oldest first, with its batch (without the other jobs)."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(jobs)
                .join(batches)
                .where(jobs.c.state.in_(UNFINISHED))
                .order_by(batches.c.created_at, batches.c.id, jobs.c.number)
            ).all()
            ids = {row.batch_id for row in rows}
            heads = connection.execute(select(batches).where(batches.c.id.in_(ids))).all()
        by_id = {row.id: head(row) for row in heads}
        return [(by_id[row.batch_id], job_of(row)) for row in rows]

    def waiting_before(self, batch: Batch) -> int:
        """How many jobs of the same generator, of older batches, have not started yet."""
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
            return batches_of(connection, list(connection.scalars(query)))

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a query of `search` or `money` finds."""
        with self._engine.connect() as connection:
            return query(connection, *args, **kwargs)

    def page(self, wanted: queries.Wanted, limit: int, offset: int) -> tuple[list[Batch], int]:
        """The newest batches that are wanted, with their jobs, and how many there are in all."""
        with self._engine.connect() as connection:
            ids, total = queries.page(connection, wanted, limit, offset)
            return batches_of(connection, ids), total

    def ping(self) -> None:
        """Raise whatever keeps the database from being written to; nothing is written."""
        with self._write() as connection:
            connection.execute(select(1))

    def delete(self, batch_id: str, force: bool = True) -> None:
        """Forget a batch, its jobs and its events, but not what they cost; raises NotFound.

        Without `force` raises Conflict while a job of it is worked.
        """
        with self._write() as connection:
            lock_batch(connection, batch_id)
            worked = connection.execute(
                select(jobs).where(jobs.c.batch_id == batch_id, jobs.c.state.in_(UNFINISHED))
            ).all()
            if worked and not force:
                raise Conflict(
                    ErrorCode.BATCH_WORKING, "This batch is still being worked on.", "Cancel it first, or wait."
                )
            for row in worked:
                ledger.settle(connection, row, ledger.bill(row, "cancelled"))
            if not connection.execute(delete(batches).where(batches.c.id == batch_id)).rowcount:
                raise no_batch()

    def find(self, **ids: str) -> str:
        """The id of the batch with this `task_id` or `work_id`, or that the job of this `job_id` belongs to.

        Raises NotFound.
        """
        ((name, value),) = ids.items()
        query = select(jobs.c.batch_id).where(jobs.c.id == value)
        if name != "job_id":
            query = select(batches.c.id).where(batches.c[name] == value)
        with self._engine.connect() as connection:
            found = connection.scalar(query)
        if found is None:
            raise no_batch()
        return str(found)

    def pin(self, batch_id: str, pinned: bool) -> None:
        """Keep a batch from being deleted by its age, or no longer; raises NotFound."""
        with self._write() as connection:
            changed = update(batches).where(batches.c.id == batch_id).values(pinned=pinned)
            if not connection.execute(changed).rowcount:
                raise no_batch()

    def ids(self) -> set[str]:
        """The id of every batch."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(batches.c.id)))

    def history(self, batch_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The batch's state changes after the given sequence number, oldest first."""
        query = select(events).where(events.c.batch_id == batch_id, events.c.sequence > after)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query.order_by(events.c.sequence))]

    def attempts(self, batch_id: str, at: int) -> dict[str, int]:
        """At which try each of the batch's jobs was after this change; one that is not told, at its first."""
        query = select(events.c.job_id, func.max(events.c.attempt).label("attempt")).group_by(events.c.job_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(events.c.batch_id == batch_id, events.c.sequence <= at))
            return {row.job_id: row.attempt for row in rows}

    def _write(self) -> AbstractContextManager[Connection]:
        """A transaction that may write, and has the lock from its beginning."""
        return self._engine.execution_options(write=True).begin()


def _change(connection: Connection, row: Row[Any], values: dict[str, Any], now: float) -> Job:
    """Write a job's new values under the batch's next sequence number, with an event for a new state."""
    sequence = connection.scalar(
        update(batches)
        .where(batches.c.id == row.batch_id)
        .values(sequence=batches.c.sequence + 1)
        .returning(batches.c.sequence)
    )
    changed = connection.execute(
        update(jobs).where(jobs.c.id == row.id).values(**values, sequence=sequence).returning(jobs)
    ).one()
    announce(connection, row.batch_id)
    if row.state in FINISHED or changed.state in FINISHED:
        _sum_up(connection, row.batch_id)
    code = changed.failure["code"] if changed.failure else None
    if changed.state in FINISHED:
        ledger.settle(connection, changed, ledger.bill(changed, changed.state, code or ""), changed.cost)
    if (changed.state, changed.attempt) != (row.state, row.attempt):
        connection.execute(
            insert(events).values(
                batch_id=row.batch_id,
                sequence=sequence,
                job_id=row.id,
                attempt=changed.attempt,
                state=changed.state,
                message=changed.message,
                code=code,
                at=now,
            )
        )
    return job_of(changed)


def _names(new: Sequence[NewJob]) -> str:
    return searchable("\n".join(name for job in new for name in (job.name, *(side.name for side in job.sides))))


def _sum_up(connection: Connection, batch_id: str) -> None:
    """Write the batch's state anew; its row is locked by then, where a database locks rows."""
    states = set(connection.scalars(select(jobs.c.state).where(jobs.c.batch_id == batch_id).distinct()))
    connection.execute(update(batches).where(batches.c.id == batch_id).values(state=batch_state(states)))


def _row(connection: Connection, job_id: str) -> Row[Any] | None:
    """The row of a job, which with its batch's stays as it is until the transaction ends."""
    lock_batch(connection, select(jobs.c.batch_id).where(jobs.c.id == job_id).scalar_subquery())
    return connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
