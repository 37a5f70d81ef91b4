"""What readings do to a gateway, as a process: changed, missing or too few, they stop no other day, and are told.

No coordinator and no API run here: the gateway has a model, and its bundles stay with it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api.protocol.bundle import verify
from data.table import long_table
from tests.api.http_fixture import GATEWAY, HOME, HttpFixture
from tests.support.small_disk import fill, small_disk

pytestmark = pytest.mark.process
DAY = 20_500
Make = Callable[..., HttpFixture]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[HttpFixture] = []

    def build(days: int = 20) -> HttpFixture:
        deployment = HttpFixture(tmp_path, DAY, days=days)
        made.append(deployment)
        deployment.write_gateway(api_url=None)
        deployment.keep_model()
        return deployment

    yield build
    for deployment in made:
        deployment.stop()


def values(deployment: HttpFixture, day: int, level: int = 500) -> pd.DataFrame:
    return long_table(HOME, deployment.hours(day), level + 10 * np.arange(24))


def add(deployment: HttpFixture, *tables: pd.DataFrame) -> None:
    both = pd.concat([deployment.readings, *tables]).drop_duplicates(["unique_id", "ds"], keep="last")
    deployment.write_readings(both.sort_values("ds").reset_index(drop=True))


def log_of(deployment: HttpFixture) -> str:
    return (deployment.folder / GATEWAY / "log").read_text(encoding="utf-8")


def said_by(deployment: HttpFixture) -> str:
    """The log without its times, whose digits are any number now and then."""
    records = [json.loads(line) for line in log_of(deployment).splitlines()]
    return "\n".join(
        json.dumps({name: told for name, told in record.items() if name != "time"}) for record in records
    )


def counted(deployment: HttpFixture, reason: str) -> float:
    return deployment.metrics()[f'wattproof_agent_days_without_forecast_total{{reason="{reason}"}}']


def test_a_reading_that_changes_after_its_day_was_signed_is_named_and_stops_nothing(make: Make) -> None:
    deployment = make()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "forecast proven", day=DAY)
    changed = (
        deployment.readings.set_index("ds").loc[deployment.hours(DAY - 3)[[5, 6]]].rename_axis("ds").reset_index()
    )
    add(deployment, changed.assign(y=changed["y"] + 77), values(deployment, DAY))
    deployment.wait(GATEWAY, "forecast proven", day=DAY + 1)
    verify(deployment.proof(DAY + 1))
    (told,) = deployment.logged(GATEWAY, "the table has other values than the meter signed: the day counts as signed")
    assert (told["day"], told["hours"]) == (
        DAY - 3,
        f"2 hours from {deployment.hours(DAY - 3)[5]:%Y-%m-%d %H:%M} UTC",
    )
    for number in changed["y"]:
        assert not re.search(rf"\b({number}|{number + 77})\b", said_by(deployment)), "a reading is in the log"
    assert deployment.proof(DAY + 1).history[:-1] == deployment.proof(DAY).history[1:]


def test_a_gap_is_named_with_its_hours_counted_and_mended_by_the_readings(make: Make) -> None:
    deployment = make()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "forecast proven", day=DAY)
    whole = values(deployment, DAY)
    add(deployment, whole.drop(index=range(3, 8)))
    told = deployment.wait(GATEWAY, "day without a forecast", day=DAY + 1, code="gap")
    assert f"5 hours from {deployment.hours(DAY)[3]:%Y-%m-%d %H:%M} UTC" in str(told["reason"])
    assert f"the first day that can be forecast is {DAY + 8}" in str(told["reason"])
    assert counted(deployment, "gap") == 1
    add(deployment, values(deployment, DAY + 1))
    deployment.wait(GATEWAY, "day without a forecast", day=DAY + 2, code="gap")
    assert counted(deployment, "gap") == 2, "each day is counted"
    add(deployment, whole)
    deployment.wait(GATEWAY, "forecast proven", day=DAY + 2)
    verify(deployment.proof(DAY + 2))


def test_readings_that_stop_are_a_reason_too(make: Make) -> None:
    """The machine's clock is long after the readings: today has no forecast, for they end."""
    deployment = make()
    deployment.start_gateway()
    deployment.wait(GATEWAY, "forecast proven", day=DAY)
    told = deployment.wait(GATEWAY, "no forecast yet", code="no-readings")
    assert f"the readings end at {deployment.hours(DAY)[0]:%Y-%m-%d %H:%M} UTC" in str(told["reason"])


def test_a_new_home_waits_for_readings_and_needs_no_second_start(make: Make) -> None:
    deployment = make(days=3)
    three_days = deployment.readings
    (deployment.folder / GATEWAY / "readings.csv").unlink()
    deployment.start_gateway()
    assert "does not exist" in str(deployment.wait(GATEWAY, "waiting for readings to train on")["reason"])
    deployment.write_readings(three_days)
    reason = str(deployment.wait(GATEWAY, "no forecast yet", code="too-few-days", day=DAY)["reason"])
    assert f"the first day that can be forecast is {DAY + 4}" in reason
    deployment.until(
        lambda: [t for t in deployment.logged(GATEWAY, "waiting for readings to train on") if "too few" in str(t)],
        "three days are not too few",
    )  # fmt: skip
    assert deployment.metrics()["wattproof_agent_can_train"] == 0
    add(deployment, *(values(deployment, day) for day in range(DAY, DAY + 9)))
    deployment.wait(GATEWAY, "forecast proven", day=DAY + 9)
    deployment.until(lambda: deployment.metrics()["wattproof_agent_can_train"], "there are too few to train on")
    assert (
        deployment.processes[GATEWAY].poll() is None
        and len(deployment.logged(GATEWAY, "waiting for readings to train on")) == 2
    )
    assert "Traceback" not in log_of(deployment)


def test_a_full_disk_is_told_in_one_line_and_the_day_is_proven_once_there_is_room(make: Make, tmp_path: Path) -> None:
    deployment = make()
    with small_disk(tmp_path / "disk", 1024) as disk:
        shutil.move(deployment.state, disk)
        deployment.state.symlink_to(disk / "state")
        deployment.start_gateway()
        deployment.wait(GATEWAY, "forecast proven", day=DAY)
        ballast = fill(disk)
        add(deployment, values(deployment, DAY))
        told = deployment.wait(GATEWAY, "proving failed")
        assert "No space left on device" in str(told["reason"]) and "free some space" in str(told["reason"])
        assert float(str(told["again_in_s"])) > 0
        assert "Traceback" not in log_of(deployment)
        assert not (deployment.state / "proofs" / str(DAY + 1) / f"{HOME}.json").exists()
        ballast.unlink()
        deployment.wait(GATEWAY, "forecast proven", day=DAY + 1)
        verify(deployment.proof(DAY + 1))
        deployment.stop()
