"""Tasks: calls of functions in worker processes, stored from the request until their outcome is fetched.

A message to a worker holds only a task's id and its own number. It may be lost: the caller sends the next one where
nobody has begun or the worker is gone. It may come twice: of several outcomes of one task the first counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from ...units import DAY
from .leases import database_time, living_holders
from .listener import notify
from .schema import tasks

MAX_TRIES = 2
"""Maximum times that a task is begun: a task that crashes its worker would do so again."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """State of a task."""

    outcome: bytes | None
    tries: int
    seconds: float | None
    """Seconds since it was last begun; None if it was not."""
    lost: bool
    """True if its worker is gone."""


def add(connection: Connection, task_id: str, call: bytes) -> None:
    """Store a task, and delete tasks older than a day, whose callers are gone."""
    now = database_time(connection)
    connection.execute(delete(tasks).where(tasks.c.at <= now - DAY))
    connection.execute(insert(tasks).values(id=task_id, call=call, tries=0, at=now))


def begin(connection: Connection, worker: str, task_id: str, message: int) -> bytes | None:
    """The call of a task that this worker may make; None where it is over, or made elsewhere, or tried too often.

    The same message comes again where a process has died over it, of a worker that may live.
    """
    now = database_time(connection)
    free = or_(tasks.c.worker.is_(None), tasks.c.worker.not_in(living_holders(connection)), tasks.c.message == message)
    begun = update(tasks).where(tasks.c.id == task_id, tasks.c.outcome.is_(None), tasks.c.tries <= MAX_TRIES, free)
    values = {"worker": worker, "message": message, "began_at": now, "tries": tasks.c.tries + 1}
    row = connection.execute(begun.values(values).returning(tasks.c.call, tasks.c.tries)).one_or_none()
    return row.call if row and row.tries <= MAX_TRIES else None


def give_back(connection: Connection, worker: str, task_id: str) -> None:
    """Return a task that this worker has begun and cannot finish to the queue, as if it had not been begun."""
    ours = (tasks.c.id == task_id, tasks.c.worker == worker, tasks.c.outcome.is_(None))
    free = {"worker": None, "message": None, "began_at": None, "tries": tasks.c.tries - 1}
    connection.execute(update(tasks).where(*ours).values(free))


def finish(connection: Connection, _worker: str, task_id: str, outcome: bytes) -> None:
    """Store a task's outcome and wake its caller; where there is one already, or no caller any more, do nothing."""
    finished = update(tasks).where(tasks.c.id == task_id, tasks.c.outcome.is_(None)).values(outcome=outcome)
    if connection.execute(finished).rowcount:
        notify(connection, task_id)


def progress(connection: Connection, task_id: str) -> TaskProgress:
    """State of a task that its caller waits for."""
    now = database_time(connection)
    lives = tasks.c.worker.in_(living_holders(connection)).label("lives")
    query = select(tasks.c.outcome, tasks.c.tries, tasks.c.began_at, lives)
    row = connection.execute(query.where(tasks.c.id == task_id)).one()
    seconds = None if row.began_at is None else now - row.began_at
    return TaskProgress(row.outcome, row.tries, seconds, lost=seconds is not None and not row.lives)


def count_waiting(connection: Connection) -> int:
    """Number of tasks that no worker has begun."""
    return connection.scalar(select(func.count()).where(tasks.c.worker.is_(None))) or 0


def remove(connection: Connection, task_id: str) -> None:
    """Forget a task."""
    connection.execute(delete(tasks).where(tasks.c.id == task_id))
