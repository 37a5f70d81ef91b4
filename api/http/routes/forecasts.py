"""Forecasts: hand one in, download its proof."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import select

from api.http.admission import check_forecast, submit_call
from api.http.conditional import FIXED, NOT_MODIFIED, Answer
from api.http.deps import (
    BUNDLE_ANSWER,
    AddressParam,
    CommunityDep,
    DayParam,
    JSONBytes,
    LedgerDep,
    TransactionHex,
    WorkDep,
)
from api.http.errors import ApiError, refusals
from api.http.raw_transactions import decoded
from api.operator.chain_session import ChainSession, is_registered, keep_forecast
from api.operator.community import Community
from api.operator.database.tables import Forecast
from api.protocol import bundle as bundles
from api.protocol.schemas import ForecastPublic
from rewards.errors import Refused

router = APIRouter(prefix="/forecasts", tags=["forecasts"])


class ForecastIn(BaseModel):
    """A proven forecast, and the household's own signed transaction that registers it."""

    bundle: dict[str, Any]
    transaction: TransactionHex


@router.post(
    "", status_code=201,
    responses=refusals({
        403: ["other-household", "other-community"],
        404: ["unknown-household"],
        409: ["replayed-proof", "late-forecast", "duplicate-forecast", "unknown-round", "late-round", "old-round",
              "wrong-head", "no-weather", "stale-transaction", "chain-refused"],
        422: ["malformed-request", "malformed-transaction", "malformed-proof", "invalid-proof", "invalid-statement",
              "wrong-meter", "wrong-model", "unknown-shape", "wrong-features"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def submit(
    body: ForecastIn, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> ForecastPublic:
    """Check signatures, model and proof, then pass the household's transaction on to the chain."""
    bundle, raw = await run_in_threadpool(_admitted, body, community, chain_session)
    await work.proofs.forecasts.run(work.checker.check, bundle)
    await work.chain.registrations.run(_register, bundle, raw, community, chain_session)
    return ForecastPublic(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round,
        head=bundles.to_hex(bundle.head_digest), commitment=bundle.forecast,
        proof_hash=bundles.to_hex(bundle.proof_hash),
    )  # fmt: skip


def _admitted(
    body: ForecastIn, community: Community, chain_session: ChainSession
) -> tuple[bundles.InferenceBundle, bytes]:
    bundle = bundles.from_content(body.bundle)
    if not isinstance(bundle, bundles.InferenceBundle):
        raise ApiError("malformed-proof", "this is not a bundle of an inference proof", 422)
    raw = decoded(body.transaction)
    check_forecast(community, chain_session, bundle, raw)
    return bundle, raw


def _register(bundle: bundles.InferenceBundle, raw: bytes, community: Community, chain_session: ChainSession) -> None:
    with chain_session.turn:
        # A server that stopped between the chain and its own record is asked again: then only the record is missing.
        if not is_registered(chain_session, bundle):
            _relay(bundle, raw, chain_session)
    keep_forecast(community, bundle)


def _relay(bundle: bundles.InferenceBundle, raw: bytes, chain_session: ChainSession) -> None:
    registry = str(chain_session.contracts.forecast_registry.address)
    try:
        chain_session.chain.relay(raw, registry, submit_call(chain_session, bundle), "submit")
    except Refused:
        if not is_registered(chain_session, bundle):  # a repeat may meet its forerunner in the block just made
            raise


@router.get(
    "/{household}/{day}/proof", response_class=JSONBytes,
    responses=BUNDLE_ANSWER | NOT_MODIFIED | refusals({404: ["no-forecast"]}),
)  # fmt: skip
def proof(household: AddressParam, day: DayParam, request: Request, community: CommunityDep) -> Response:
    """The bundle of a forecast, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    with community.sessions() as session:
        row = session.scalar(select(Forecast).where(Forecast.household == known, Forecast.day == day))
    if row is None:
        raise ApiError("no-forecast", f"{known} has no forecast of day {day}", 404)
    return Answer(row.bundle, cache_control=FIXED, name=f"{known}-{day}.wattproof.json").to(request)


@router.get("/{day}")
def of_day(day: DayParam, community: CommunityDep) -> list[ForecastPublic]:
    """All registered forecasts of a day: commitments, no values."""
    shown = [getattr(Forecast, name) for name in ForecastPublic.model_fields]  # not their bundles
    with community.sessions() as session:
        rows = session.execute(select(*shown).where(Forecast.day == day).order_by(Forecast.household))
        return [ForecastPublic.model_validate(dict(row)) for row in rows.mappings()]
