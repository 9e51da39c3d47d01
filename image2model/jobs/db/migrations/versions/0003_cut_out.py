"""Whether a batch's pictures are sent with their background removed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; what is there was sent as it was."""
    op.add_column("batches", sa.Column("cut_out", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("batches", "cut_out")
