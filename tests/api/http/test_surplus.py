"""Surplus hours by the API: sums and hours for everybody, the file to audit; export is not registered as load."""

from __future__ import annotations

import csv
import io
import shutil

import pytest

from api.audit.surplus import audit_surplus
from api.operator.surplus_days import FILE
from api.protocol.bundle import encode
from api.protocol.calls import submit_forecast, surplus_days, surplus_of
from api.protocol.surplus import SurplusDay
from tests.api.conftest import Village
from tests.api.sunny import DAY


def test_days_are_listed_with_their_hours(village: Village, surplus: SurplusDay) -> None:
    listed, call = surplus_days().page(), surplus_of(DAY)
    assert listed.parse(village.client.get(listed.path).content) == [DAY]
    told = call.parse(village.client.get(call.path).content)
    assert (told.load_wh, told.export_wh) == (list(surplus.load.hours), list(surplus.export.hours))
    assert told.hours == [h for h in range(24) if told.export_wh[h] > told.load_wh[h]]
    assert (told.day, told.date.isoformat(), told.homes, told.exporting_homes) == (DAY, "2017-05-30", 3, 3)
    assert told.load_digest != told.export_digest


def test_hours_come_as_a_table_and_are_not_sent_twice(village: Village, surplus: SurplusDay) -> None:
    rows = list(csv.DictReader(io.StringIO(village.client.get(f"/v1/surplus/{DAY}/hours.csv").text)))
    assert len(rows) == 24 and rows[0]["start_utc"] == "2017-05-30T08:00:00Z"
    assert [k for k, row in enumerate(rows) if row["surplus"] == "1"] == list(surplus.hours)
    answer = village.client.get(f"/v1/surplus/{DAY}")
    again = village.client.get(f"/v1/surplus/{DAY}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_everybody_may_audit_the_file(village: Village, surplus: SurplusDay) -> None:
    data = village.client.get(f"/v1/surplus/{DAY}/surplus.json").content
    assert not any(finding.is_bad for finding in audit_surplus(data))


@pytest.mark.parametrize("path", ["", "/hours.csv", "/surplus.json"])
def test_a_day_that_is_not_known_or_damaged_is_no_empty_one(village: Village, surplus: SurplusDay, path: str) -> None:
    assert village.client.get(f"/v1/surplus/{DAY + 1}{path}").json()["error"] == "no-surplus"
    file = village.community.config.api.surplus_dir / str(DAY - 1) / FILE
    file.parent.mkdir()
    file.write_text("{")
    answer = village.client.get(f"/v1/surplus/{DAY - 1}{path}")
    shutil.rmtree(file.parent)
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert str(DAY - 1) in answer.json()["detail"] and str(file.parent) not in answer.text


def test_a_forecast_of_export_is_not_registered_as_one_of_load(village: Village) -> None:
    """Made by the same model, with the same proof even: its quantity alone is another."""
    home = village.homes[0]
    bundle = village.bundle(home)
    transaction = village.transaction(home.wallet, bundle)
    exported = bundle.model_copy(update={"quantity": "export"})
    call = submit_forecast(encode(exported), transaction)
    answer = village.client.post(call.path, content=call.content, headers={"content-type": "application/json"})
    assert answer.json()["error"] == "other-quantity", answer.text
