"""The ledger: one row for each purchase of a job, and the host's limits on them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from ..errors import ErrorCode, LimitReached
from ..generators.providers import rules_of
from ..units import DAY, HOUR
from .db.connection import lock_purchases
from .db.schema import ledger
from .models import Job, JobState

BillingOutcome = Literal["reserved", "charged", "maybe", "free"]
"""Reserved until the job ends; then charged, possibly charged, or free."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The host's limits; None: no limit. Money is in US dollars."""

    per_day: Decimal | None = None
    """Limit on the host's key, from midnight to midnight UTC."""
    per_batch: Decimal | None = None
    images_per_hour: int | None = None
    """Limit of one visitor, on any key."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Buyer:
    """Buyer and payer of a purchase."""

    client: str = ""
    """Mark of the visitor's address."""
    key_mark: str = ""
    """Mark of the visitor's own key; empty where the host pays."""


ANONYMOUS = Buyer()


@dataclass(frozen=True, slots=True)
class Order:
    """An intended purchase: objects, each at its price in US dollars."""

    prices: Sequence[Decimal]
    buyer: Buyer

    @property
    def total(self) -> Decimal:
        """US dollars."""
        return sum(self.prices, Decimal(0))


def check_limits(connection: Connection, order: Order, limits: Limits, now: float) -> None:
    """Raise LimitReached where the order goes beyond a limit; inside the transaction that reserves it."""
    if limits != NO_LIMITS:
        lock_purchases(connection)
    _check_hourly_images(connection, order, limits.images_per_hour, now)
    if order.buyer.key_mark or not order.total:
        return
    if limits.per_batch is not None and order.total > limits.per_batch:
        raise LimitReached(
            ErrorCode.BATCH_TOO_EXPENSIVE,
            f"This batch would cost about ${order.total:.2f}; the host allows ${limits.per_batch:.2f}.",
            "Take fewer pictures, a cheaper generator, or your own fal key.",
        )
    if limits.per_day is not None:
        left = limits.per_day - total_spent(connection, day_start(now))
        if order.total > left:
            raise LimitReached(
                ErrorCode.BUDGET_REACHED,
                f"This would cost about ${order.total:.2f}; ${max(left, Decimal(0)):.2f} is left of today's budget.",
                "Take fewer pictures or your own fal key, or come back after midnight UTC.",
                retry_after=day_start(now) + DAY - now,
            )


def _check_hourly_images(connection: Connection, order: Order, limit: int | None, now: float) -> None:
    if limit is None:
        return
    recent = select(func.count(), func.min(ledger.c.at)).where(ledger.c.client == order.buyer.client)
    count, first = connection.execute(recent.where(ledger.c.at > now - HOUR)).one()
    if count + len(order.prices) > limit:
        wait = max(60.0, (first or now) + HOUR - now)
        raise LimitReached(
            ErrorCode.TOO_MANY_IMAGES_AN_HOUR,
            f"One visitor may have {limit} images made in an hour; {max(0, limit - count)} are left.",
            f"Take fewer pictures, or come back in {wait / 60:.0f} minutes.",
            retry_after=wait,
        )


def reserve(
    connection: Connection, order: Order, batch_id: str, generator: str, jobs: Iterable[Job], now: float
) -> None:
    """Reserve the price of each job for its present purchase."""
    buyer = order.buyer
    rows = [
        {
            "job_id": job.id, "purchase": job.purchase, "batch_id": batch_id, "client": buyer.client,
            "generator": generator, "key_mark": buyer.key_mark, "state": "reserved", "amount": job.price, "at": now,
        }
        for job in jobs
    ]  # fmt: skip
    if rows:
        connection.execute(insert(ledger), rows)


def settle(connection: Connection, job: Job, outcome: BillingOutcome, amount: Decimal | None = None) -> None:
    """Write the outcome of a job's present purchase; without `amount` the reserved sum stays, and is 0 for `free`."""
    values: dict[str, Any] = {"state": outcome}
    if outcome == "free":
        values["amount"] = Decimal(0)
    elif amount is not None:
        values["amount"] = amount
    purchase = (ledger.c.job_id == job.id, ledger.c.purchase == job.purchase)
    connection.execute(update(ledger).where(*purchase).values(values))


def billing_outcome(job: Job, state: JobState, code: str = "") -> BillingOutcome:
    """Outcome for a job that ends in `state`: free before it was taken, in the queue, or after unbilled failures."""
    if state == "done":
        return "charged"
    if state == "unconfirmed":
        return "maybe"
    unpaid = job.remote is None or not rules_of(code).billed or (state == "cancelled" and job.running_at is None)
    return "free" if unpaid else "maybe"


def total_spent(connection: Connection, since: float) -> Decimal:
    """US dollars charged, reserved or perhaps billed to the host's key, of purchases since then (since 1970)."""
    total = select(func.sum(ledger.c.amount)).where(ledger.c.key_mark == "", ledger.c.at >= since)
    return connection.scalar(total) or Decimal(0)


def day_start(now: float | None = None) -> float:
    """The last midnight in UTC, in seconds since 1970."""
    moment = time.time() if now is None else now
    return moment - moment % DAY


def month_start(now: float) -> float:
    """The beginning of the month in UTC, in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
