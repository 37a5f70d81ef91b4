"""Green shares: what each day's hours weigh, and what was claimed and paid for them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, String

revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table("green_hours", Column("day", _NUMBER, primary_key=True), Column("weights", JSON, nullable=False))
    op.create_table(
        "green_claims",
        Column("household", String(42), ForeignKey("households.address"), primary_key=True),
        Column("day", _NUMBER, primary_key=True), Column("tier", Integer, nullable=False),
        Column("points", Integer, nullable=False), Column("amount", String(80)),
        Column("proof_hash", String(66), nullable=False), Column("bundle", LargeBinary),
    )  # fmt: skip
