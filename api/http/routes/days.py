"""Community days: the opened totals, forecast and measured, the calibrated forecast, and a picture of them."""

from __future__ import annotations

import io
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import select

from api.http.conditional import CURRENT, FIXED, NOT_MODIFIED, SETTLED, Answer
from api.http.deps import CSV, CommunityDep, DayParam, KeptDep, WorkDep
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterDay, LimitQuery, page
from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, MeasuredTotal
from api.operator.day_picture import day_picture
from api.operator.day_summary import day_summary
from api.operator.tables_as_csv import day_csv, totals_csv
from api.protocol.calibration import LEVELS, Calibrated, NotCalibrated, calibrated
from api.protocol.schemas import (
    CalibratedPublic,
    CalibrationInputs,
    DayForecast,
    DayMeasured,
    DaySummary,
    PastTotals,
    SignedDayPublic,
)
from data.day import LAST_DAY

router = APIRouter(prefix="/days", tags=["days"])
FirstDay = Annotated[int, Query(ge=0, le=LAST_DAY, description="the first day of the table")]
LastDay = Annotated[int, Query(ge=0, le=LAST_DAY, description="the last day of the table")]


class Picture(Response):
    """A drawing."""

    media_type = "image/svg+xml"


@router.get("")
def list_days(
    community: CommunityDep, request: Request, response: Response, after: AfterDay = -1, limit: LimitQuery = MOST
) -> list[int]:
    """Days with a community forecast, in order."""
    chosen = select(CommunityTotal.day).where(CommunityTotal.day > after).order_by(CommunityTotal.day)
    with community.sessions() as session:
        found = session.scalars(chosen.limit(limit + 1)).all()
    return page(found, limit, lambda day: day, request, response)


@router.get(
    "/{day}/summary", response_model=DaySummary,
    responses=NOT_MODIFIED | refusals({404: ["no-day"], 429: ["busy"]}),
)  # fmt: skip
async def summary(day: DayParam, request: Request, community: CommunityDep, work: WorkDep) -> Response:
    """A day at a glance: totals, bands, accuracy, and which household did what."""
    return (await work.calibrations.run(_summary, day, community)).to(request)


def _summary(day: int, community: Community) -> Answer:
    known = day_summary(community, day)
    if known is None:
        raise ApiError("no-day", f"nothing is known of day {day}", 404)
    return Answer(known.model_dump_json().encode())


@router.get(
    "/{day}/forecast.csv", response_class=CSV,
    responses=NOT_MODIFIED | refusals({404: ["no-forecast"], 429: ["busy"]}),
)  # fmt: skip
async def forecast_as_csv(
    day: DayParam, request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep
) -> Response:
    """The day's hours as a table: forecast, calibrated with its bands, measured once that is open."""
    return await kept.answer(request, work.calibrations, _csv, day, community)


def _csv(day: int, community: Community) -> Answer:
    table = day_csv(community, day)
    if table is None:
        raise ApiError("no-forecast", f"there is no community forecast for day {day}", 404)
    return Answer(table, CSV.media_type, name=f"day-{day}.csv")


@router.get("/totals.csv", response_class=CSV, responses=NOT_MODIFIED)
def totals_as_csv(
    request: Request, community: CommunityDep, first: FirstDay = 0, last: LastDay = LAST_DAY
) -> Response:
    """The hours of all days from `first` to `last`: the opened totals, forecast and measured."""
    return Answer(totals_csv(community, first, last), CSV.media_type, name="totals.csv").to(request)


def _total(community: Community, day: int) -> CommunityTotal:
    with community.sessions() as session:
        row = session.get(CommunityTotal, day)
    if row is None:
        raise ApiError("no-forecast", f"there is no community forecast for day {day}", 404)
    total: CommunityTotal = row
    return total


def _measured(community: Community, day: int) -> MeasuredTotal | None:
    with community.sessions() as session:
        row: MeasuredTotal | None = session.get(MeasuredTotal, day)
    return row


def _calibrated(community: Community, total: CommunityTotal) -> Calibrated:
    return calibrated(past_days(community, total.day), total.day, total.forecast, community.shape.horizon)


@router.get(
    "/{day}/forecast", response_model=DayForecast,
    responses=NOT_MODIFIED | refusals({404: ["no-forecast"], 429: ["busy"]}),
)  # fmt: skip
async def forecast(
    day: DayParam, request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep
) -> Response:
    """The total and its opening: sum the commitments of these households and compare. And the calibrated total."""
    return await kept.answer(request, work.calibrations, _forecast, day, community)


def _forecast(day: int, community: Community) -> Answer:
    row = _total(community, day)
    result, missing = None, None
    try:
        result = CalibratedPublic.of(_calibrated(community, row))
    except NotCalibrated as why:
        missing = str(why)
    shown = DayForecast(
        day=day, start=community.clock.start_of(day).isoformat(), values_wh=row.forecast, typical_wh=row.typical,
        blinding=row.blinding, households=row.households, calibrated=result, not_calibrated=missing,
    )  # fmt: skip
    return _answer(shown, community, day)


def _answer(shown: BaseModel, community: Community, day: int) -> Answer:
    """What follows from totals, to be kept for longer once the day's measured total is open."""
    over = _measured(community, day) is not None
    return Answer(shown.model_dump_json().encode(), cache_control=SETTLED if over else CURRENT)


@router.get(
    "/{day}/measured", response_model=DayMeasured,
    responses=NOT_MODIFIED | refusals({404: ["no-measurement"], 429: ["busy"]}),
)  # fmt: skip
async def measured(
    day: DayParam, request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep
) -> Response:
    """The measured total and its opening: check the meters' signatures, sum the commitments and compare."""
    return await kept.answer(request, work.calibrations, _measured_answer, day, community)


def _measured_answer(day: int, community: Community) -> Answer:
    row = _measured(community, day)
    if row is None:
        raise ApiError("no-measurement", f"the measured total of day {day} has not been opened", 404)
    shown = DayMeasured(
        day=day, start=community.clock.start_of(day).isoformat(), values_wh=row.values, blinding=row.blinding,
        signed_days=[SignedDayPublic(**signed) for signed in row.signed_days],
    )  # fmt: skip
    return Answer(shown.model_dump_json().encode(), cache_control=FIXED)


@router.get(
    "/{day}/calibration", response_model=CalibrationInputs,
    responses=NOT_MODIFIED | refusals({404: ["no-forecast", "not-calibrated"], 429: ["busy"]}),
)  # fmt: skip
async def calibration(
    day: DayParam, request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep
) -> Response:
    """The public figures that the calibrated forecast follows from."""
    return await kept.answer(request, work.calibrations, _calibration, day, community)


def _calibration(day: int, community: Community) -> Answer:
    row = _total(community, day)
    try:
        result = _calibrated(community, row)
    except NotCalibrated as why:
        raise ApiError("not-calibrated", str(why), 404) from None
    past = [PastTotals.of(one) for one in result.learnt_from]
    shown = CalibrationInputs(
        day=day, forecast_wh=row.forecast, past=past, levels=list(LEVELS),
        horizon_days=community.shape.horizon,
    )  # fmt: skip
    return _answer(shown, community, day)


@router.get(
    "/{day}/forecast.svg", response_class=Picture,
    responses=NOT_MODIFIED | refusals({404: ["no-forecast"], 429: ["busy"]}),
)  # fmt: skip
async def picture(day: DayParam, request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep) -> Response:
    """The day as a picture: the sum, the calibrated forecast with its bands, the measured total once it is open."""
    return await kept.answer(request, work.pictures, _picture, day, community)


def _picture(day: int, community: Community) -> Answer:
    row, known = _total(community, day), _measured(community, day)
    try:
        result = _calibrated(community, row)
    except NotCalibrated:
        result = None
    out = io.BytesIO()
    start_hour = community.config.data.day_start_utc
    figure = day_picture(day, start_hour, row.forecast, result, None if known is None else known.values)
    figure.savefig(out, format="svg")
    return Answer(out.getvalue(), Picture.media_type, SETTLED if known is not None else CURRENT)
