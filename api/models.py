"""The database's tables: public records only. No reading and no forecast of a single home is ever in here."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Common base of the tables."""


class ForecastStatus(StrEnum):
    """How far a forecast has come."""

    VERIFIED = "verified"
    REGISTERED = "registered"
    REWARDED = "rewarded"
    UNREWARDED = "unrewarded"


class Household(Base):
    """A member: `address` signs for it, `meter` is the address of its meter's key."""

    __tablename__ = "households"

    address: Mapped[str] = mapped_column(String(42), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    meter: Mapped[str] = mapped_column(String(42))
    forecasts: Mapped[list[Forecast]] = relationship(back_populates="home", order_by="Forecast.day")


class ModelRound(Base):
    """A published model: its shape, the committed rows of its weights, and their digest, as on the chain."""

    __tablename__ = "model_rounds"

    round: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    shape: Mapped[dict[str, int]] = mapped_column(JSON)
    commitment: Mapped[dict[str, Any]] = mapped_column(JSON)
    homes: Mapped[int]
    transaction: Mapped[str | None] = mapped_column(String(66))
    published: Mapped[datetime] = mapped_column(default=_now)


class PublicDay(Base):
    """The public features of a forecast day for a shape of model: Keccak-256 of their fixed-point integers."""

    __tablename__ = "public_days"

    day: Mapped[int] = mapped_column(primary_key=True)
    features: Mapped[bytes] = mapped_column(LargeBinary(32))


class Forecast(Base):
    """A home's committed forecast of a day with the bundle that proves it."""

    __tablename__ = "forecasts"
    __table_args__ = (UniqueConstraint("household", "day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    household: Mapped[str] = mapped_column(ForeignKey("households.address"))
    day: Mapped[int] = mapped_column(index=True)
    round: Mapped[int] = mapped_column(ForeignKey("model_rounds.round"))
    commitment: Mapped[bytes] = mapped_column(LargeBinary(48), unique=True)
    proof_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    proof_bytes: Mapped[int]
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[ForecastStatus] = mapped_column(String(16), default=ForecastStatus.VERIFIED)
    transaction: Mapped[str | None] = mapped_column(String(66))
    submitted: Mapped[datetime] = mapped_column(default=_now)
    home: Mapped[Household] = relationship(back_populates="forecasts")


class CommunityDay(Base):
    """The opened sum of a day's forecasts: 24 hourly totals in Wh, the sum of the blindings, and who is in it.

    `actual` is the community's measured total of the day, 24 values in Wh, once the day is over.
    """

    __tablename__ = "community_days"

    day: Mapped[int] = mapped_column(primary_key=True)
    start: Mapped[datetime]
    total: Mapped[list[int]] = mapped_column(JSON)
    blinding: Mapped[str] = mapped_column(String(66))
    members: Mapped[list[str]] = mapped_column(JSON)
    actual: Mapped[list[int] | None] = mapped_column(JSON)
    baseline: Mapped[list[int] | None] = mapped_column(JSON)


class Claim(Base):
    """A paid day: the skill proof's bundle and what was minted, in 10^-18 tokens (as text: it outgrows 64 bits)."""

    __tablename__ = "claims"

    household: Mapped[str] = mapped_column(ForeignKey("households.address"), primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True)
    tier: Mapped[int]
    amount: Mapped[str] = mapped_column(String(78))
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    claimed: Mapped[datetime] = mapped_column(default=_now)


class Deployment(Base):
    """Where the community's contracts are."""

    __tablename__ = "deployments"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[str] = mapped_column(String(42))
