"""Days claimed by the rule of error avoided, households that have left, and what is not final on the chain yet.

Rewards of the rule before stay in `rewards`, as history.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, UniqueConstraint

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "claimed_days", Column("id", Integer, primary_key=True),
        Column("household", String(42), ForeignKey("households.address"), nullable=False),
        Column("day", _NUMBER, nullable=False), Column("buckets", Integer, nullable=False),
        Column("granted", Integer, nullable=False), Column("amount", String(80)),
        Column("proof_hash", String(66), nullable=False), UniqueConstraint("household", "day"),
    )  # fmt: skip
    op.create_table(
        "departures", Column("household", String(42), primary_key=True), Column("left_at", _NUMBER, nullable=False)
    )
    op.create_table(
        "unsettled", Column("kind", String(10), primary_key=True), Column("household", String(42), primary_key=True),
        Column("day", _NUMBER, primary_key=True), Column("bundle", LargeBinary, nullable=False),
        Column("raw", LargeBinary, nullable=False), Column("state", String(10), nullable=False),
        Column("reason", String(500), nullable=False),
    )  # fmt: skip
    op.create_table("scans", Column("name", String(20), primary_key=True), Column("block", _NUMBER, nullable=False))
