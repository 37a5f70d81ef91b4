"""Forecasts: hand one in, download its proof."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import select

from api import bundle as bundles
from api.database import Forecast, Household, ModelRound
from api.day import is_registered, keep_forecast, submit_arguments
from api.deps import AddressParam, CommunityDep, DayParam, LedgerDep
from api.errors import ApiError
from api.relayed import decoded, sender_of
from data.errors import TableError
from rewards.errors import Refused

router = APIRouter(prefix="/forecasts", tags=["forecasts"])


class ForecastIn(BaseModel):
    """A proven forecast, and the household's own signed transaction that registers it."""

    bundle: dict[str, Any]
    transaction: str


class ForecastPublic(BaseModel):
    """A registered forecast; `head`: digest of the personal head it was made with, zeros for none."""

    household: str
    day: int
    round: int
    head: str
    commitment: str
    proof_hash: str


@router.post("", status_code=201)
def submit(body: ForecastIn, community: CommunityDep, ledger: LedgerDep) -> ForecastPublic:
    """Check signatures, model and proof, then pass the household's transaction on to the chain.

    Refusals: malformed-proof, invalid-proof, wrong-meter, other-household, replayed-proof, late-forecast,
    duplicate-forecast, unknown-household, unknown-round, late-round, old-round, wrong-model, wrong-head,
    wrong-features, stale-transaction.
    """
    bundle = bundles.from_content(body.bundle)
    if not isinstance(bundle, bundles.InferenceBundle):
        raise ApiError("malformed-proof", "this is not a bundle of an inference proof", 422)
    raw = decoded(body.transaction)
    _check_sender(bundle, raw, community)
    _check_model(bundle, community)
    bundles.verify(bundle)
    expected = ledger.contracts.forecast_registry.encode_abi(
        "submit",
        args=submit_arguments(bundle),
    )
    with ledger.turn:
        # A server that stopped between the chain and its own record is asked again: then only the record is missing.
        if not is_registered(ledger, bundle):
            _relay(bundle, raw, expected, ledger)
    keep_forecast(community, bundle)
    return ForecastPublic(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round,
        head=bundles.to_hex(bundle.head_digest), commitment=bundle.forecast,
        proof_hash=bundles.to_hex(bundle.proof_hash),
    )  # fmt: skip


def _relay(bundle: bundles.InferenceBundle, raw: bytes, expected: str, ledger: LedgerDep) -> None:
    try:
        ledger.chain.relay(raw, str(ledger.contracts.forecast_registry.address), expected, "submit")
    except Refused:
        if not is_registered(ledger, bundle):  # a repeat may meet its forerunner in the block just made
            raise


def _check_sender(bundle: bundles.InferenceBundle, raw: bytes, community: CommunityDep) -> None:
    sender = sender_of(raw)
    if sender != bundle.household:
        raise ApiError("other-household", f"the proof is of {bundle.household}, the transaction of {sender}", 403)
    with community.sessions() as session:
        household = session.get(Household, bundle.household)
        if household is None:
            raise ApiError("unknown-household", f"{bundle.household} is not enrolled", 404)
        if household.meter != bundle.meter:
            raise ApiError("wrong-meter", f"the meter of {bundle.household} is {household.meter}", 422)
        used = session.scalar(select(Forecast).where(Forecast.proof_hash == bundles.to_hex(bundle.proof_hash)))
    if used is not None:
        raise ApiError("replayed-proof", "this proof was handed in before", 409)


def _check_model(bundle: bundles.InferenceBundle, community: CommunityDep) -> None:
    if bundles.from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the proof speaks of another community", 403)
    with community.sessions() as session:
        known = session.get(ModelRound, bundle.context.round)
    if known is None:
        raise ApiError("unknown-round", f"no model of round {bundle.context.round} is published", 409)
    statement = bundle.statement()
    if known.digest != bundles.to_hex(statement.weights.digest()):
        raise ApiError("wrong-model", "the proof's weights are not those of its round", 422)
    try:
        steps, exogenous = community.public_features(bundle.context.day)
    except TableError as error:
        raise ApiError("no-weather", f"the community's weather feed does not reach yet: {error}", 409) from error
    if (steps != statement.steps).any() or (exogenous != statement.exogenous).any():
        raise ApiError("wrong-features", "the public features are not those of the community's weather feed", 422)


@router.get("/{household}/{day}/proof", response_class=Response)
def proof(household: AddressParam, day: DayParam, community: CommunityDep) -> Response:
    """The bundle of a forecast, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    with community.sessions() as session:
        row = session.scalar(select(Forecast).where(Forecast.household == known, Forecast.day == day))
    if row is None:
        raise ApiError("no-forecast", f"{known} has no forecast of day {day}", 404)
    name = f'attachment; filename="{known}-{day}.wattproof.json"'
    return Response(row.bundle, media_type="application/json", headers={"Content-Disposition": name})


@router.get("/{day}")
def of_day(day: DayParam, community: CommunityDep) -> list[ForecastPublic]:
    """All registered forecasts of a day: commitments, no values."""
    with community.sessions() as session:
        rows = session.scalars(select(Forecast).where(Forecast.day == day).order_by(Forecast.household))
        return [
            ForecastPublic(
                household=r.household,
                day=r.day,
                round=r.round,
                head=r.head,
                commitment=r.commitment,
                proof_hash=r.proof_hash,
            )
            for r in rows
        ]
