"""The tables as they were before there were migrations. Frozen: migrations go on from here."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

TABLES = MetaData()
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, length: int, key: bool = False) -> Column[str]:
    return Column(name, String(length), primary_key=key, nullable=False)


def _number(name: str, key: bool = False) -> Column[int]:
    return Column(name, _NUMBER, primary_key=key, nullable=False)


def _household() -> Column[str]:
    return Column("household", String(42), ForeignKey("households.address"), nullable=False)


Table("households", TABLES, _text("address", 42, key=True), _text("meter", 42))
Table("rounds", TABLES, _number("number", key=True), _text("digest", 66))
Table(
    "forecasts", TABLES, Column("id", Integer, primary_key=True), _household(), _number("day"), _number("round"),
    _text("head", 66), _text("commitment", 98), Column("proof_hash", String(66), unique=True, nullable=False),
    Column("bundle", LargeBinary, nullable=False), UniqueConstraint("household", "day"),
)  # fmt: skip
Table(
    "totals", TABLES, _number("day", key=True), Column("values", JSON, nullable=False), _text("blinding", 66),
    Column("households", JSON, nullable=False),
)  # fmt: skip
Table(
    "measured_totals", TABLES, _number("day", key=True), Column("values", JSON, nullable=False),
    _text("blinding", 66), Column("signed_days", JSON, nullable=False),
)  # fmt: skip
Table(
    "masked_sums", TABLES, _number("day", key=True), _text("kind", 10, key=True), _text("nonce", 32),
    Column("members", JSON, nullable=False), _text("phase", 10), Column("until", Float, nullable=False),
    _text("reason", 500),
)  # fmt: skip
Table(
    "masked_sum_messages", TABLES, _number("day", key=True), _text("kind", 10, key=True),
    _text("stage", 10, key=True), _text("home", 64, key=True), Column("content", JSON, nullable=False),
)  # fmt: skip
Table(
    "computed_totals", TABLES, _number("day", key=True), Column("forecast", JSON, nullable=False),
    Column("measured", JSON, nullable=False),
)  # fmt: skip
Table(
    "rewards", TABLES, Column("id", Integer, primary_key=True), _household(), _number("day"),
    Column("tier", Integer, nullable=False), _text("amount", 80), _text("proof_hash", 66),
    UniqueConstraint("household", "day"),
)  # fmt: skip
Table(
    "paid_claims", TABLES,
    Column("household", String(42), ForeignKey("households.address"), primary_key=True, nullable=False),
    _number("day", key=True), Column("bundle", LargeBinary, nullable=False),
)  # fmt: skip
