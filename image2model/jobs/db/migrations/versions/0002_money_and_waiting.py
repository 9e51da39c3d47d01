"""The ledger, what a job waits for, own keys, pinned batches and the ids of REST clients."""

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def new_columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    """The new columns of each table, new objects for each call because a column belongs to one table."""
    return {
        "batches": (
            sa.Column("task_id", sa.String(36), nullable=False, server_default=""),
            sa.Column("work_id", sa.String(36), nullable=False, server_default=""),
            sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("correlation_id", sa.String(64), nullable=False, server_default=""),
        ),
        "jobs": (
            sa.Column("press", sa.Integer, nullable=False, server_default="1"),
            sa.Column("key_mark", sa.String(32), nullable=False, server_default=""),
            sa.Column("tries", sa.Integer, nullable=False, server_default="1"),
            sa.Column("waiting", sa.JSON),
            sa.Column("intent", sa.JSON),
            sa.Column("pressed_at", sa.Float, nullable=False, server_default="0"),
        ),
        "events": (sa.Column("code", sa.String(40)),),
    }


def upgrade() -> None:
    """Add the columns and the ledger; batches that are there get their ids."""
    for table, columns in new_columns().items():
        for column in columns:
            op.add_column(table, column)
    _name_old_batches()
    op.execute("UPDATE jobs SET pressed_at = created_at")
    op.create_index("batches_by_task", "batches", ["task_id"], unique=True)
    op.create_index("batches_by_work", "batches", ["work_id"], unique=True)
    op.create_index("events_by_time", "events", ["at"])
    op.create_table(
        "ledger",
        sa.Column("job_id", sa.String(36), primary_key=True),
        sa.Column("press", sa.Integer, primary_key=True),
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("generator", sa.String(64), nullable=False),
        sa.Column("key_mark", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ledger_by_time", "ledger", ["at"])
    op.create_index("ledger_by_client", "ledger", ["client", "at"])
    op.create_index("ledger_by_batch", "ledger", ["batch_id"])


def _name_old_batches() -> None:
    connection, batches = op.get_bind(), sa.table("batches", *map(sa.column, ("id", "task_id", "work_id")))
    for batch_id in connection.scalars(sa.select(batches.c.id)).all():
        ids = {"task_id": str(uuid.uuid4()), "work_id": str(uuid.uuid4())}
        connection.execute(sa.update(batches).where(batches.c.id == batch_id).values(ids))


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("ledger")
    op.drop_index("events_by_time", "events")
    for index in ("batches_by_task", "batches_by_work"):
        op.drop_index(index, "batches")
    for table, columns in new_columns().items():
        for column in columns:
            op.drop_column(table, column.name)
