"""The tables of releases before migrations, where they are missing."""

from __future__ import annotations

from alembic import op

from api.operator.database.migrations.baseline import TABLES

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    TABLES.create_all(op.get_bind(), checkfirst=True)
