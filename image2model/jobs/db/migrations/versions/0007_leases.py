"""Leases: which process works a job, its fencing number, and until when each process holds what it has."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns and the table; existing jobs have no holder."""
    op.add_column("jobs", sa.Column("holder", sa.String(36)))
    op.add_column("jobs", sa.Column("fence", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "holders",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("lease_until", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("holders")
    for column in ("fence", "holder"):
        op.drop_column("jobs", column)
