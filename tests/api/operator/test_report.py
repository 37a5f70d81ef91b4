"""A report: its figures are the database's, its proofs are checked, and a bad one is told."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import typer
from sqlalchemy import update

from api.cli.report_commands import _days
from api.operator.database.tables import ComputedTotals, Forecast, GreenClaim
from api.operator.report import Report, make_report
from api.operator.report.as_html import as_html
from api.operator.report.as_pdf import as_pdf
from api.operator.report.pictures import pictures
from api.operator.report.shared_energy import shared_rows, spans, surplus_rows
from api.operator.report.text import headline
from api.protocol.bundle import GreenBundle, encode
from api.protocol.settlement import Settlement
from api.protocol.surplus import SurplusDay
from data.day import DayClock
from tests.api.conftest import DAY, Village
from tests.api.settled import WEEK

pytestmark = pytest.mark.slow


@pytest.fixture
def report(settled: Village) -> Report:
    village = settled
    with village.community.sessions.begin() as session:
        session.add(ComputedTotals(day=DAY - 1, forecast=[9] * 24, measured=[1000] * 24))
    made = make_report(village.community, range(DAY - 5, DAY + 5), "2017-05")
    assert made is not None
    return made


def test_its_figures_are_those_of_the_days(village: Village, report: Report) -> None:
    told = village.client.get(f"/v1/days/{DAY}/summary").json()
    (day,) = report.days
    assert (day.forecast_wh, day.measured_wh, day.homes) == (
        sum(told["forecast_wh"]), sum(told["measured_wh"]), 3
    )  # fmt: skip
    assert report.error("naive") == told["accuracy"]["naive"] and report.error("calibrated") is None
    assert (report.proofs, report.bad) == (4, ()), "three forecasts and a claim"
    assert sum(home.claims for home in report.households) == 1
    assert dict(headline(report))["Proofs checked for this report"] == "4 of 4 hold"


def test_green_shares_are_checked_and_counted(village: Village, green: GreenBundle, report: Report) -> None:
    bad = green.model_copy(update={"proof": green.proof[:-2] + f"{int(green.proof[-2:], 16) ^ 1:02x}"})
    for bundle, wrong in ((green, 0), (bad, 1), (None, 0)):  # None: a wallet sent it to the contract
        row = GreenClaim(
            household=green.household, day=DAY, tier=green.tier, points=5, amount=str(2 * 10**18), proof_hash="0x",
            bundle=None if bundle is None else encode(bundle),
        )  # fmt: skip
        with village.community.sessions.begin() as session:
            session.merge(row)
        made = make_report(village.community, [DAY], "a day")
        assert made is not None and (made.proofs, len(made.bad)) == (report.proofs + (bundle is not None), wrong)
        told = dict(headline(made))
        assert told["Green shares proven"] == "1" and float(told["Tokens paid"]) >= 2


def test_shared_energy_is_that_of_the_reports_own_days(village: Village, report: Report, week: Settlement) -> None:
    days = [record.day for record in week.period.days]
    for shown in (days, days[2:4]):
        (row,) = shared_rows(village.community, range(shown[0], shown[-1] + 1))
        assert (row.period, row.days, row.of_days) == (WEEK, len(shown), len(days))
        hours = [record for record in week.period.days if record.day in shown]
        assert row.shared_wh == sum(sum(one.shared) for one in hours)
        assert row.taken_wh == sum(sum(one.taken) for one in hours)
        assert row.fed_in_wh == sum(sum(one.fed_in) for one in hours)
    assert shared_rows(village.community, range(days[-1] + 1, days[-1] + 9)) == ()
    told = as_html(replace(report, shared=(row,)), []).decode()
    assert f"2 of {len(days)}" in told and "Energy shared (2 days)" in told
    assert "Shared energy" not in as_html(replace(report, shared=()), []).decode(), "where there is none, nothing"


def test_surplus_hours_are_told_as_spans_of_local_time(village: Village, report: Report, surplus: SurplusDay) -> None:
    (row,) = surplus_rows(village.community, [surplus.day])
    left = sum(surplus.export.hours[hour] - surplus.load.hours[hour] for hour in surplus.hours)
    assert row.surplus_wh == left and row.date == village.community.clock.date_of(surplus.day)
    told = as_html(replace(report, surplus=(row,)), []).decode()
    assert row.spans in told and f"Hours ({village.community.clock.zone})" in told
    assert surplus_rows(village.community, [surplus.day + 1]) == ()
    for hours, text in (
        ([], "none"),
        ([23], "23:00-24:00"),
        ([9, 10, 14, 0], "00:00-01:00, 09:00-11:00, 14:00-15:00"),
    ):
        assert spans(hours) == text


def test_a_proof_that_does_not_hold_is_told(village: Village, report: Report) -> None:
    home = village.homes[0]
    bundle = village.bundle(home)
    wrong = bundle.model_copy(update={"proof": bundle.proof[:-2] + f"{int(bundle.proof[-2:], 16) ^ 1:02x}"})
    with village.community.sessions.begin() as session:
        chosen = update(Forecast).where(Forecast.household == home.wallet.address)
        session.execute(chosen.values(bundle=encode(wrong)))
    again = make_report(village.community, [DAY], "2017-05-30")
    assert again is not None and len(again.bad) == 1 and home.wallet.address in again.bad[0]
    assert b"do NOT hold" in as_html(again, [])


def test_as_html_it_needs_nothing_else(report: Report) -> None:
    text = as_html(report, pictures(report, 8, "svg")).decode()
    assert "Test village" in text and "<svg" in text and "<script" not in text
    assert 'src="http' not in text and "url(http" not in text
    assert text.count("<td>") >= 3


def test_as_pdf_it_is_one(report: Report) -> None:
    content = as_pdf(report, pictures(report, 8, "png"))
    assert content.startswith(b"%PDF-") and len(content) > 20_000


def test_a_name_with_markup_stays_text(village: Village, report: Report) -> None:
    named = Report(**{**vars(report), "community": "<b>Elm & Öak ☀</b>"})
    assert "&lt;b&gt;Elm &amp; Öak" in as_html(named, []).decode() and as_pdf(named, []).startswith(b"%PDF-")


@pytest.mark.parametrize("name", ["Źródło Łódź", "Ενέργεια", "Энергия", "UTC−8 – “Öak’s”"])
def test_a_pdf_has_the_letters_of_peoples_names(report: Report, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """fpdf2 warns of each that a font lacks; PDF's own fonts lack all of these."""
    caplog.set_level(logging.WARNING)
    as_pdf(replace(report, community=name), [])
    assert [record.getMessage() for record in caplog.records if "glyph" in record.getMessage()] == []


def test_of_days_that_nothing_is_known_of_there_is_none(village: Village) -> None:
    assert make_report(village.community, [DAY + 9], "") is None


def test_periods() -> None:
    clock = DayClock(8)
    assert _days("2017-05-30", clock) == ([17_316], "2017-05-30") and _days("17316", clock)[0] == [17_316]
    may, name = _days("2017-05", clock)
    assert (may[0], may[-1], name) == (clock.day_on(clock.date_of(may[0]).replace(day=1)), 17_317, "2017-05")
    assert len(_days("2016-02", clock)[0]) == 29 and len(_days("2017-12", clock)[0]) == 31
    for wrong in ("2017-13", "2017-00", "May", "1800-01"):
        with pytest.raises(typer.BadParameter):
            _days(wrong, clock)
