"""Queries for the host, to be run by `Store.read`: pages of batches, spending, retention, failures, curves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, case, func, or_, select

from ...units import DAY
from ..models import FINISHED, STATE_ORDER, UNFINISHED, BatchState, fold_case
from .schema import batches, events, jobs, ledger

SpendingBy = Literal["day", "client", "batch", "generator"]
SPENDING_BY: Mapping[SpendingBy, Any] = {
    "day": func.floor(ledger.c.at / DAY) * DAY,
    "client": ledger.c.client,
    "batch": ledger.c.batch_id,
    "generator": ledger.c.generator,
}


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """A filter of batches; an empty field matches all."""

    state: BatchState | None = None
    generator: str = ""
    text: str = ""
    """Part of a picture's name in any case, or the beginning of one of the batch's ids."""
    oldest_first: bool = False


def find_page(connection: Connection, batch_filter: BatchFilter, limit: int, offset: int) -> tuple[list[str], int]:
    """Ids of a page of the matching batches, the newest first by default, and how many match in all."""
    by_time = batches.c.created_at if batch_filter.oldest_first else batches.c.created_at.desc()
    query = _apply_filter(select(batches.c.id), batch_filter).order_by(by_time, batches.c.id)
    count = _apply_filter(select(func.count()).select_from(batches), batch_filter)
    return list(connection.scalars(query.limit(limit).offset(offset))), connection.scalar(count) or 0


def _apply_filter(query: Select[Any], batch_filter: BatchFilter) -> Select[Any]:
    if batch_filter.state is not None:
        query = query.where(batches.c.state == batch_filter.state)
    if batch_filter.generator:
        query = query.where(batches.c.generator == batch_filter.generator)
    if text := fold_case(batch_filter.text.strip()):
        ids = (batches.c.id, batches.c.task_id, batches.c.legacy_job_id)
        starts = (column.startswith(text, autoescape=True) for column in ids)
        query = query.where(or_(batches.c.names.contains(text, autoescape=True), *starts))
    return query


def queue_state(connection: Connection) -> dict[str, Any]:
    """Number of jobs in each state (`states`) and when the oldest unfinished one was requested (`oldest`).

    `oldest` is in seconds since 1970, None where all jobs are finished.
    """
    oldest = connection.scalar(select(func.min(jobs.c.requested_at)).where(jobs.c.state.in_(UNFINISHED)))
    return {"states": dict.fromkeys(STATE_ORDER, 0) | _by_state(connection), "oldest": oldest}


def total_counts(connection: Connection) -> dict[str, int]:
    """Number of batches (`batches`) and of jobs in each state that occurs."""
    total = connection.scalar(select(func.count()).select_from(batches)) or 0
    return {"batches": total, **_by_state(connection)}


def _by_state(connection: Connection) -> dict[str, int]:
    by_state = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
    return {row.state: row[1] for row in by_state}


def batch_end_times(connection: Connection) -> Sequence[Any]:
    """Each batch's `id`, `pinned`, end (`ended`, None while it is unfinished), first `name`, and number of `images`."""
    unfinished = func.sum(case((jobs.c.state.in_(UNFINISHED), 1), else_=0))
    over = case((unfinished == 0, func.max(jobs.c.finished_at)), else_=None)
    first = func.max(case((jobs.c.number == 1, jobs.c.name)))
    query = (
        select(batches.c.id, batches.c.pinned, over.label("ended"), first.label("name"), func.count().label("images"))
        .join(jobs)
        .group_by(batches.c.id)
    )
    return connection.execute(query).all()


def payments(connection: Connection, batch_id: str) -> dict[str, list[dict[str, Any]]]:
    """The ledger's rows of a batch by the job's id: `state`, `amount` and `at` of each purchase."""
    by_job: dict[str, list[dict[str, Any]]] = {}
    query = select(ledger).where(ledger.c.batch_id == batch_id).order_by(ledger.c.purchase)
    for row in connection.execute(query):
        by_job.setdefault(row.job_id, []).append({"state": row.state, "amount": float(row.amount), "at": row.at})
    return by_job


def spending(connection: Connection, by: SpendingBy, since: float = 0.0) -> list[dict[str, Any]]:
    """The ledger since then, summed by day (its start), client, batch or generator, and by state and payer.

    Each row has what it is `of`, its `state`, `own_key`, `amount` (US dollars, Decimal) and how many `images`.
    """
    group = SPENDING_BY[by]
    own_key = ledger.c.key_mark != ""  # once, because PostgreSQL treats two parameters as different expressions
    columns = (group.label("of"), ledger.c.state, own_key.label("own_key"))
    query = (
        select(*columns, func.sum(ledger.c.amount).label("amount"), func.count().label("images"))
        .where(ledger.c.at >= since)
        .group_by(group, ledger.c.state, own_key)
        .order_by(group)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def outcomes(connection: Connection, since: float) -> list[dict[str, Any]]:
    """Number of jobs that ended since then (`count`), by `generator`, `state`, failure `code` and payer (`own_key`)."""
    columns = (batches.c.generator, events.c.state, events.c.code)
    own_key = jobs.c.key_mark != ""
    query = (
        select(*columns, own_key.label("own_key"), func.count().label("count"))
        .join(batches, batches.c.id == events.c.batch_id)
        .join(jobs, jobs.c.id == events.c.job_id)
        .where(events.c.at >= since, events.c.state.in_(FINISHED))
        .group_by(*columns, own_key)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def failure_counts(connection: Connection, codes: Collection[str], since: float) -> list[dict[str, Any]]:
    """Number of jobs on the host's key that failed with each of these codes, and when last (since 1970).

    Counted since the provider last took a job on that key: earlier causes are gone. Each row has `code`,
    `last_seen` and `count`.
    """
    on_host = jobs.c.key_mark == ""
    lately = or_(jobs.c.finished_at >= since, jobs.c.finished_at.is_(None))
    taken = select(func.max(jobs.c.remote["submitted_at"].as_float())).where(on_host, lately)
    since = max(since, connection.scalar(taken) or 0.0)
    query = (
        select(events.c.code, func.max(events.c.at).label("last_seen"), func.count().label("count"))
        .join(jobs, jobs.c.id == events.c.job_id)
        .where(events.c.code.in_(codes), events.c.at > since, on_host)
        .group_by(events.c.code)
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def count_waiting_for(connection: Connection, code: str) -> int:
    """Number of unfinished jobs on the host's key that wait with this code."""
    query = select(func.count()).where(jobs.c.key_mark == "", jobs.c.waiting["code"].as_string() == code)
    return connection.scalar(query.where(jobs.c.state.in_(UNFINISHED))) or 0


def failure_reasons(connection: Connection, since: float) -> list[dict[str, Any]]:
    """Codes with which jobs failed since then, most frequent first.

    Each row has `code`, `generator`, `count`, `last_seen` (since 1970) and the `message` of one of these jobs, which is
    None where all of them have been retried.
    """
    failure = jobs.c.failure
    message = case((failure["code"].as_string() == events.c.code, failure["message"].as_string()))
    count = func.count().label("count")
    query = (
        select(events.c.code, batches.c.generator, count, func.max(events.c.at).label("last_seen"))
        .add_columns(func.max(message).label("message"))
        .join(batches, batches.c.id == events.c.batch_id)
        .outerjoin(jobs, jobs.c.id == events.c.job_id)
        .where(events.c.at >= since, events.c.code.is_not(None))
        .group_by(events.c.code, batches.c.generator)
        .order_by(count.desc())
    )
    return [dict(row._mapping) for row in connection.execute(query)]


def run_times(connection: Connection, since: float, limit: int = 2000) -> list[tuple[str, float]]:
    """Generator and seconds from start to end of the newest jobs that were done since then, at most `limit`."""
    query = (
        select(batches.c.generator, jobs.c.finished_at - jobs.c.started_at)
        .join(batches, batches.c.id == jobs.c.batch_id)
        .where(jobs.c.state == "done", jobs.c.finished_at >= since, jobs.c.started_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(limit)
    )
    return [(row[0], float(row[1])) for row in connection.execute(query)]


def time_series(connection: Connection, since: float, step: float) -> list[dict[str, Any]]:
    """Spans of `step` seconds since then in which something happened, oldest first.

    Each has `at` (its start, since 1970), `jobs` (ended in it), `failed` (unconfirmed ones too), `seconds` (from
    start to end of those done, on average; None without any) and `cost` (US dollars on the host's key).
    """
    span = func.floor(jobs.c.finished_at / step) * step
    bad = case((jobs.c.state.in_(("failed", "unconfirmed")), 1), else_=0)
    lasted = case((jobs.c.state == "done", jobs.c.finished_at - jobs.c.started_at))
    ended = (
        select(span.label("at"), func.count().label("jobs"), func.sum(bad).label("failed"))
        .add_columns(func.avg(lasted).label("seconds"))
        .where(jobs.c.finished_at >= since)
        .group_by(span)
    )
    paid_in = func.floor(ledger.c.at / step) * step
    paid = (
        select(paid_in.label("at"), func.sum(ledger.c.amount).label("cost"))
        .where(ledger.c.at >= since, ledger.c.key_mark == "")
        .group_by(paid_in)
    )
    outcomes = {row.at: row for row in connection.execute(ended)}
    costs = {row.at: row.cost for row in connection.execute(paid)}
    return [_span(at, outcomes.get(at), costs.get(at)) for at in sorted({*outcomes, *costs})]


def empty_span(at: float) -> dict[str, Any]:
    """A span of `time_series` in which nothing happened."""
    return _span(at, None, None)


def _span(at: float, ended: Any, cost: Any) -> dict[str, Any]:
    seconds = ended.seconds if ended else None
    return {
        "at": at,
        "jobs": ended.jobs if ended else 0,
        "failed": int(ended.failed) if ended else 0,
        "seconds": None if seconds is None else round(float(seconds), 2),
        "cost": float(cost or 0),
    }
