"""Answers of the API, as the server gives them and an auditor reads them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.config.settlement_settings import KeyKind
from api.protocol.accuracy import DayAccuracy
from api.protocol.calibration import Band, Calibrated, PastDay
from data.interval import IntervalMinutes


class BandPublic(BaseModel):
    """Where the load lies with the named probability, 24 hours of Wh."""

    low_wh: list[int]
    high_wh: list[int]

    @classmethod
    def of(cls, band: Band | None) -> BandPublic | None:
        return None if band is None else cls(low_wh=list(band.low), high_wh=list(band.high))


class CalibratedPublic(BaseModel):
    """The total corrected from the totals of past days, some of which may only be computed (those cannot be checked).

    The bands are absent until a week of calibrated days has shown its errors.
    """

    values_wh: list[int]
    band_50: BandPublic | None
    band_90: BandPublic | None
    days_proven: int
    days_computed: int

    @classmethod
    def of(cls, result: Calibrated) -> CalibratedPublic:
        return cls(
            values_wh=list(result.values), band_50=BandPublic.of(result.band_50),
            band_90=BandPublic.of(result.band_90), days_proven=result.days_proven,
            days_computed=result.days_computed,
        )  # fmt: skip


class DayForecast(BaseModel):
    """The community's forecast: 24 hourly totals (Wh) from `start` (UTC), with what opens the commitments' sum.

    `values_wh` is the plain sum of the homes' mean forecasts, which is proven; `typical_wh`, the sum of their typical
    hours, is opened with it (too low for a forecast, as sums of medians are), and empty for days of older releases:
    the commitments' sum opens to both, typical hours first. `calibrated` is the total put right by past totals, or
    None, and then `not_calibrated` says what is missing.
    """

    day: int
    start: str
    values_wh: list[int]
    typical_wh: list[int]
    blinding: str
    households: list[str]
    calibrated: CalibratedPublic | None
    not_calibrated: str | None


class SignedDayPublic(BaseModel):
    """A meter's commitment to its household's day, and its signature."""

    household: str
    day: int
    commitment: str
    signature: str


class DayMeasured(BaseModel):
    """The community's measured load: 24 hourly totals (Wh), with what opens the sum of the meters' commitments."""

    day: int
    start: str
    values_wh: list[int]
    blinding: str
    signed_days: list[SignedDayPublic]


class PastTotals(BaseModel):
    """Both totals of a past day. `proven`: /days/DAY/forecast and /days/DAY/measured open them."""

    day: int
    totals: Literal["proven", "computed"]
    forecast_wh: list[int]
    measured_wh: list[int]

    @classmethod
    def of(cls, past: PastDay) -> PastTotals:
        return cls(
            day=past.day, totals="proven" if past.proven else "computed", forecast_wh=list(past.forecast),
            measured_wh=list(past.measured),
        )  # fmt: skip


class CalibrationInputs(BaseModel):
    """Everything the calibration of a day uses: anybody can repeat it (forecasting/calibration.py)."""

    day: int
    forecast_wh: list[int]
    past: list[PastTotals]
    levels: list[float]
    horizon_days: int = 1


class MeterPublic(BaseModel):
    """A household's meter from a day on; the empty text for none."""

    first_day: int
    meter: str


class HouseholdPublic(BaseModel):
    """The public data of a household. `meters`: one after the other; `meter` is the newest."""

    address: str
    meter: str
    meters: list[MeterPublic] = []
    forecasts: int
    rewarded_days: int


class ForecastPublic(BaseModel):
    """A registered forecast; `head`: digest of the personal head it was made with, zeros for none."""

    household: str
    day: int
    round: int
    head: str
    commitment: str
    proof_hash: str


class ExportForecastPublic(BaseModel):
    """A forecast of export that was taken. It is not on the chain."""

    household: str
    day: int
    round: int
    commitment: str
    proof_hash: str


class RoundPublic(BaseModel):
    """A round and the digest of its weights' commitment."""

    number: int
    digest: str


class ClaimPublic(BaseModel):
    """A claim that was taken. The buckets, how many times 100 Wh of error were avoided at least, are all it reveals
    about how good the household's forecast was."""

    household: str
    day: int
    buckets: int
    proof_hash: str


class GreenHoursPublic(BaseModel):
    """How green each hour of a day is: 24 weights from 0 to 255 from `start` (UTC), registered before it.

    `base`: the percentage of a load that is the same in every hour; what is above it counts.
    """

    day: int
    start: str
    weights: list[int]
    base: int


class GreenSharePublic(BaseModel):
    """A green share that was claimed: the percentage as proven, and the points that count. `amount`: in 10^-18
    tokens, once it is paid."""

    household: str
    day: int
    tier: int
    points: int
    amount: str | None
    proof_hash: str


class HomeOfDay(BaseModel):
    """A household on a day. `round`, `proof_hash`: of its registered forecast, None where it has none.

    `missing`: why it is not in the day's total: `not-registered` (no forecast of its was registered before the
    deadline) or `not-in-total` (registered, and its gateway took no part in the sum). `green_percent`: of its load,
    as proven; None where it has claimed no green share.
    """

    household: str
    round: int | None
    proof_hash: str | None
    in_total: bool
    claimed: bool
    missing: Literal["not-registered", "not-in-total"] | None
    green_percent: int | None = None


class DayOfHome(BaseModel):
    """A day that a household has forecast: whether it is in the day's total, whether its reward was claimed, and what
    percentage of its load it has proven to be green."""

    day: int
    in_total: bool
    claimed: bool
    green_percent: int | None = None


class SumOfDay(BaseModel):
    """How the gateways' sum of a day stands: what is collected now, or `open`, or `failed` with the reason."""

    kind: str
    phase: str
    members: int
    reason: str


class CommunityPublic(BaseModel):
    """The community's name, and the UTC hour its days start at; a day is called by the date of its middle."""

    name: str
    day_start_utc: int = Field(ge=0, le=23)


class DaySummary(BaseModel):
    """All that is shown of a day, in one answer; Wh for 24 hours from `start` (UTC).

    `day_before_wh`: the measured total of the day before, which is the naive forecast; None where it is not known.
    `green_hours`: how green each hour is, from 0 to 255; None where nobody registered it.
    """

    day: int
    start: str
    forecast_wh: list[int] | None
    calibrated: CalibratedPublic | None
    measured_wh: list[int] | None
    day_before_wh: list[int] | None
    accuracy: DayAccuracy | None
    homes: list[HomeOfDay]
    sums: list[SumOfDay]
    green_hours: list[int] | None = None


class SharedEnergyDay(BaseModel):
    """A settled day: what all members took and fed in, and what of it was shared; Wh for 24 hours, or for 96 quarters
    of an hour, from `start`."""

    day: int
    start: str
    taken_wh: list[int]
    fed_in_wh: list[int]
    shared_wh: list[int]


class TokensPaid(BaseModel):
    """What was paid for a period in tokens, to all members, and the escrow that pays: amounts in the token's smallest
    unit, as text for they may be large."""

    contract: str
    token: str
    funded: str
    paid: str
    shares: int


class SharedEnergyPeriod(BaseModel):
    """A settled period, both dates in it; nothing of a single member.

    `late`: how many members have not proved their shares yet. `remainder_wh`: what of the shared energy is the
    community's, of those who took (`import`) and of those who fed in (`export`). `root`: Merkle root of all shares.
    """

    period: str
    first_date: date
    last_date: date
    days: int
    members: int
    late: int
    key: KeyKind
    interval_minutes: IntervalMinutes
    taken_wh: int
    fed_in_wh: int
    shared_wh: int
    remainder_wh: dict[Literal["import", "export"], int]
    root: str
    tokens: TokensPaid | None = None


class OpenPeriodPublic(BaseModel):
    """A period whose members prove their shares by themselves. `missing`: how many shares have not come in.

    `closes_at`: until when it is waited for them, UTC seconds; one that comes later joins the settlement afterwards.
    """

    period: str
    first_day: int = Field(ge=0, lt=1 << 32)
    last_day: int = Field(ge=0, lt=1 << 32)
    missing: int
    closes_at: int | None
    is_closed: bool


class ShareIn(BaseModel):
    """A member's share on one side (Wh) with its proof."""

    model_config = ConfigDict(extra="forbid")

    side: Literal["import", "export"]
    share_wh: int = Field(ge=0, lt=1 << 40)
    proof: str = Field(pattern="^0x([0-9a-f]{2})+$", max_length=65_536)


class SharesIn(BaseModel):
    """A member's shares of a period."""

    model_config = ConfigDict(extra="forbid")

    household: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    shares: list[ShareIn] = Field(min_length=1, max_length=2)


class SharePath(BaseModel):
    """How a share leads to its period's root: the hashes beside its leaf and beside each node above it."""

    root: str = Field(pattern="^0x[0-9a-f]{64}$")
    path: list[str] = Field(max_length=64)


class DamagedPeriod(BaseModel):
    """A period whose settlement cannot be read, in the place of its sums: a damaged file hides no sound one.

    `problem`: what is wrong. The server's log names the file and the remedy.
    """

    period: str
    problem: str


class SharedEnergyHours(SharedEnergyPeriod):
    """A settled period by hour, or by the quarter of an hour."""

    hours: list[SharedEnergyDay]


class SurplusHours(BaseModel):
    """A day's surplus hours: those in which the community is forecast to feed in more than it takes.

    `load_wh`, `export_wh`: sums of the members' proven forecasts, Wh for 24 hours from `start` (UTC). `hours`: the
    surplus hours, 0 to 23 from `start`; `best_hours`: the same, the largest surplus first. `homes`: members in the
    sum of load, of whom `exporting_homes` are in that of export. Digests are those of the two models.
    """

    day: int
    date: date
    start: str
    homes: int
    exporting_homes: int
    load_wh: list[int] = Field(min_length=24, max_length=24)
    export_wh: list[int] = Field(min_length=24, max_length=24)
    hours: list[int]
    best_hours: list[int]
    load_round: int
    load_digest: str
    export_round: int
    export_digest: str
