"""Rows of the database as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ...errors import ErrorCode, NotFound
from ..models import Batch, Failure, Job, Refusal, SidePicture, Wait
from .schema import batches, jobs, ledger

BATCH_FIELDS = tuple(batches.c.keys())
EARLIER_PURCHASE_FIELDS = {"charged": "earlier_spent", "maybe": "earlier_uncertain"}
"""Outcomes of earlier purchases and the fields of a batch that hold their sums."""
NOTHING: Mapping[str, Decimal] = {}
JOB_FIELDS = tuple(jobs.c.keys())
"""Names of the columns in the code: some have others in the database, by which rows know them."""


def load_batch(connection: Connection, batch_id: str) -> Batch:
    """The batch with its jobs in their order; raises NotFound."""
    loaded = load_batches(connection, [batch_id])
    if not loaded:
        raise batch_not_found()
    return loaded[0]


def load_batches(connection: Connection, ids: Sequence[str]) -> list[Batch]:
    """The batches of these ids that exist, in the order of the ids."""
    rows = {row.id: row for row in connection.execute(select(batches).where(batches.c.id.in_(ids)))}
    members: dict[str, list[Job]] = {batch_id: [] for batch_id in rows}
    for row in connection.execute(select(jobs).where(jobs.c.batch_id.in_(ids)).order_by(jobs.c.number)):
        members[row.batch_id].append(to_job(row))
    bought_again = [batch_id for batch_id, of_batch in members.items() if any(job.purchase > 1 for job in of_batch)]
    before = _earlier_purchases(connection, bought_again)
    return [
        to_batch(rows[batch_id], tuple(members[batch_id]), before.get(batch_id, {}))
        for batch_id in ids
        if batch_id in rows
    ]


def _earlier_purchases(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Decimal]]:
    """Sums of purchases before the jobs' present ones, by the batch's id."""
    if not ids:
        return {}
    query = (
        select(ledger.c.batch_id, ledger.c.state, func.sum(ledger.c.amount).label("amount"))
        .join(jobs, jobs.c.id == ledger.c.job_id)
        .where(ledger.c.batch_id.in_(ids), ledger.c.purchase < jobs.c.purchase)
        .where(ledger.c.state.in_(EARLIER_PURCHASE_FIELDS))
        .group_by(ledger.c.batch_id, ledger.c.state)
    )
    by_batch: dict[str, dict[str, Decimal]] = {}
    for row in connection.execute(query):
        by_batch.setdefault(row.batch_id, {})[EARLIER_PURCHASE_FIELDS[row.state]] = row.amount
    return by_batch


def to_batch(row: Row[Any], members: tuple[Job, ...] = (), before: Mapping[str, Decimal] = NOTHING) -> Batch:
    """The batch of a row of the whole table, with these jobs and what was paid `before` (EARLIER_PURCHASE_FIELDS)."""
    values = {**dict(zip(BATCH_FIELDS, row, strict=True)), **before}
    values["refusals"] = tuple(Refusal(**refusal) for refusal in values["refusals"])
    return Batch(**values, jobs=members)


def to_job(row: Row[Any]) -> Job:
    """The job of a row of the whole table."""
    values = dict(zip(JOB_FIELDS, row, strict=True))
    values["sides"] = tuple(SidePicture(**side) for side in values["sides"])
    values["waiting"] = Wait(**values["waiting"]) if values["waiting"] else None
    values["failure"] = Failure(**values["failure"]) if values["failure"] else None
    return Job(**values)


def batch_not_found() -> NotFound:
    """The error for an unknown id of a batch."""
    return NotFound(
        ErrorCode.BATCH_NOT_FOUND, "There is no such batch.", "It may have been deleted, or the link is cut short."
    )
