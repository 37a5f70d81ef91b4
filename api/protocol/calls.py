"""What can be asked of a community's API, each with the type of its answer: nothing here sends anything.

    with Client("https://elm.example") as ask:
        print(ask(day_forecast(17316)).values_wh)
    async with AsyncClient("https://elm.example") as ask:
        print((await ask(day_forecast(17316))).values_wh)

A list comes in pages; `ask.all(forecasts(17316))` goes through them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from api.protocol.accuracy import DayAccuracy
from api.protocol.schemas import (
    CalibrationInputs,
    ClaimPublic,
    CommunityPublic,
    DamagedPeriod,
    DayForecast,
    DayMeasured,
    DayOfHome,
    DaySummary,
    ExportForecastPublic,
    ForecastPublic,
    GreenHoursPublic,
    GreenSharePublic,
    HouseholdPublic,
    OpenPeriodPublic,
    RoundPublic,
    SharedEnergyHours,
    SharedEnergyPeriod,
    SharePath,
    SurplusHours,
)
from data import json_text

_T = TypeVar("_T")
VERSION = "/v1"
_ANSWER_BYTES = 1 << 20
LARGE_BYTES = 16 << 20
PAGE = 1000
"""Items of a page, as the server gives them unless it is asked for fewer."""


class NotAsDocumented(ValueError):
    """An answer that is not of the documented form; the message says where."""


@dataclass(frozen=True)
class Call(Generic[_T]):
    """One request. `parse`: its answer's body; raises NotAsDocumented. `limit`: bytes that are read of it."""

    path: str
    parse: Callable[[bytes], _T]
    method: str = "GET"
    content: bytes | None = None
    limit: int = _ANSWER_BYTES


@dataclass(frozen=True)
class Listing(Generic[_T]):
    """A list in pages. `key`: of an item, for the page after it."""

    path: str
    item: type[_T]
    key: Callable[[_T], object]

    def page(self, after: object = None) -> Call[list[_T]]:
        """The page after the item of that key; the first, if none."""
        query = "" if after is None else f"?{urlencode({'after': after})}"
        return Call(self.path + query, _model(list[self.item], self.path))  # type: ignore[name-defined]

    def is_last(self, page: list[_T]) -> bool:
        return len(page) < PAGE


def _model(kind: Any, path: str) -> Callable[[bytes], Any]:
    def parse(content: bytes) -> Any:
        try:
            return TypeAdapter(kind).validate_json(content)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(p) for p in problem["loc"]) or "(the whole)"
            raise NotAsDocumented(
                f"the server's answer to {path} is not as documented: {where}: {problem['msg']}"
            ) from None

    return parse


def _get(path: str, kind: type[_T]) -> Call[_T]:
    return Call(path, _model(kind, path), limit=LARGE_BYTES)


def _bytes(path: str, limit: int = LARGE_BYTES) -> Call[bytes]:
    return Call(path, lambda content: content, limit=limit)


class Health(BaseModel):
    """Which community is served, its chain's time (UTC seconds), and the UTC hour its days start at (which servers
    before 0.2 do not say)."""

    community: str
    chain_time: int = Field(ge=0, lt=1 << 40)
    day_start_utc: int | None = Field(default=None, ge=0, le=23)


class Verdict(BaseModel):
    """A proof that holds, what it says, and how long the check took (s)."""

    valid: bool
    says: list[str]
    seconds: float


class Holdings(BaseModel):
    """Tokens of a household (10^-18) and its record's metadata."""

    address: str
    tokens: str
    record: dict[str, Any] | None


class Signing(BaseModel):
    """What a household's next transaction must say; believed only as far as the household has pinned it."""

    chain_id: int = Field(ge=1, lt=1 << 64)
    forecast_registry: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    nonce: int = Field(ge=0, lt=1 << 64)
    gas_price: int = Field(ge=0, lt=1 << 128)


class MembershipPublic(BaseModel):
    """Where a household stands, and what its next statement must name; believed only as far as it has pinned it."""

    household: str
    state: Literal["invited", "enrolled", "left", "unknown"]
    chain_id: int = Field(ge=1, lt=1 << 64)
    forecast_registry: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    household_nft: str = Field(pattern="^0x[0-9a-fA-F]{40}$")
    nonce: int = Field(ge=0, lt=1 << 64)
    chain_time: int = Field(ge=0, lt=1 << 48)
    has_record: bool


class PinnedHeadPublic(BaseModel):
    """The personal head that a household has pinned to a round."""

    digest: str = Field(pattern="^0x[0-9a-f]{64}$")
    pinned_at: int = Field(ge=1, lt=1 << 64)


def health() -> Call[Health]:
    return _get("/health", Health)


def community() -> Call[CommunityPublic]:
    """Its name, and when its days start."""
    return _get(f"{VERSION}/community", CommunityPublic)


def rounds() -> Listing[RoundPublic]:
    return Listing(f"{VERSION}/rounds", RoundPublic, lambda one: one.number)


def export_rounds() -> Listing[RoundPublic]:
    """Published models of export."""
    return Listing(f"{VERSION}/export/rounds", RoundPublic, lambda one: one.number)


def households() -> Listing[HouseholdPublic]:
    return Listing(f"{VERSION}/households", HouseholdPublic, lambda one: one.address)


def days() -> Listing[int]:
    return Listing(f"{VERSION}/days", int, lambda day: day)


def forecasts(day: int) -> Listing[ForecastPublic]:
    return Listing(f"{VERSION}/forecasts/{day}", ForecastPublic, lambda one: one.household)


def claims(day: int) -> Listing[ClaimPublic]:
    return Listing(f"{VERSION}/claims/{day}", ClaimPublic, lambda one: one.household)


def green_shares(day: int) -> Listing[GreenSharePublic]:
    return Listing(f"{VERSION}/green-shares/{day}", GreenSharePublic, lambda one: one.household)


def green_hours(day: int) -> Call[GreenHoursPublic]:
    """How green each hour of a day is."""
    return _get(f"{VERSION}/green-shares/{day}/hours", GreenHoursPublic)


def green_proof(household: str, day: int) -> Call[bytes]:
    """The bundle of a green share, byte for byte."""
    return _bytes(f"{VERSION}/green-shares/{household}/{day}/proof")


def submit_green_share(bundle: bytes) -> Call[GreenSharePublic]:
    """Submit a green share. The same again gets the first answer."""
    path = f"{VERSION}/green-shares"
    return Call(path, _model(GreenSharePublic, path), "POST", bundle)


def days_of(household: str) -> Listing[DayOfHome]:
    return Listing(f"{VERSION}/households/{household}/days", DayOfHome, lambda one: one.day)


def shared_energy() -> Listing[SharedEnergyPeriod | DamagedPeriod]:
    listed: Any = SharedEnergyPeriod | DamagedPeriod
    return Listing(f"{VERSION}/shared-energy", listed, lambda one: one.period)


def shared_energy_of(period: str) -> Call[SharedEnergyHours]:
    return _get(f"{VERSION}/shared-energy/{period}", SharedEnergyHours)


def surplus_days() -> Listing[int]:
    return Listing(f"{VERSION}/surplus", int, lambda day: day)


def surplus_of(day: int) -> Call[SurplusHours]:
    return _get(f"{VERSION}/surplus/{day}", SurplusHours)


def surplus_file(day: int) -> Call[bytes]:
    return _bytes(f"{VERSION}/surplus/{day}/surplus.json")


def day_summary(day: int) -> Call[DaySummary]:
    return _get(f"{VERSION}/days/{day}/summary", DaySummary)


def day_forecast(day: int) -> Call[DayForecast]:
    return _get(f"{VERSION}/days/{day}/forecast", DayForecast)


def day_measured(day: int) -> Call[DayMeasured]:
    return _get(f"{VERSION}/days/{day}/measured", DayMeasured)


def calibration(day: int) -> Call[CalibrationInputs]:
    return _get(f"{VERSION}/days/{day}/calibration", CalibrationInputs)


def accuracy() -> Call[list[DayAccuracy]]:
    return _get(f"{VERSION}/accuracy", list[DayAccuracy])


def holdings(household: str) -> Call[Holdings]:
    return _get(f"{VERSION}/households/{household}/rewards", Holdings)


def signing(household: str) -> Call[Signing]:
    return _get(f"{VERSION}/households/{household}/signing", Signing)


def membership(household: str) -> Call[MembershipPublic]:
    return _get(f"{VERSION}/households/{household}/membership", MembershipPublic)


def state_membership(household: str, says: str, deadline: int, signature: bytes) -> Call[MembershipPublic]:
    """Submit a household's signed statement: that it joins, leaves, comes back, or burns its record."""
    path = f"{VERSION}/households/{household}/membership"
    content = {"says": says, "deadline": deadline, "signature": "0x" + signature.hex()}
    return Call(path, _model(MembershipPublic, path), "POST", json.dumps(content).encode())


def open_periods() -> Call[list[OpenPeriodPublic]]:
    """The periods that members prove their shares of."""
    path = f"{VERSION}/shared-energy/open"
    return Call(path, _model(list[OpenPeriodPublic], path))


def period_terms(period: str) -> Call[bytes]:
    """What a period's shares are proven of: signed days, totals, key, meters."""
    return _bytes(f"{VERSION}/shared-energy/{period}/terms")


def share_path(period: str, leaf: str) -> Call[SharePath]:
    """How a settled share leads to its period's root. `leaf`: 0x-hex."""
    path = f"{VERSION}/shared-energy/{period}/paths/{leaf}"
    return _get(path, SharePath)


def post_shares(period: str, shares: bytes) -> Call[Any]:
    """Submit a member's shares of a period (`SharesIn`)."""
    path = f"{VERSION}/shared-energy/{period}/shares"
    return Call(path, _json(path), "POST", shares)


def pinned_head(household: str, number: int) -> Call[PinnedHeadPublic]:
    return _get(f"{VERSION}/households/{household}/heads/{number}", PinnedHeadPublic)


def forecast_proof(household: str, day: int) -> Call[bytes]:
    """The bundle of a forecast, byte for byte."""
    return _bytes(f"{VERSION}/forecasts/{household}/{day}/proof")


def claim_proof(household: str, day: int) -> Call[bytes]:
    """The bundle of a paid claim, byte for byte."""
    return _bytes(f"{VERSION}/claims/{household}/{day}/proof")


def round_weights(number: int) -> Call[bytes]:
    """The weights that a round's model was quantised from (.npz)."""
    return _bytes(f"{VERSION}/rounds/{number}/weights")


def export_weights(number: int) -> Call[bytes]:
    """The weights of a round's model of export (.npz)."""
    return _bytes(f"{VERSION}/export/rounds/{number}/weights")


def weather() -> Call[bytes]:
    """The community's weather feed (CSV)."""
    return _bytes(f"{VERSION}/weather")


def verify(bundle: bytes) -> Call[Verdict]:
    """Have the server check a bundle. (`wattproof verify` needs no server.)"""
    path = f"{VERSION}/proofs/verify"
    return Call(path, _model(Verdict, path), "POST", bundle)


def submit_forecast(bundle: bytes, transaction: str) -> Call[ForecastPublic]:
    """Submit a forecast's bundle with the transaction that registers it. The same again gets the first answer."""
    path = f"{VERSION}/forecasts"
    content = b'{"bundle":' + bundle + b',"transaction":' + json.dumps(transaction).encode() + b"}"
    return Call(path, _model(ForecastPublic, path), "POST", content)


def submit_export(bundle: bytes) -> Call[ExportForecastPublic]:
    """Submit a forecast of export. The same again gets the first answer."""
    path = f"{VERSION}/export/forecasts"
    return Call(path, _model(ExportForecastPublic, path), "POST", bundle)


def submit_claim(bundle: bytes) -> Call[Any]:
    """Submit a claim. The same again gets the first answer."""
    return Call(f"{VERSION}/claims", _json(f"{VERSION}/claims"), "POST", bundle)


def pin_head(number: int, digest: bytes, transaction: str) -> Call[PinnedHeadPublic]:
    """Submit the transaction that pins a household's personal head to a round."""
    path = f"{VERSION}/heads"
    content = {"round": number, "digest": "0x" + digest.hex(), "transaction": transaction}
    return Call(path, _model(PinnedHeadPublic, path), "POST", json.dumps(content).encode())


def sum_state(day: int, kind: str, home: str) -> Call[Any]:
    """What is asked of a home in the masked sum of a day."""
    path = f"{VERSION}/sums/{day}/{kind}?{urlencode({'home': home})}"
    return Call(path, _json(path))


def sum_message(day: int, kind: str, message: dict[str, Any]) -> Call[Any]:
    """Send a message of a masked sum."""
    path = f"{VERSION}/sums/{day}/{kind}"
    return Call(path, _json(path), "POST", json.dumps(message).encode())


def _json(path: str) -> Callable[[bytes], Any]:
    """An answer whose reader checks it itself."""

    def parse(content: bytes) -> Any:
        try:
            return json_text.loads(content)
        except ValueError:
            raise NotAsDocumented(f"the server's answer to {path} is no JSON: is that the community's API?") from None

    return parse
