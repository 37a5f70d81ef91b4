"""Whether what was settled of a period is final on the chain."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, false

revision, down_revision, branch_labels, depends_on = "0005", "0004", None, None


def upgrade() -> None:
    """Periods that an earlier release settled are looked at once more."""
    op.add_column("settled_periods", Column("is_final", Boolean, nullable=False, server_default=false()))
