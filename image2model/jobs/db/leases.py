"""Leases of jobs: each job is run by the process that holds it, and by no other.

Every process has one lease on all that it holds, which it renews; once that has lapsed, others take its jobs over. Each
change of a job's holder gives the job the next fencing number (`Job.fence`), and the store refuses an execution's
writes under an earlier one: a process that slept through its lease can change nothing, and so buys nothing.

On SQLite nothing is renewed: a process that starts takes over everything, as the file belongs to one process.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy import Connection, Select, and_, delete, extract, func, insert, or_, select, update

from ...units import DAY
from ..models import UNFINISHED, Batch, Job
from .connection import lock_batch
from .listener import FREE_JOBS_TOPIC, notify
from .mappers import to_batch, to_job
from .schema import batches, holders, jobs

WORKER = "worker-"
"""Prefix of the names of holders that run tasks (`tasks`), not jobs."""


def renew(connection: Connection, holder: str, seconds: float) -> None:
    """Extend this process's lease by so many seconds, by the database's clock."""
    lease = {"lease_until": database_time(connection) + seconds}
    if not connection.execute(update(holders).where(holders.c.id == holder).values(lease)).rowcount:
        connection.execute(insert(holders).values(id=holder, **lease))


def release(connection: Connection, holder: str) -> None:
    """Release all that this process holds, so that others need not wait until its lease lapses."""
    held = update(jobs).where(jobs.c.holder == holder, jobs.c.state.in_(UNFINISHED))
    connection.execute(held.values(holder=None, fence=jobs.c.fence + 1))
    connection.execute(delete(holders).where(holders.c.id == holder))
    notify(connection, FREE_JOBS_TOPIC)


def count_workers(connection: Connection) -> int:
    """Number of living workers (`WORKER`)."""
    workers = living_holders(connection).where(holders.c.id.startswith(WORKER, autoescape=True))
    return connection.scalar(select(func.count()).select_from(workers.subquery())) or 0


def living_holders(connection: Connection) -> Select[str]:
    """Query of the processes whose lease has not lapsed, by name."""
    return select(holders.c.id).where(holders.c.lease_until > database_time(connection))


def delete_expired_holders(connection: Connection) -> None:
    """Remove the leases that have lapsed a day ago."""
    connection.execute(delete(holders).where(holders.c.lease_until <= database_time(connection) - DAY))


def acquire_jobs(connection: Connection, holder: str, limit: int) -> list[tuple[Batch, Job]]:
    """Take unfinished jobs that no living process holds, the oldest first, each with its batch (without other jobs).

    Rows that another process has locked are skipped.
    """
    lapsed = and_(jobs.c.holder != holder, jobs.c.holder.not_in(living_holders(connection)))
    free = (
        select(jobs.c.id)
        .join(batches)
        .where(jobs.c.state.in_(UNFINISHED), or_(jobs.c.holder.is_(None), lapsed))
        .order_by(batches.c.created_at, batches.c.id, jobs.c.number)
        .limit(limit)
        .with_for_update(of=jobs, skip_locked=True)
    )
    ids = list(connection.scalars(free))
    taken = _assign(connection, holder, ids)
    found = connection.execute(select(batches).where(batches.c.id.in_({job.batch_id for job in taken.values()})))
    batch_of = {row.id: to_batch(row) for row in found}
    return [(batch_of[taken[job_id].batch_id], taken[job_id]) for job_id in ids]


def reassign_jobs(connection: Connection, holder: str, batch_id: str, job_ids: Collection[str]) -> list[Job]:
    """Take these jobs of a batch from any holder, and return those that are not finished."""
    lock_batch(connection, batch_id)
    return list(_assign(connection, holder, job_ids).values())


def _assign(connection: Connection, holder: str, job_ids: Collection[str]) -> dict[str, Job]:
    """Make this process the holder of these jobs, as far as they are unfinished; return them by their ids."""
    assigned = update(jobs).where(jobs.c.id.in_(job_ids), jobs.c.state.in_(UNFINISHED))
    rows = connection.execute(assigned.values(holder=holder, fence=jobs.c.fence + 1).returning(jobs))
    return {row.id: to_job(row) for row in rows}


def database_time(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock, as the clocks of several machines differ."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalars(select(extract("epoch", func.clock_timestamp()))).one())
