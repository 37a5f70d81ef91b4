"""What the community may know about its households: commitments, proofs, totals, rewards.

It never holds a reading, nor the forecast of a single home.
"""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Number = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"))]
"""A day or a round, below 2^32. (SQLite's integers have 64 bits.)"""
NumberKey = Annotated[int, mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)]

_HOURS = 24


class Base(DeclarativeBase):
    """Tables of the community."""


class Household(Base):
    """A member, by the address of its wallet."""

    __tablename__ = "households"
    address: Mapped[str] = mapped_column(String(42), primary_key=True)
    meter: Mapped[str] = mapped_column(String(42))


class AssignedMeter(Base):
    """The meter of a household from a day on, as the registry on the chain has it; the empty address: none."""

    __tablename__ = "assigned_meters"
    household: Mapped[str] = mapped_column(String(42), primary_key=True)
    first_day: Mapped[NumberKey]
    meter: Mapped[str] = mapped_column(String(42))


class Departure(Base):
    """A household that has left (UTC seconds of the chain): it is refused, and its rows are erased."""

    __tablename__ = "departures"
    household: Mapped[str] = mapped_column(String(42), primary_key=True)
    left_at: Mapped[Number]


class ModelRound(Base):
    """A round's model, by the digest of its weights' commitment."""

    __tablename__ = "rounds"
    number: Mapped[NumberKey]
    digest: Mapped[str] = mapped_column(String(66))


class ExportRound(Base):
    """A round's model of export, as its registry on the chain has it; `published_at`: UTC seconds."""

    __tablename__ = "export_rounds"
    number: Mapped[NumberKey]
    digest: Mapped[str] = mapped_column(String(66))
    published_at: Mapped[Number]


class ExportForecast(Base):
    """A committed and proven forecast of export. It is not on the chain; the first one of a day stays."""

    __tablename__ = "export_forecasts"
    household: Mapped[str] = mapped_column(ForeignKey("households.address"), primary_key=True)
    day: Mapped[NumberKey]
    round: Mapped[Number]
    commitment: Mapped[str] = mapped_column(String(98))
    proof_hash: Mapped[str] = mapped_column(String(66), unique=True)
    bundle: Mapped[bytes] = mapped_column(LargeBinary)


class ExportTotal(Base):
    """The opened sum of a day's forecasts of export, as `CommunityTotal` has that of load."""

    __tablename__ = "export_totals"
    day: Mapped[NumberKey]
    values: Mapped[list[int]] = mapped_column(JSON)
    blinding: Mapped[str] = mapped_column(String(66))
    households: Mapped[list[str]] = mapped_column(JSON)


class Forecast(Base):
    """A committed and proven forecast: `bundle` is the proof with everything needed to check it."""

    __tablename__ = "forecasts"
    __table_args__ = (UniqueConstraint("household", "day"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    household: Mapped[str] = mapped_column(ForeignKey("households.address"))
    day: Mapped[Number]
    round: Mapped[Number]
    head: Mapped[str] = mapped_column(String(66))
    commitment: Mapped[str] = mapped_column(String(98))
    proof_hash: Mapped[str] = mapped_column(String(66), unique=True)
    bundle: Mapped[bytes] = mapped_column(LargeBinary)


class CommunityTotal(Base):
    """The opened sum of a day's forecasts: 48 totals in Wh (typical hours, means) and the summed blinding (hex).

    Days of releases before 0.2 have 24 totals, of a forecast that was a mixture of both.
    """

    __tablename__ = "totals"
    day: Mapped[NumberKey]
    values: Mapped[list[int]] = mapped_column(JSON)
    blinding: Mapped[str] = mapped_column(String(66))
    households: Mapped[list[str]] = mapped_column(JSON)

    @property
    def forecast(self) -> list[int]:
        """The community's forecast, 24 hours in Wh: the sum of the homes' means."""
        return self.values[-_HOURS:]

    @property
    def typical(self) -> list[int]:
        """The sums of the typical hours, which open the commitments' sum beside it; none of an older day."""
        return self.values[:-_HOURS]


class MeasuredTotal(Base):
    """The opened sum of what the same households' meters signed for that day: 24 totals in Wh, the summed blinding.

    `signed_days`: the meters' commitments and signatures (`data.meter.SignedDay.to_json`), whose sum it opens.
    """

    __tablename__ = "measured_totals"
    day: Mapped[NumberKey]
    values: Mapped[list[int]] = mapped_column(JSON)
    blinding: Mapped[str] = mapped_column(String(66))
    signed_days: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class SharedDay(Base):
    """A day's members of shared energy, and the opened sums of both registers of their meters.

    `imported`, `exported`: signed days (`data.meter.SignedDay.to_json`), in the order of the households.
    `meters`: by household, the meter that signed; it stays when the household has left, for its period is still to be
    settled. `import_total`, `export_total`: 24 totals in Wh (`values_wh`), and the summed `blinding` (hex); of import
    a list of them, one for each class, where shared energy is split class by class. `interval_minutes`: 60, or 15;
    by the quarter of an hour each of these is a list of four, one for each block (`api.operator.shared_days`).
    """

    __tablename__ = "shared_days"
    day: Mapped[NumberKey]
    imported: Mapped[list[Any]] = mapped_column(JSON)
    exported: Mapped[list[Any]] = mapped_column(JSON)
    meters: Mapped[dict[str, str]] = mapped_column(JSON)
    import_total: Mapped[dict[str, Any] | list[Any]] = mapped_column(JSON)
    export_total: Mapped[dict[str, Any] | list[dict[str, Any]]] = mapped_column(JSON)
    interval_minutes: Mapped[int] = mapped_column(default=60)


class SettledPeriod(Base):
    """A period that was opened to its members: they prove their shares of it (`api.operator.open_periods`).

    `terms`: the settlement's file without a share; large, so that it is loaded only where it is asked for.
    `closes_at`: UTC seconds, by the chain's clock; set by the server. `settled`: how many shares the settlement has
    that was written last; none before it is closed. `is_final`: no reorganisation takes back its root and payments.
    """

    __tablename__ = "settled_periods"
    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    first_day: Mapped[Number]
    last_day: Mapped[Number]
    members: Mapped[int]
    terms: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    closes_at: Mapped[int | None] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"))
    settled: Mapped[int | None]
    is_final: Mapped[bool] = mapped_column(default=False)


class ProvenShare(Base):
    """A member's share of a period, as it came in (Wh), with its proof: the first one stays."""

    __tablename__ = "proven_shares"
    period: Mapped[str] = mapped_column(ForeignKey("settled_periods.name"), primary_key=True)
    household: Mapped[str] = mapped_column(String(42), primary_key=True)
    side: Mapped[str] = mapped_column(String(6), primary_key=True)
    share_wh: Mapped[Number]
    proof: Mapped[bytes] = mapped_column(LargeBinary)


class MaskedSum(Base):
    """The one masked sum of a day and kind that gateways take part in (`api.operator.secure_sum`).

    `members`: by the gateway's name its household and its key in the roster (hex), as they were when it began.
    `phase`: what is collected now, or open, or failed, with the reason. `until`: UTC seconds. `interval_minutes`: by
    which shared energy was settled when it began.
    """

    __tablename__ = "masked_sums"
    day: Mapped[NumberKey]
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(32))
    members: Mapped[dict[str, dict[str, str]]] = mapped_column(JSON)
    phase: Mapped[str] = mapped_column(String(10))
    until: Mapped[float]
    reason: Mapped[str] = mapped_column(String(500), default="")
    interval_minutes: Mapped[int] = mapped_column(default=60)


class MaskedSumMessage(Base):
    """A gateway's message in a stage of a sum, as signed: keys, envelopes, a masked vector, shares."""

    __tablename__ = "masked_sum_messages"
    day: Mapped[NumberKey]
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    stage: Mapped[str] = mapped_column(String(10), primary_key=True)
    home: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)


class ComputedTotals(Base):
    """Both totals of a day before anything was proven, computed directly from the readings.

    They cannot be checked; the demo starts its calibration with them. Totals in Wh.
    """

    __tablename__ = "computed_totals"
    day: Mapped[NumberKey]
    forecast: Mapped[list[int]] = mapped_column(JSON)
    measured: Mapped[list[int]] = mapped_column(JSON)


class Reward(Base):
    """A claimed day: buckets of 100 Wh as proven, and those that count; the amount once it is paid."""

    __tablename__ = "claimed_days"
    __table_args__ = (UniqueConstraint("household", "day"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    household: Mapped[str] = mapped_column(ForeignKey("households.address"))
    day: Mapped[Number]
    buckets: Mapped[int]
    granted: Mapped[int]
    amount: Mapped[str | None] = mapped_column(String(80))
    proof_hash: Mapped[str] = mapped_column(String(66))


class FormerReward(Base):
    """A reward by the rule of earlier releases, kept as history: its tier in percent, its amount."""

    __tablename__ = "rewards"
    __table_args__ = (UniqueConstraint("household", "day"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    household: Mapped[str] = mapped_column(ForeignKey("households.address"))
    day: Mapped[Number]
    tier: Mapped[int]
    amount: Mapped[str] = mapped_column(String(80))
    proof_hash: Mapped[str] = mapped_column(String(66))


class PaidClaim(Base):
    """What a reward was paid for: `bundle` is the claim with everything needed to check it."""

    __tablename__ = "paid_claims"
    household: Mapped[str] = mapped_column(ForeignKey("households.address"), primary_key=True)
    day: Mapped[NumberKey]
    bundle: Mapped[bytes] = mapped_column(LargeBinary)


class GreenHours(Base):
    """How green each hour of a day is, 24 weights from 0 to 255, as registered before it started."""

    __tablename__ = "green_hours"
    day: Mapped[NumberKey]
    weights: Mapped[list[int]] = mapped_column(JSON)


class GreenClaim(Base):
    """A claimed green share: percent as proven, points that count; the amount once it is paid.

    `bundle`: the claim with everything needed to check it; None where somebody else brought it to the chain.
    """

    __tablename__ = "green_claims"
    household: Mapped[str] = mapped_column(ForeignKey("households.address"), primary_key=True)
    day: Mapped[NumberKey]
    tier: Mapped[int]
    points: Mapped[int]
    amount: Mapped[str | None] = mapped_column(String(80))
    proof_hash: Mapped[str] = mapped_column(String(66))
    bundle: Mapped[bytes | None] = mapped_column(LargeBinary)


class Unsettled(Base):
    """What the server has taken on from a household, until it is final on the chain (`api.operator.settlement`).

    `kind`: forecast, claim or payment; of a green share green and green-pay. `raw`: the household's own transaction,
    of a forecast. `state`: waiting, mined or refused, with the reason.
    """

    __tablename__ = "unsettled"
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    household: Mapped[str] = mapped_column(String(42), primary_key=True)
    day: Mapped[NumberKey]
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(500))


class Scan(Base):
    """Up to which block the events of a name were read."""

    __tablename__ = "scans"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    block: Mapped[Number]
