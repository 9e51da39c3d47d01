"""Idempotency keys of submissions, each unique, so that one request makes one batch however often it is sent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "submissions",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("submissions_by_time", "submissions", ["at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("submissions")
