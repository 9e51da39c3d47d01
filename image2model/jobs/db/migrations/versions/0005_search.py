"""Each batch's state and its pictures' names, and when jobs ended, where the host's questions find them at once."""

from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STATE = """
UPDATE batches SET state = (
  SELECT CASE
    WHEN SUM(CASE WHEN state IN ('done', 'failed', 'cancelled', 'unconfirmed') THEN 0 ELSE 1 END) > 0 THEN 'working'
    WHEN SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END) = COUNT(*) THEN 'done'
    WHEN SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END) > 0 THEN 'partly'
    WHEN SUM(CASE WHEN state = 'cancelled' THEN 1 ELSE 0 END) = COUNT(*) THEN 'cancelled'
    ELSE 'failed'
  END
  FROM jobs WHERE jobs.batch_id = batches.id
)
"""


def upgrade() -> None:
    """Add the column and the indexes; batches that are there get their state from their jobs."""
    op.add_column("batches", sa.Column("names", sa.Text, nullable=False, server_default=""))
    op.add_column("batches", sa.Column("state", sa.String(16), nullable=False, server_default="working"))
    op.execute(STATE)
    _name_old_batches()
    op.create_index("batches_by_state", "batches", ["state", "created_at"])
    op.create_index("batches_by_generator", "batches", ["generator", "created_at"])
    op.create_index("jobs_by_end", "jobs", ["finished_at", "state", "started_at"])


def _name_old_batches() -> None:
    connection, batches = op.get_bind(), sa.table("batches", sa.column("id"), sa.column("names"))
    jobs = sa.table("jobs", *map(sa.column, ("batch_id", "number", "name")), sa.column("sides", sa.JSON))
    rows = connection.execute(sa.select(jobs).order_by(jobs.c.batch_id, jobs.c.number)).all()
    for batch_id, members in groupby(rows, lambda job: job.batch_id):
        names = [name for job in members for name in (job.name, *(side["name"] for side in job.sides))]
        named = {"names": "\n".join(names).casefold()}
        connection.execute(sa.update(batches).where(batches.c.id == batch_id).values(named))


def downgrade() -> None:
    """Drop them again."""
    op.drop_index("jobs_by_end", "jobs")
    for index in ("batches_by_generator", "batches_by_state"):
        op.drop_index(index, "batches")
    for column in ("state", "names"):
        op.drop_column("batches", column)
