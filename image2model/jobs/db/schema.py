"""The tables. Every change here needs a migration in `migrations/versions`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class Dollars(TypeDecorator[Decimal]):
    """US dollars, kept as whole millionths so that sums are exact in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Dollars to millionths."""
        return None if value is None else int(value * 1_000_000)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Millionths to dollars."""
        return None if value is None else Decimal(value) / 1_000_000


metadata = MetaData()

batches = Table(
    "batches",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("task_id", String(36), nullable=False),
    Column("work_id", String(36), key="legacy_job_id", nullable=False),
    Column("visitor", String(64), nullable=False),
    Column("generator", String(64), nullable=False),
    Column("options", JSON, nullable=False),
    Column("face_limit", Integer),
    Column("cut_out", Boolean, nullable=False),
    Column("refusals", JSON, nullable=False),
    Column("names", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("batches_by_task", "task_id", unique=True),
    Index("batches_by_work", "legacy_job_id", unique=True),
    Index("batches_by_visitor", "visitor", "created_at"),
    Index("batches_by_time", "created_at"),
    Index("batches_by_state", "state", "created_at"),
    Index("batches_by_generator", "generator", "created_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("batch_id", String(36), ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("stem", Text, nullable=False),
    Column("sides", JSON, nullable=False),
    Column("price", Dollars, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("press", Integer, key="purchase", nullable=False),
    Column("key_mark", String(32), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("progress", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("queue_position", Integer),
    Column("failure", JSON(none_as_null=True)),
    Column("waiting", JSON(none_as_null=True)),
    Column("intent", JSON(none_as_null=True)),
    Column("remote", JSON(none_as_null=True)),
    Column("facts", JSON(none_as_null=True)),
    Column("cost", Dollars),
    Column("created_at", Float, nullable=False),
    Column("pressed_at", Float, key="requested_at", nullable=False),
    Column("started_at", Float),
    Column("running_at", Float),
    Column("finished_at", Float),
    Column("holder", String(36)),
    Column("fence", Integer, nullable=False, server_default="0"),
    Index("jobs_by_batch", "batch_id", "number", unique=True),
    Index("jobs_by_state", "state"),
    Index("jobs_by_end", "finished_at", "state", "started_at"),
)

holders = Table(
    "holders",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("lease_until", Float, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("call", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("worker", String(36)),
    Column("message", Integer),
    Column("outcome", LargeBinary),
    Column("at", Float, nullable=False),
    Column("began_at", Float),
)

breakers = Table(
    "breakers",
    metadata,
    Column("generator", String(64), primary_key=True),
    Column("key_mark", String(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("open_until", Float),
    Column("trial", String(36)),
)

events = Table(
    "events",
    metadata,
    Column("batch_id", String(36), ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("job_id", String(36), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("code", String(40)),
    Column("at", Float, nullable=False),
    Index("events_by_time", "at"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("job_id", String(36), primary_key=True),
    Column("press", Integer, key="purchase", primary_key=True),
    Column("batch_id", String(36), nullable=False),
    Column("client", String(64), nullable=False),
    Column("generator", String(64), nullable=False),
    Column("key_mark", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("amount", Dollars, nullable=False),
    Column("at", Float, nullable=False),
    Index("ledger_by_time", "at"),
    Index("ledger_by_client", "client", "at"),
    Index("ledger_by_batch", "batch_id"),
)

submissions = Table(
    "submissions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("batch_id", String(36), nullable=False),
    Column("at", Float, nullable=False),
    Index("submissions_by_time", "at"),
)
