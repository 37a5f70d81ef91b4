"""By which interval a day of shared energy was summed: by the hour, as all days of earlier releases were."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer

revision, down_revision, branch_labels, depends_on = "0006", "0005", None, None


def upgrade() -> None:
    for table in ("shared_days", "masked_sums"):
        op.add_column(table, Column("interval_minutes", Integer, nullable=False, server_default="60"))
