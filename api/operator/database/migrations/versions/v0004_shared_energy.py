"""Days and periods of shared energy that gateways sum and prove over the network, and which meter was where when."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, String

revision, down_revision, branch_labels, depends_on = "0004", "0003", None, None
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "assigned_meters", Column("household", String(42), primary_key=True),
        Column("first_day", _NUMBER, primary_key=True), Column("meter", String(42), nullable=False),
    )  # fmt: skip
    op.create_table(
        "shared_days", Column("day", _NUMBER, primary_key=True), Column("imported", JSON, nullable=False),
        Column("exported", JSON, nullable=False), Column("meters", JSON, nullable=False),
        Column("import_total", JSON, nullable=False),
        Column("export_total", JSON, nullable=False),
    )  # fmt: skip
    op.create_table(
        "settled_periods", Column("name", String(24), primary_key=True), Column("first_day", _NUMBER, nullable=False),
        Column("last_day", _NUMBER, nullable=False), Column("members", Integer, nullable=False),
        Column("terms", LargeBinary, nullable=False), Column("closes_at", _NUMBER), Column("settled", Integer),
    )  # fmt: skip
    op.create_table(
        "proven_shares", Column("period", String(24), ForeignKey("settled_periods.name"), primary_key=True),
        Column("household", String(42), primary_key=True), Column("side", String(6), primary_key=True),
        Column("share_wh", _NUMBER, nullable=False), Column("proof", LargeBinary, nullable=False),
    )  # fmt: skip
