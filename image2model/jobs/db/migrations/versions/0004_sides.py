"""Other sides of a job's object, and each job's own price, for a job of several sides may cost more."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; what is there has one picture, at its batch's price."""
    op.add_column("jobs", sa.Column("sides", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("jobs", sa.Column("price", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE jobs SET price = (SELECT batches.price FROM batches WHERE batches.id = jobs.batch_id)")
    op.drop_column("batches", "price")


def downgrade() -> None:
    """Give batches their price back, and forget the sides."""
    op.add_column("batches", sa.Column("price", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE batches SET price = (SELECT MIN(jobs.price) FROM jobs WHERE jobs.batch_id = batches.id)")
    for column in ("price", "sides"):
        op.drop_column("jobs", column)
