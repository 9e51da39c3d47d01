"""Batches and jobs as the database holds them, read into records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from ...errors import ErrorCode, NotFound
from ..records import Batch, Failure, Job, OtherSide, Refusal, Wait
from .schema import batches, jobs


def batch_of(connection: Connection, batch_id: str) -> Batch:
    """The batch with its jobs in their order; raises NotFound."""
    found = batches_of(connection, [batch_id])
    if not found:
        raise no_batch()
    return found[0]


def batches_of(connection: Connection, ids: Sequence[str]) -> list[Batch]:
    """The batches of these ids that exist, in the order of the ids."""
    heads = {row.id: row for row in connection.execute(select(batches).where(batches.c.id.in_(ids)))}
    members: dict[str, list[Job]] = {batch_id: [] for batch_id in heads}
    for row in connection.execute(select(jobs).where(jobs.c.batch_id.in_(ids)).order_by(jobs.c.number)):
        members[row.batch_id].append(job_of(row))
    return [head(heads[batch_id], tuple(members[batch_id])) for batch_id in ids if batch_id in heads]


def head(row: Row[Any], members: tuple[Job, ...] = ()) -> Batch:
    """A batch of its row, with these jobs."""
    values = dict(row._mapping)
    values["refusals"] = tuple(Refusal(**refusal) for refusal in values["refusals"])
    return Batch(**values, jobs=members)


def job_of(row: Row[Any]) -> Job:
    """A job of its row."""
    values = dict(row._mapping)
    values["sides"] = tuple(OtherSide(**side) for side in values["sides"])
    values["waiting"] = Wait(**values["waiting"]) if values["waiting"] else None
    values["failure"] = Failure(**values["failure"]) if values["failure"] else None
    return Job(**values)


def no_batch() -> NotFound:
    """What is raised for an id that no batch has."""
    return NotFound(
        ErrorCode.BATCH_NOT_FOUND, "There is no such batch.", "It may have been deleted, or the link is cut short."
    )
