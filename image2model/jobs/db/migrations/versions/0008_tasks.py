"""Tasks: calls of functions that worker processes make, and their outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("call", sa.LargeBinary, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(36)),
        sa.Column("message", sa.Integer),
        sa.Column("outcome", sa.LargeBinary),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("began_at", sa.Float),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("tasks")
