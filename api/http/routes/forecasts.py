"""Forecasts: submit one, download its proof."""

from __future__ import annotations

from functools import partial
from typing import Any

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import select

from api.config.tracing import tracer
from api.http.admission import check_forecast, check_sender, kept_forecast
from api.http.conditional import FIXED, NOT_MODIFIED, Answer
from api.http.deps import (
    BUNDLE_ANSWER,
    CSV,
    REPEATED,
    AddressParam,
    CommunityDep,
    DayParam,
    JSONBytes,
    LedgerDep,
    TransactionHex,
    WorkDep,
)
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterAddress, LimitQuery, page
from api.http.raw_transactions import decoded
from api.http.repeats import taken_or_checked
from api.operator.chain_session import ChainSession, is_registered, keep_forecast, relay_forecast
from api.operator.community import Community
from api.operator.database.tables import Forecast
from api.operator.database.unsettled import FORECAST, mark, take_on, withdraw
from api.operator.tables_as_csv import forecasts_csv
from api.protocol import bundle as bundles
from api.protocol.bundle_parts import to_hex
from api.protocol.schemas import ForecastPublic
from rewards.errors import Refused

router = APIRouter(prefix="/forecasts", tags=["forecasts"])


class ForecastIn(BaseModel):
    """A proven forecast, and the household's own signed transaction that registers it."""

    bundle: dict[str, Any]
    transaction: TransactionHex


@router.post(
    "", status_code=201,
    responses=REPEATED | refusals({
        403: ["other-household", "other-community"],
        404: ["unknown-household"],
        409: ["replayed-proof", "late-forecast", "duplicate-forecast", "unknown-round", "late-round", "old-round",
              "wrong-head", "no-weather", "stale-transaction", "chain-refused"],
        422: ["malformed-request", "malformed-transaction", "malformed-proof", "invalid-proof", "invalid-statement",
              "wrong-meter", "wrong-model", "unknown-shape", "wrong-features", "other-quantity"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def submit(
    body: ForecastIn, request: Request, response: Response, community: CommunityDep, chain_session: LedgerDep,
    work: WorkDep,
) -> ForecastPublic:  # fmt: skip
    """Check signatures, model and proof, then relay the household's transaction to the chain.

    The same bundle again gets the first answer, with 200.
    """
    bundle, raw = await run_in_threadpool(_parsed, body, community)
    taken, check = (
        partial(kept_forecast, community, bundle),
        partial(check_forecast, community, chain_session, bundle, raw),
    )
    kept = await run_in_threadpool(taken_or_checked, taken, check)
    if kept is not None:
        response.status_code = 200
        return ForecastPublic.model_validate(kept, from_attributes=True)
    of = community.home_day(bundle.household, bundle.context.day)
    with tracer().step("take forecast", of, request.headers.get("traceparent", "")) as taking:
        with tracer().step("check forecast proof", of):
            await work.proofs.forecasts.run(work.checker.check, bundle)
        await work.chain.registrations.run(_register, bundle, raw, community, chain_session, taking.traceparent)
    return ForecastPublic(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round,
        head=to_hex(bundle.head_digest), commitment=bundle.forecast,
        proof_hash=to_hex(bundle.proof_hash),
    )  # fmt: skip


def _parsed(body: ForecastIn, community: Community) -> tuple[bundles.InferenceBundle, bytes]:
    bundle = bundles.from_content(body.bundle)
    if not isinstance(bundle, bundles.InferenceBundle):
        raise ApiError("malformed-proof", "this is not an inference bundle", 422)
    raw = decoded(body.transaction)
    check_sender(community, bundle, raw)
    return bundle, raw


def _register(
    bundle: bundles.InferenceBundle, raw: bytes, community: Community, chain_session: ChainSession, traceparent: str
) -> None:
    """It is in the database before it is passed on: `api.operator.settlement` goes on with it, whatever happens."""
    mine = FORECAST, bundle.household, bundle.context.day
    with community.sessions.begin() as session:
        take_on(session, *mine, bundles.encode(bundle), raw)
    try:
        of, sent = community.home_day(bundle.household, bundle.context.day), "0x" + keccak(raw).hex()
        with tracer().step("register on chain", of, traceparent, transaction=sent), chain_session.turn:
            relay_forecast(chain_session, bundle, raw)
    except Refused:
        with community.sessions.begin() as session:
            withdraw(session, *mine)
        raise
    keep_forecast(community, bundle)
    with community.sessions.begin() as session:
        mark(session, *mine, "mined")


@router.get(
    "/{household}/{day}/proof", response_class=JSONBytes,
    responses=BUNDLE_ANSWER | NOT_MODIFIED | refusals({404: ["no-forecast"]}),
)  # fmt: skip
def proof(household: AddressParam, day: DayParam, request: Request, community: CommunityDep) -> Response:
    """The bundle of a forecast, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    content = _kept(community, known, day)
    return Answer(content, cache_control=FIXED, name=f"{known}-{day}.wattproof.json").to(request)


class Registration(BaseModel):
    """Whether the registry on the chain holds exactly the forecast and proof that the server gives out."""

    household: str
    day: int
    agrees: bool


@router.get(
    "/{household}/{day}/registration",
    responses=refusals({404: ["no-forecast"], 429: ["busy"], 503: ["chain-unreachable", "database-unreachable"]}),
)
async def registration(
    household: AddressParam, day: DayParam, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> Registration:
    """Compare what is given out with the registry, as this server's chain shows it."""
    known = to_checksum_address(household)
    content = await run_in_threadpool(_kept, community, known, day)
    agrees = await work.chain.reads.run(_agrees, content, known, day, chain_session)
    return Registration(household=known, day=day, agrees=agrees)


def _kept(community: Community, household: str, day: int) -> bytes:
    with community.sessions() as session:
        row = session.scalar(select(Forecast).where(Forecast.household == household, Forecast.day == day))
    if row is None:
        raise ApiError("no-forecast", f"{household} has no forecast of day {day}", 404)
    return row.bundle


def _agrees(content: bytes, household: str, day: int, chain_session: ChainSession) -> bool:
    bundle = bundles.parse(content)
    assert isinstance(bundle, bundles.InferenceBundle)
    if (bundle.household, bundle.context.day) != (household, day):
        return False
    with chain_session.turn:
        return is_registered(chain_session, bundle)


@router.get("/{day}.csv", response_class=CSV, responses=NOT_MODIFIED)
def of_day_as_csv(day: DayParam, request: Request, community: CommunityDep) -> Response:
    """All registered forecasts of a day as a table."""
    table = forecasts_csv(_registered(community, day, "", None))
    return Answer(table, CSV.media_type, name=f"forecasts-{day}.csv").to(request)


@router.get("/{day}")
def of_day(
    day: DayParam, community: CommunityDep, request: Request, response: Response, after: AfterAddress = "",
    limit: LimitQuery = MOST,
) -> list[ForecastPublic]:  # fmt: skip
    """Registered forecasts of a day, by household: commitments, no values."""
    found = _registered(community, day, after, limit + 1)
    return page(found, limit, lambda f: f.household, request, response)


def _registered(community: Community, day: int, after: str, most: int | None) -> list[ForecastPublic]:
    shown = [getattr(Forecast, name) for name in ForecastPublic.model_fields]  # not their bundles
    chosen = select(*shown).where(Forecast.day == day, Forecast.household > after)
    with community.sessions() as session:
        rows = session.execute(chosen.order_by(Forecast.household).limit(most))
        return [ForecastPublic.model_validate(dict(row)) for row in rows.mappings()]
