"""Settled periods by the API: totals for everybody, shares for who audits, and nothing of a single home."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.routes.session import _session
from api.http.sign_in import Session
from api.operator.settled_periods import FILE, period_name
from api.protocol.calls import shared_energy, shared_energy_of
from api.protocol.schemas import DamagedPeriod, SharedEnergyPeriod
from api.protocol.settlement import Settlement
from tests.api.conftest import Village
from tests.api.settled import FIRST, NEXT_WEEK, WEEK

MANAGER = "0x" + "Aa" * 20


@pytest.fixture
def file(village: Village, week: Settlement) -> Iterator[Path]:
    """The settlement's file, which a test may damage."""
    path = village.community.config.api.settlements_dir / WEEK / FILE
    whole = path.read_bytes()
    yield path
    path.write_bytes(whole)


def test_a_community_that_settled_nothing_has_no_periods(village: Village) -> None:
    assert village.client.get("/v1/shared-energy").json() == []
    assert village.client.get("/v1/shared-energy/2017-05").json()["error"] == "no-settlement"


def test_a_settled_period_is_listed_with_its_sums(village: Village, week: Settlement) -> None:
    (told,) = village.client.get("/v1/shared-energy").json()
    of = week.period
    assert (told["period"], told["first_date"], told["last_date"]) == (WEEK, "2017-05-01", "2017-05-07")
    assert (told["days"], told["members"], told["late"], told["key"]) == (7, 3, 0, "pro_rata")
    assert (told["taken_wh"], told["fed_in_wh"], told["shared_wh"]) == (of.imported_wh, of.exported_wh, of.shared_wh)
    for side in ("import", "export"):
        assert told["remainder_wh"][side] == week.remainder(side)
    assert told["root"] == "0x" + week.root.hex() and "hours" not in told


def test_the_client_has_a_call_for_each(village: Village, week: Settlement) -> None:
    listed, call = shared_energy().page(), shared_energy_of(WEEK)
    (period,) = listed.parse(village.client.get(listed.path).content)
    assert isinstance(period, SharedEnergyPeriod)
    hours = call.parse(village.client.get(call.path).content)
    assert (period.period, period.shared_wh) == (WEEK, sum(sum(day.shared_wh) for day in hours.hours))


def test_a_period_is_told_by_hour_and_as_a_table(village: Village, week: Settlement) -> None:
    answer = village.client.get(f"/v1/shared-energy/{WEEK}")
    hours = answer.json()["hours"]
    for day, record in zip(hours, week.period.days, strict=True):
        assert day["shared_wh"] == [min(pair) for pair in zip(day["fed_in_wh"], day["taken_wh"], strict=True)]
        assert (day["day"], day["taken_wh"]) == (record.day, list(record.taken))
    again = village.client.get(f"/v1/shared-energy/{WEEK}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    rows = list(csv.DictReader(io.StringIO(village.client.get(f"/v1/shared-energy/{WEEK}/hours.csv").text)))
    assert len(rows) == 7 * 24 and rows[0]["start_utc"] == "2017-05-01T08:00:00Z"
    assert [int(row["shared_wh"]) for row in rows] == [wh for day in hours for wh in day["shared_wh"]]


def test_a_period_by_the_quarter_of_an_hour_is_told_by_quarters(village: Village, quarters: Settlement) -> None:
    listed = {one["period"]: one for one in village.client.get("/v1/shared-energy").json()}
    assert {name: one["interval_minutes"] for name, one in listed.items()} == {WEEK: 60, NEXT_WEEK: 15}
    told = village.client.get(f"/v1/shared-energy/{NEXT_WEEK}").json()
    assert listed[NEXT_WEEK]["shared_wh"] == told["shared_wh"] == sum(sum(day["shared_wh"]) for day in told["hours"])
    assert [len(day["taken_wh"]) for day in told["hours"]] == [96] * 7
    table = village.client.get(f"/v1/shared-energy/{NEXT_WEEK}/hours.csv").text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["start_utc"] for row in rows[:2]] == ["2017-05-08T08:00:00Z", "2017-05-08T08:15:00Z"]
    assert [int(row["shared_wh"]) for row in rows] == [wh for day in told["hours"] for wh in day["shared_wh"]]


def test_nothing_that_everybody_may_ask_names_a_member_or_its_share(village: Village, week: Settlement) -> None:
    for path in ("", f"/{WEEK}", f"/{WEEK}/hours.csv"):
        told = village.client.get(f"/v1/shared-energy{path}").text
        for (household, _), share in week.shares.items():
            assert household.lower()[2:] not in told.lower() and share.proof.hex() not in told
            assert share.wh < 1000 or not re.search(rf"\b{share.wh}\b", told)
    assert sum(share.wh >= 1000 for share in week.shares.values()) >= 4


@pytest.mark.parametrize("name", ["2017-06", "%2e%2e", "2017", WEEK + "%0A", "..%2f" + WEEK])
def test_what_was_not_settled_is_refused_as_a_problem(village: Village, week: Settlement, name: str) -> None:
    answer = village.client.get(f"/v1/shared-energy/{name}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_folders_that_are_no_period_are_not_listed(village: Village, week: Settlement, file: Path) -> None:
    draft = file.parents[1] / "draft"
    shutil.copytree(file.parent, draft)
    assert [one["period"] for one in village.client.get("/v1/shared-energy").json()] == [WEEK]
    shutil.rmtree(draft)


def test_periods_come_in_pages(village: Village, week: Settlement, file: Path) -> None:
    later = file.parents[1] / "2017-06"
    shutil.copytree(file.parent, later)
    first = village.client.get("/v1/shared-energy?limit=1")
    assert [one["period"] for one in first.json()] == [WEEK]
    rest = village.client.get(first.headers["link"].split("<")[1].split(">")[0])
    assert [one["period"] for one in rest.json()] == ["2017-06"]
    shutil.rmtree(later)


def test_a_changed_settlement_is_shown_and_a_damaged_one_is_no_empty_one(
    village: Village, week: Settlement, file: Path
) -> None:
    content = json.loads(file.read_text())
    content["shared_wh"] += 1  # of a forger who leaves all else as it is: it does not follow
    for damaged in (json.dumps(content), "{", ""):
        file.write_text(damaged)
        for path in (f"/{WEEK}", f"/{WEEK}/hours.csv"):
            answer = village.client.get(f"/v1/shared-energy{path}")
            assert (answer.status_code, answer.json()["error"]) == (500, "internal")
            assert WEEK in answer.json()["detail"] and str(file.parent) not in answer.text


def test_one_damaged_settlement_is_named_and_hides_no_sound_one(
    village: Village, week: Settlement, file: Path
) -> None:
    """The list answered 500 for all periods: an old month's damaged file took the page of this month away."""
    later = file.parents[1] / "2017-06"
    shutil.copytree(file.parent, later)
    file.write_text("{")
    try:
        answer = village.client.get("/v1/shared-energy")
        damaged, sound = answer.json()
        assert damaged.keys() == {"period", "problem"} and damaged["period"] == WEEK and WEEK in damaged["problem"]
        assert (sound["period"], sound["shared_wh"]) == ("2017-06", week.period.shared_wh)
        assert str(file.parent) not in answer.text
        first, second = shared_energy().page().parse(answer.content)
        assert isinstance(first, DamagedPeriod) and isinstance(second, SharedEnergyPeriod)
    finally:
        shutil.rmtree(later)


def test_the_file_to_audit_is_for_managers_and_auditors(village: Village, week: Settlement, file: Path) -> None:
    path = f"/v1/manage/shared-energy/{WEEK}/settlement.json"
    assert village.client.get(path).json()["error"] == "not-signed-in"
    app = village.client.app
    app.dependency_overrides[_session] = lambda: Session(MANAGER, 0)  # type: ignore[attr-defined]
    try:
        assert village.client.get(path).json()["error"] == "not-allowed"
        roles = village.community.config.api.model_copy(update={"auditors": (MANAGER,)})
        config = village.community.config
        village.community.config = config.model_copy(update={"api": roles})
        answer = village.client.get(path)
        unknown = village.client.get(path.replace(WEEK, "2017-06"))
        village.community.config = config
    finally:
        app.dependency_overrides.clear()  # type: ignore[attr-defined]
    assert answer.content == file.read_bytes() and "no-store" in answer.headers["cache-control"]
    assert unknown.json()["error"] == "no-settlement"


def test_a_month_has_one_name() -> None:
    assert period_name(FIRST, FIRST.replace(day=31)) == "2017-05"
    assert period_name(FIRST, FIRST.replace(day=7)) == WEEK
    assert period_name(FIRST.replace(year=2016, day=1), FIRST.replace(day=31)) == "2016-05-01..2017-05-31"
