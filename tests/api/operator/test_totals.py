"""The community's totals, forecast and measured, opened against commitments; and what is forecast from both."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest

from api.gateway.home import Home
from api.one_machine import day as community_day
from api.one_machine.community import LocalCommunity
from api.one_machine.computed_totals import compute_totals, keep_computed
from api.one_machine.total_accuracy import total_accuracy
from api.one_machine.totals import open_measured, open_missing_measured, open_total
from api.operator.calibrated import past_days
from api.operator.database.tables import CommunityTotal, MeasuredTotal
from api.protocol.calibration import Calibrated, NotCalibrated, PastDay, calibrated
from data.citylearn import CommunityData
from data.errors import DataError
from data.meter import SignedDay, verify_signed_day
from forecasting.calibration import WARM_UP_DAYS, WEEK
from tests.api.conftest import DAY, Village
from zkp.statements.total import Total, verify_measured


def forecast_day(village: Village) -> Total:
    for home in village.homes:
        community_day.register(village.community, village.chain_session, home, village.bundle(home))
    return open_total(village.community, DAY)


def past(count: int, before: int = DAY, lift: float = 1.25) -> list[PastDay]:
    """Days whose load is `lift` times the forecast, with some noise."""
    random = np.random.default_rng(3)
    forecast = random.integers(5_000, 9_000, (count, 24))
    measured = np.rint(forecast * lift + random.normal(0, 200, forecast.shape)).astype(int)
    return [
        PastDay(before - count + k, tuple(map(int, forecast[k])), tuple(map(int, measured[k])), proven=False)
        for k in range(count)
    ]


OPENED = (7_000,) * 24


# -- the measured total ----------------------------------------------------------------------------------------------


def test_the_measured_total_is_what_the_meters_signed_and_anybody_can_check_it(village: Village) -> None:
    forecast_day(village)
    assert village.client.get(f"/days/{DAY}/measured").json()["error"] == "no-measurement"
    open_measured(village.community, DAY)
    told = village.client.get(f"/days/{DAY}/measured").json()
    readings = village.community.readings
    hours = village.community.clock.hours(DAY)
    names = [home.name for home in village.homes]
    mine = readings[readings["unique_id"].isin(names) & readings["ds"].isin(hours)]
    assert told["values_wh"] == mine.groupby("ds")["y"].sum().sort_index().tolist()
    meters = {h["address"]: h["meter"] for h in village.client.get("/households").json()}
    signed = [SignedDay.from_json(day) for day in told["signed_days"]]
    for one in signed:
        verify_signed_day(one, meters[one.household])
    verify_measured(DAY, [s.commitment for s in signed], Total(tuple(told["values_wh"]), int(told["blinding"], 16)))
    assert {s.household for s in signed} == set(village.client.get(f"/days/{DAY}/forecast").json()["households"])


def test_totals_are_opened_once(village: Village) -> None:
    """A second sum, over other homes, would show the difference: one home's forecast, or its readings."""
    totals = forecast_day(village), open_measured(village.community, DAY)
    with village.community.sessions.begin() as session:  # as if the last home had come after the total was opened
        row = session.get(CommunityTotal, DAY)
        assert row is not None
        row.households = row.households[1:]
    told = [village.client.get(f"/days/{DAY}/{kind}").json() for kind in ("forecast", "measured")]
    assert (open_total(village.community, DAY), open_measured(village.community, DAY)) == totals
    assert [village.client.get(f"/days/{DAY}/{kind}").json() for kind in ("forecast", "measured")] == told


def test_a_day_of_which_a_home_has_filled_hours_has_no_measured_total(village: Village) -> None:
    forecast_day(village)
    readings, home = village.community.readings, village.homes[1]
    hour = village.community.clock.hours(DAY)[9]
    with_filled = readings.assign(filled=(readings["unique_id"] == home.name) & (readings["ds"] == hour))
    community = LocalCommunity(village.community.config)
    community.__dict__["_data"] = CommunityData(with_filled, village.community.weather)
    with not_signed(home, DAY), pytest.raises(DataError, match=f"hours of {home.name} were filled in"):
        open_measured(community, DAY)


@contextlib.contextmanager
def not_signed(home: Home, day: int) -> Iterator[None]:
    """A home whose meter has not signed a day; afterwards it is as before."""
    with contextlib.closing(sqlite3.connect(home.vault.path, isolation_level=None)) as db:
        kept = db.execute("SELECT * FROM days WHERE day = ?", (day,)).fetchall()
        db.execute("DELETE FROM days WHERE day = ?", (day,))
        try:
            yield
        finally:
            db.execute("DELETE FROM days WHERE day = ?", (day,))
            db.executemany("INSERT INTO days VALUES (?, ?, ?, ?, ?, ?, ?)", kept)


def test_a_day_without_forecasts_has_no_measured_total(village: Village) -> None:
    with pytest.raises(ValueError, match="no total of forecasts"):
        open_measured(village.community, DAY - 1)


def test_what_is_missing_of_past_days_is_caught_up(village: Village) -> None:
    forecast_day(village)
    assert open_missing_measured(village.community, DAY) == {}
    assert past_days(village.community, DAY + 1) == []
    assert open_missing_measured(village.community, DAY + 1) == {DAY: open_measured(village.community, DAY)}
    assert open_missing_measured(village.community, DAY + 1) == {}
    (known,) = past_days(village.community, DAY + 1)
    assert known.day == DAY and known.proven


def test_totals_of_different_homes_do_not_serve(village: Village) -> None:
    forecast_day(village)
    open_measured(village.community, DAY)
    with village.community.sessions.begin() as session:
        row = session.get(MeasuredTotal, DAY)
        assert row is not None
        row.signed_days = row.signed_days[1:]
    assert past_days(village.community, DAY + 1) == []


# -- calibration -----------------------------------------------------------------------------------------------------


def test_a_sum_that_is_too_low_is_lifted_and_its_bands_lie_around_it() -> None:
    result = calibrated(past(60), DAY, OPENED)
    assert result.band_50 is not None and result.band_90 is not None
    assert np.allclose(result.values, 1.25 * 7_000, rtol=0.05)
    edges = [result.band_90.low, result.band_50.low, result.band_50.high, result.band_90.high]
    assert (np.diff(np.array(edges), axis=0) >= 0).all()
    assert (result.days_proven, result.days_computed) == (0, 60)


def test_bands_wait_for_a_week_of_calibrated_days() -> None:
    def bands(result: Calibrated) -> set[bool]:
        return {result.band_50 is None, result.band_90 is None}

    assert bands(calibrated(past(WARM_UP_DAYS + WEEK - 1), DAY, OPENED)) == {True}
    assert bands(calibrated(past(WARM_UP_DAYS + WEEK), DAY, OPENED)) == {False}


def test_too_few_days_are_said_with_their_number() -> None:
    with pytest.raises(NotCalibrated, match=f"needs {WARM_UP_DAYS} days .*; there are {WARM_UP_DAYS - 1}"):
        calibrated(past(WARM_UP_DAYS - 1), DAY, OPENED)


@pytest.mark.parametrize(("hole", "used"), [(7, 60), (8, 30)])
def test_a_long_hole_ends_what_is_learnt_from(hole: int, used: int) -> None:
    known = [*past(30, before=DAY - 30 - hole), *past(30)]
    assert len(calibrated(known, DAY, OPENED).learnt_from) == used


def test_days_long_ago_do_not_serve() -> None:
    with pytest.raises(NotCalibrated):
        calibrated(past(60, before=DAY - 8), DAY, OPENED)


def test_the_api_gives_the_sum_alone_until_days_are_there(village: Village) -> None:
    plain = forecast_day(village)
    told = village.client.get(f"/days/{DAY}/forecast").json()
    assert told["calibrated"] is None and "there are 0" in told["not_calibrated"]
    assert village.client.get(f"/days/{DAY}/calibration").json()["error"] == "not-calibrated"

    computed = compute_totals(village.community, village.models, range(DAY - 40, DAY))
    keep_computed(village.community, computed)
    told = village.client.get(f"/days/{DAY}/forecast").json()
    assert told["typical_wh"] + told["values_wh"] == list(plain.values) and told["not_calibrated"] is None
    assert (told["calibrated"]["days_proven"], told["calibrated"]["days_computed"]) == (0, len(computed))
    assert village.client.get(f"/days/{DAY}/forecast.svg").status_code == 200


def test_the_calibration_can_be_repeated_from_what_is_downloaded(village: Village) -> None:
    forecast_day(village)
    keep_computed(village.community, compute_totals(village.community, village.models, range(DAY - 40, DAY)))
    inputs = village.client.get(f"/days/{DAY}/calibration").json()
    known = [
        PastDay(p["day"], tuple(p["forecast_wh"]), tuple(p["measured_wh"]), p["totals"] == "proven")
        for p in inputs["past"]
    ]
    again = calibrated(known, DAY, inputs["forecast_wh"])
    told = village.client.get(f"/days/{DAY}/forecast").json()["calibrated"]
    assert told["values_wh"] == list(again.values)
    assert again.band_90 is not None and told["band_90"]["high_wh"] == list(again.band_90.high)


def test_proven_totals_take_the_place_of_computed_ones(village: Village) -> None:
    forecast_day(village)
    keep_computed(village.community, compute_totals(village.community, village.models, range(DAY, DAY + 1)))
    (computed,) = past_days(village.community, DAY + 1)
    open_measured(village.community, DAY)
    (proven,) = past_days(village.community, DAY + 1)
    assert (computed.proven, proven.proven) == (False, True)
    # The same integers run with and without a proof, and the same readings are signed and summed.
    assert (computed.forecast, computed.measured) == (proven.forecast, proven.measured)


def test_no_home_shows_in_what_is_told_of_the_totals(village: Village) -> None:
    forecast_day(village)
    open_measured(village.community, DAY)
    shown = village.client.get(f"/days/{DAY}/measured").text
    for home in village.homes:
        _, opening = home.vault.get(home.wallet.address, DAY)
        assert json.dumps(list(opening.readings))[1:-1] not in shown and f"{opening.blinding:x}" not in shown


def test_accuracy_is_told_for_the_days_that_could_be_calibrated() -> None:
    days = past(60)
    told = total_accuracy(days, first_day=days[0].day)
    assert told is not None and told.days == 60 - WARM_UP_DAYS
    assert told.wape_calibrated < 0.3 * told.wape_plain and told.days_better == told.days
    assert total_accuracy(days[:WARM_UP_DAYS], days[0].day) is None
