"""Models and forecasts of export from gateways, and the sums of them that are opened."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, String

revision, down_revision, branch_labels, depends_on = "0007", "0006", None, None
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "export_rounds", Column("number", _NUMBER, primary_key=True), Column("digest", String(66), nullable=False),
        Column("published_at", _NUMBER, nullable=False),
    )  # fmt: skip
    op.create_table(
        "export_forecasts", Column("household", String(42), ForeignKey("households.address"), primary_key=True),
        Column("day", _NUMBER, primary_key=True), Column("round", _NUMBER, nullable=False),
        Column("commitment", String(98), nullable=False),
        Column("proof_hash", String(66), nullable=False, unique=True), Column("bundle", LargeBinary, nullable=False),
    )  # fmt: skip
    op.create_table(
        "export_totals", Column("day", _NUMBER, primary_key=True), Column("values", JSON, nullable=False),
        Column("blinding", String(66), nullable=False), Column("households", JSON, nullable=False),
    )  # fmt: skip
