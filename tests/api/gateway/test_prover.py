"""A home's forecast is proven from what its meter signed, sealed once it is proven, or has a reason why it is not."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from api.gateway import proving
from api.gateway.home import Home
from api.gateway.jobs import prove_claims
from api.gateway.not_forecast import GapInWeek, NoReadings, NotForecast, NoWeather, SealedOtherwise, TooFewDays
from api.gateway.outbox import Outbox
from api.gateway.proof_folder import ProofFolder
from api.gateway.prover import HouseholdProver, Prepared
from api.gateway.sealed import SealedForecast
from api.gateway.secure_sum.contribution import measured_contribution
from api.one_machine import day as community_day
from api.one_machine.community import LocalCommunity
from api.protocol.bundle import InferenceBundle, encode, parse, verify
from api.protocol.explained import explain
from data.atomic import write_bytes
from data.citylearn import CommunityData
from data.day import DayClock
from data.errors import DataError, MeterError
from data.features import public_features
from data.meter import ALL_MEASURED
from tests.api.conftest import DAY, Village
from zkp.errors import MalformedProof, ProofError

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(village: Village, tmp_path: Path) -> HouseholdProver:
    """The first home in a folder of its own, with the week before the day signed and nothing forecast."""
    home = village.homes[0]
    shutil.copytree(home.folder, tmp_path / "home")
    (tmp_path / "home" / f"forecast-{DAY}.json").unlink()
    return replace(village.community.opened(home), home=Home(home.name, tmp_path / "home"))


def with_table(opened: HouseholdProver, readings: pd.DataFrame) -> HouseholdProver:
    return replace(opened, readings=readings.reset_index(drop=True))


def changed(opened: HouseholdProver, hours: pd.DatetimeIndex, plus: int = 77) -> HouseholdProver:
    table = opened.readings
    return with_table(opened, table.assign(y=table["y"].where(~table["ds"].isin(hours), table["y"] + plus)))


def without(opened: HouseholdProver, hours: pd.DatetimeIndex) -> HouseholdProver:
    return with_table(opened, opened.readings[~opened.readings["ds"].isin(hours)])


def unsigned(opened: HouseholdProver, folder: Path) -> HouseholdProver:
    """The home with a vault that is empty yet."""
    return replace(opened, home=Home(opened.home.name, folder / "new"))


def kept(opened: HouseholdProver, prepared: Prepared) -> InferenceBundle:
    folder = ProofFolder(opened.home.folder / "proofs")
    return opened.keep(prepared, proving.make(prepared.job), folder)[0]


def test_a_forecast_is_made_of_the_signed_readings_and_the_changed_hours_are_named(
    village: Village, opened: HouseholdProver, caplog: pytest.LogCaptureFixture
) -> None:
    before = opened.prepare(DAY, village.trained)
    hours = opened.clock.hours(DAY - 2)[[7, 8, 20]]
    after = changed(opened, hours)
    prepared = after.prepare(DAY, village.trained)
    assert (prepared.job.trace.history == before.job.trace.history).all() and prepared.week == before.week
    verify(kept(after, prepared))
    (told,) = [record.__dict__ for record in caplog.records if record.levelno == logging.WARNING]
    assert (told["home"], told["day"]) == (opened.home.name, DAY - 2)
    assert told["hours"] == f"2 hours from {hours[0]:%Y-%m-%d %H:%M} UTC, {hours[2]:%Y-%m-%d %H:%M} UTC"


def test_hours_that_a_table_has_lost_are_still_signed(village: Village, opened: HouseholdProver) -> None:
    prepared = without(opened, opened.clock.hours(DAY - 3)).prepare(DAY, village.trained)
    assert prepared.week == opened.prepare(DAY, village.trained).week


def test_another_start_of_the_day_is_named_as_the_cause_and_the_forecast_goes_on(
    village: Village, opened: HouseholdProver, caplog: pytest.LogCaptureFixture
) -> None:
    clock = DayClock(opened.clock.start_hour_utc - 2)
    later = replace(opened, clock=clock, features=public_features(village.community.weather, clock))
    verify(kept(later, later.prepare(DAY, village.trained)))
    told = [record for record in caplog.records if "another start of the day" in record.getMessage()]
    assert [record.__dict__["hours_later"] for record in told] == [2] * 7


def test_nothing_is_sealed_before_the_proof_holds(village: Village, opened: HouseholdProver) -> None:
    prepared = opened.prepare(DAY, village.trained)
    wrong = replace(prepared.job.secrets, windows=(prepared.job.secrets.windows[0] + 1,))
    with pytest.raises(ProofError):
        proving.make(replace(prepared.job, secrets=wrong))
    assert opened.home.sealed(DAY) is None
    bundle = kept(opened, prepared)
    assert opened.home.sealed(DAY) == prepared.forecast
    again = opened.prepare(DAY, village.trained)
    assert again.forecast == prepared.forecast, "a proof that was lost is made anew for the same commitment"
    assert kept(opened, again).forecast == bundle.forecast


def test_a_day_that_is_sealed_otherwise_stays_so(village: Village, opened: HouseholdProver) -> None:
    prepared = opened.prepare(DAY, village.trained)
    other = SealedForecast(tuple(v + 1 for v in prepared.forecast.values), 5)
    opened.home.seal(DAY, other)
    with pytest.raises(SealedOtherwise, match=f"day {DAY}"):
        kept(opened, prepared)
    with pytest.raises(SealedOtherwise, match=f"day {DAY}"):
        opened.prepare(DAY, village.trained)
    assert opened.home.sealed(DAY) == other


@pytest.mark.parametrize("first", [3, 24 * 7 - 5])
def test_a_gap_is_named_with_its_hours_and_the_day_that_can_be_forecast_next(
    village: Village, opened: HouseholdProver, tmp_path: Path, first: int
) -> None:
    start = opened.clock.start_of(DAY - 7) + pd.Timedelta(hours=first)
    home = without(unsigned(opened, tmp_path), pd.date_range(start, periods=5, freq="h"))
    with pytest.raises(
        GapInWeek, match=f"5 hours from {start:%Y-%m-%d %H:%M} UTC in the week before day {DAY}"
    ) as why:
        home.prepare(DAY, village.trained)
    following = home.clock.day_of(start) + 8
    assert f"the first day that can be forecast is {following}" in str(why.value)
    home.prepare(following, village.trained)
    with pytest.raises(GapInWeek):
        home.prepare(following - 1, village.trained)
    assert home.home.sealed(DAY) is None and home.home.sealed(following) is None


def test_a_home_that_is_new_is_told_when_its_first_forecast_can_be(
    village: Village, opened: HouseholdProver, tmp_path: Path
) -> None:
    home = unsigned(opened, tmp_path)
    home = with_table(home, home.readings[home.readings["ds"] >= home.clock.start_of(DAY - 3)])
    with pytest.raises(TooFewDays, match=f"the first day that can be forecast is {DAY + 4},"):
        home.prepare(DAY, village.trained)
    home.prepare(DAY + 4, village.trained)


def test_readings_that_end_too_early_are_told_with_their_end(
    village: Village, opened: HouseholdProver, tmp_path: Path
) -> None:
    home = unsigned(opened, tmp_path)
    end = home.clock.start_of(DAY) - pd.Timedelta(hours=30)
    home = with_table(home, home.readings[home.readings["ds"] < end])
    assert home.due_day() == DAY - 2
    with pytest.raises(NoReadings, match=f"end at {end:%Y-%m-%d %H:%M} UTC"):
        home.prepare(DAY, village.trained)


def test_a_weather_feed_that_ends_too_early_is_told(village: Village, opened: HouseholdProver) -> None:
    weather = village.community.weather
    short = public_features(weather[weather["ds"] < opened.clock.start_of(DAY - 1)], opened.clock)
    with pytest.raises(NoWeather, match=f"day {DAY}"):
        replace(opened, features=short).prepare(DAY, village.trained)


def test_a_day_that_a_gap_keeps_from_being_claimed_is_named_and_the_others_are_claimed(
    village: Village, opened: HouseholdProver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = village.community.config
    config = config.model_copy(update={"api": config.api.model_copy(update={"state_dir": tmp_path / "state"})})
    for day in (DAY, DAY + 1, DAY + 2):
        kept_as = ProofFolder(config.api.proofs_dir).path(day, opened.home.name)
        write_bytes(kept_as, encode(village.bundle(village.homes[0])))
    opened.home.seal(DAY, village.homes[0].sealed(DAY) or pytest.fail("the village's day is sealed"))
    home = without(opened, opened.clock.hours(DAY + 1)[4:6])
    home = with_table(home, home.readings[home.readings["ds"] < home.clock.start_of(DAY + 3)])
    assert list(prove_claims(home, config.api, [DAY + 2, DAY + 1, DAY])) == [DAY]
    told = {record.__dict__["day"]: record for record in caplog.records if "day" in record.__dict__}
    assert told[DAY + 1].__dict__["hours"] == f"2 hours from {home.clock.hours(DAY + 1)[4]:%Y-%m-%d %H:%M} UTC"
    assert told[DAY + 2].getMessage() == "claim failed" and "no forecast of day" in told[DAY + 2].__dict__["reason"]


def filled(opened: HouseholdProver, hours: pd.DatetimeIndex) -> HouseholdProver:
    return with_table(opened, opened.readings.assign(filled=opened.readings["ds"].isin(hours)))


def test_filled_hours_cost_no_forecast_and_are_shown_in_its_proof(
    village: Village, opened: HouseholdProver, tmp_path: Path
) -> None:
    home = filled(unsigned(opened, tmp_path), opened.clock.hours(DAY - 3)[3:5])
    prepared = home.prepare(DAY, village.trained)
    bundle = kept(home, prepared)
    verify(parse(encode(bundle)))
    assert [day.mask for day in bundle.history] == [ALL_MEASURED ^ (0b11000 if k == 4 else 0) for k in range(7)]
    assert "2 of the 168 hours were filled in, not measured" in " ".join(explain(bundle))
    for measured in (None, ALL_MEASURED ^ 0b1000):
        history = [day.model_copy(update={"measured": measured}) for day in bundle.history]
        with pytest.raises(MeterError):
            verify(bundle.model_copy(update={"history": [*bundle.history[:4], history[4], *bundle.history[5:]]}))


def test_a_bundle_of_measured_days_says_nothing_of_filled_hours(village: Village) -> None:
    content = encode(village.bundle(village.homes[0]))
    assert b"measured" not in content
    said_twice = content.replace(b'},{"day"', b',"measured":null},{"day"', 1)
    with pytest.raises(MalformedProof, match="canonical"):
        parse(said_twice)


@pytest.mark.parametrize("back", [0, 7, 13])
def test_a_day_with_filled_hours_and_those_measured_by_it_are_never_claimed(
    village: Village, opened: HouseholdProver, tmp_path: Path, back: int
) -> None:
    config = village.community.config
    folders = config.api.model_copy(update={"state_dir": tmp_path / "state"})
    write_bytes(ProofFolder(folders.proofs_dir).path(DAY, opened.home.name), encode(village.bundle(village.homes[0])))
    home = filled(unsigned(opened, tmp_path), opened.clock.hours(DAY - back)[6:7])
    home.home.seal(DAY, village.homes[0].sealed(DAY) or pytest.fail("the village's day is sealed"))
    assert not prove_claims(home, folders, [DAY]) and Outbox(folders.outbox_dir, home.home.name).all() == []
    home.days.get(DAY - back)
    assert not prove_claims(home, folders, [DAY])
    (ended,) = Outbox(folders.outbox_dir, home.home.name).all()
    assert (ended.state, ended.code) == ("done", "filled-hours")
    with pytest.raises(DataError, match="were filled in, not measured"):
        home.claim(DAY, 1)


def test_a_day_with_filled_hours_enters_no_measured_total(opened: HouseholdProver, tmp_path: Path) -> None:
    home = filled(unsigned(opened, tmp_path), opened.clock.hours(DAY)[6:7])
    for day in (DAY, DAY + 1):
        home.days.get(day)
    assert measured_contribution(home.home.name, home.home.folder, DAY) is None
    assert measured_contribution(home.home.name, home.home.folder, DAY + 1) is not None


def test_a_gap_in_one_home_stops_no_other(village: Village, tmp_path: Path) -> None:
    """On one machine: the others' forecasts are made, and the home is named with the reason."""
    config = village.community.config
    community = LocalCommunity(
        config.model_copy(update={"api": config.api.model_copy(update={"state_dir": tmp_path})})
    )
    readings, gap = village.community.readings, community.clock.hours(DAY - 3)[3:9]
    second = community.homes[1].name
    with_gap = readings[(readings["unique_id"] != second) | ~readings["ds"].isin(gap)].reset_index(drop=True)
    community.__dict__["_data"] = CommunityData(with_gap, village.community.weather)
    missed: dict[str, Exception] = {}
    made = community_day.prove_day(
        community, DAY, village.trained, missed=lambda home, why: missed.update({home.name: why})
    )
    assert [home.name for home, _, _ in made] == [community.homes[0].name, community.homes[2].name]
    assert list(missed) == [second] and isinstance(missed[second], GapInWeek)
    with pytest.raises(NotForecast, match=second):
        list(community_day.prove_day(community, DAY, village.trained))
