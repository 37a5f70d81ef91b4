"""What follows from totals is computed once, until they change; whoever has an answer already is told so."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from api.http.routes import days
from api.one_machine.day import register
from api.one_machine.totals import open_total
from api.operator.database.engine import open_database
from api.operator.database.tables import CommunityTotal, ComputedTotals, Household
from api.operator.database.totals_version import TotalsVersion
from tests.api.conftest import DAY, Village

PATH = f"/days/{DAY}/forecast"


@pytest.fixture
def calls(village: Village, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The days that a forecast was computed of, with a total there is."""
    for home in village.homes:
        register(village.community, village.chain_session, home, village.bundle(home))
    open_total(village.community, DAY)
    asked, real = list[int](), days._forecast

    def counted(day: int, community: Any) -> Any:
        asked.append(day)
        return real(day, community)

    monkeypatch.setattr(days, "_forecast", counted)
    village.client.app.state.kept_answers.clear()
    return asked


def test_an_answer_is_computed_once_whoever_asks(village: Village, calls: list[int]) -> None:
    with ThreadPoolExecutor(8) as pool:
        start = threading.Barrier(8)
        asked = [pool.submit(lambda: (start.wait(), village.client.get(PATH))[1]) for _ in range(8)]
        told = {one.result().content for one in asked}
    assert len(told) == 1 and calls == [DAY]


def test_it_is_computed_anew_when_a_total_is_added_by_whichever_connection(
    village: Village, calls: list[int]
) -> None:
    first = village.client.get(PATH).json()
    other = open_database(str(village.community.sessions.kw["bind"].url))
    with other.begin() as session:
        session.add(ComputedTotals(day=DAY - 1, forecast=[1] * 24, measured=[2] * 24))
    again = village.client.get(PATH).json()
    assert calls == [DAY, DAY]
    assert "there are 0" in first["not_calibrated"] and "there are 1" in again["not_calibrated"]
    with other.begin() as session:
        session.execute(delete(CommunityTotal))
    assert village.client.get(PATH).status_code == 404, "nothing is told that is no longer there"


def test_it_is_not_computed_anew_for_what_is_no_total(village: Village, calls: list[int]) -> None:
    village.client.get(PATH)
    with village.community.sessions.begin() as session:
        session.merge(Household(address="0x" + "1" * 40, meter="0x" + "2" * 40))
    village.client.get(PATH)
    assert calls == [DAY]


@pytest.mark.parametrize("path", [PATH, f"/days/{DAY}/forecast.svg", f"/forecasts/HOME/{DAY}/proof"])
def test_whoever_has_it_is_told_so(village: Village, calls: list[int], path: str) -> None:
    path = path.replace("HOME", village.homes[0].wallet.address)
    whole = village.client.get(path)
    etag = whole.headers["etag"]
    for told in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = village.client.get(path, headers={"if-none-match": told})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert village.client.get(path, headers={"if-none-match": '"x"'}).content == whole.content
    assert ("immutable" in whole.headers["cache-control"]) == path.startswith("/forecasts")


def test_the_version_follows_the_totals_on_each_kind_of_database(database_url: str) -> None:
    sessions = open_database(database_url)
    version = TotalsVersion(lambda: sessions)
    assert version.at_once() is None, "nothing has been read yet"
    seen = [version.read()]
    for day in (1, 2):
        with sessions.begin() as session:
            session.add(ComputedTotals(day=day, forecast=[day] * 24, measured=[0] * 24))
        seen.append(version.read())
    assert len(set(seen)) == 3 and version.read() == seen[-1]
    with sessions.begin() as session:
        session.execute(delete(ComputedTotals).where(ComputedTotals.day == 2))
    assert version.read() == seen[1]
    sessions.kw["bind"].dispose()


def test_a_commit_of_another_connection_is_seen_at_once_in_a_file(tmp_path: Path) -> None:
    sessions = open_database(f"sqlite:///{tmp_path / 'wattproof.sqlite'}")
    version = TotalsVersion(lambda: sessions)
    assert version.at_once() is None
    read = version.read()
    assert version.at_once() == read
    with sessions.begin() as session:
        session.add(Household(address="0x1", meter="0x2"))
    assert version.at_once() is None and version.read() == read
