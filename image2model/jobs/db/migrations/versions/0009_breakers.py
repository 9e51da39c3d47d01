"""Circuit breakers, which processes share."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "breakers",
        sa.Column("generator", sa.String(64), primary_key=True),
        sa.Column("key_mark", sa.String(32), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("open_until", sa.Float),
        sa.Column("trial", sa.String(36)),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("breakers")
