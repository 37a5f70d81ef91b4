"""Models and forecasts of export, which are not on the chain: what gateways fetch, and what they submit.

Forecasts are not listed here: proofs of those in a day's sum are in its surplus hours (`surplus`).
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.http.admission import check_export
from api.http.conditional import NOT_MODIFIED
from api.http.deps import BUNDLE_BODY, REPEATED, BundleBody, CommunityDep, LedgerDep, RoundParam, WorkDep
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterRound, LimitQuery
from api.http.published_rounds import NumpyArchive, file_of, listed
from api.http.repeats import taken_or_checked
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.export_forecasts import keep_export, kept_export
from api.protocol import bundle as bundles
from api.protocol.bundle_parts import to_hex
from api.protocol.schemas import ExportForecastPublic, RoundPublic

router = APIRouter(prefix="/export", tags=["shared energy"])


@router.get("/rounds")
def list_rounds(
    community: CommunityDep, request: Request, response: Response, after: AfterRound = 0, limit: LimitQuery = MOST
) -> list[RoundPublic]:
    """Published models of export, by the round that ended their training."""
    return listed(community, "export", after, limit, request, response)


@router.get(
    "/rounds/{number}/weights", response_class=NumpyArchive, responses=NOT_MODIFIED | refusals({404: ["no-model"]})
)
def weights(number: RoundParam, request: Request, community: CommunityDep) -> Response:
    """The weights of a round's model of export (.npz, float32). Compare their digest with the registry's."""
    return file_of(community, "export", number, "weights.npz").to(request)


@router.post(
    "/forecasts", status_code=201, openapi_extra=BUNDLE_BODY,
    responses=REPEATED | refusals({
        403: ["other-community"],
        404: ["unknown-household"],
        409: ["replayed-proof", "late-forecast", "duplicate-forecast", "unknown-round", "late-round", "old-round",
              "wrong-head", "no-weather"],
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter", "wrong-model", "unknown-shape",
              "wrong-features", "other-quantity"],
        429: ["busy"],
        503: ["chain-unreachable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def submit(
    bundle: BundleBody, response: Response, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> ExportForecastPublic:
    """Check signatures, model and proof of a forecast of export, and keep it until the day's sum.

    The first one of a day stays. The same bundle again gets the first answer, with 200.
    """
    forecast = _forecast(bundle)
    taken_before, check = (
        partial(_taken_before, forecast, community),
        partial(_check, forecast, community, chain_session),
    )
    before = await run_in_threadpool(taken_or_checked, taken_before, check)
    if before is not None:
        response.status_code = 200
        return before
    await work.proofs.forecasts.run(work.checker.check, forecast)
    await run_in_threadpool(keep_export, community, forecast)
    taken = await run_in_threadpool(_taken_before, forecast, community)
    if taken is None:  # another one of the same day was being checked beside it
        raise ApiError("duplicate-forecast", "another forecast of export of the day was taken meanwhile", 409)
    return taken


def _forecast(bundle: bundles.Bundle) -> bundles.InferenceBundle:
    if not isinstance(bundle, bundles.InferenceBundle):
        raise ApiError("malformed-proof", "this is not the bundle of a forecast", 422)
    return bundle


def _check(bundle: bundles.InferenceBundle, community: Community, chain_session: ChainSession) -> None:
    with chain_session.turn:
        now = chain_session.chain.now
    check_export(community, now, bundle)


def _taken_before(bundle: bundles.InferenceBundle, community: Community) -> ExportForecastPublic | None:
    """The first answer to this very bundle, byte for byte, if it was taken before."""
    kept = kept_export(community, bundle.household, bundle.context.day)
    if kept is None or kept.bundle != bundles.encode(bundle):
        return None
    return ExportForecastPublic(
        household=kept.household, day=kept.day, round=kept.round, commitment=kept.commitment,
        proof_hash=to_hex(bundle.proof_hash),
    )  # fmt: skip
