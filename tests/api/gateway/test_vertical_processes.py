"""Vertical learning by its commands: three agents, a charger's operator and a coordinator, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from bench.deployed import COORDINATOR, Deployed
from tests.api.gateway.test_agent import DAY, DAYS, START, made_up_readings
from tests.support.commands import output_in
from tests.support.forked import forked
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.process
HOMES, PARTNER = ("elm-1", "elm-2", "elm-3"), "charger"


def bookings(home: str) -> pd.DataFrame:
    """What is booked for each hour, those of the day to forecast among them: two hours on about every other day."""
    generator = np.random.default_rng(list(home.encode()))
    booked = np.zeros((DAYS + 1, 24), dtype=np.int64)
    for day in np.flatnonzero(generator.random(DAYS + 1) < 0.6):
        start = int(generator.integers(0, 22))
        booked[day, start : start + 2] = 3000
    last = pd.Timestamp(START + 23 * 3600, unit="s", tz="UTC")
    return pd.DataFrame(
        {"ds": pd.date_range(end=last, periods=booked.size, freq="h"), "booked_wh": booked.reshape(-1)}
    )


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """What each party has before the session: keys, roster, customers' ids and records."""
    folder = tmp_path_factory.mktemp("community")
    readings = made_up_readings(HOMES, DAYS)
    for home in HOMES:
        drawn = bookings(home)["booked_wh"].to_numpy()[: 24 * DAYS]
        readings.loc[readings["unique_id"] == home, "y"] += drawn
    vertical = {"partner": PARTNER, "columns": ["booked_wh"], "roster": str(folder / "roster.json"), "steps": 20}
    made = Deployed(
        folder, readings, None, {"vertical": vertical}, {"model": {"hidden": 4}},
        day_start_utc=START % 86_400 // 3600, secure=True, run=output_in, begin=forked,
    )  # fmt: skip
    _equip_partner(made)
    yield made
    made.stop()


def _equip_partner(made: Deployed) -> None:
    coordinator, own = made.folder / COORDINATOR, made.folder / PARTNER
    output_in(coordinator, "keys", "-c", "settings.yaml", "--home", PARTNER)
    output_in(coordinator, "roster", "-c", "settings.yaml", "--make")
    settings = yaml.safe_load((made.folder / HOMES[0] / "settings.yaml").read_text())
    settings["data"] = {"source": "none", "day_start_utc": settings["data"]["day_start_utc"]}
    settings["federation"]["vertical"]["records"] = "records"
    del settings["federation"]["deployment"]["agent_metrics_port"]
    (own / "records").mkdir(parents=True)
    (own / "settings.yaml").write_text(yaml.safe_dump(settings))
    (own / "keys" / "agents").mkdir(parents=True)
    (own / "keys" / "authority.pem").write_bytes((coordinator / "keys" / "authority.pem").read_bytes())
    (coordinator / "keys" / "agents" / f"{PARTNER}.key").rename(own / "keys" / "agents" / f"{PARTNER}.key")
    for home in HOMES:
        signed = output_in(made.folder / home, "vertical", "id", home, "-c", "settings.yaml")
        (own / "records" / f"{home}.id.json").write_text(signed)
        bookings(home).to_csv(own / "records" / f"{home}.csv", index=False)


def test_homes_forecast_with_what_the_partner_knows_of_the_day(community: Deployed) -> None:
    leading = community.launch(COORDINATOR, "vertical", "lead", str(DAY))
    community.launch(PARTNER, "vertical", "partner")
    for home in HOMES:
        community.start(home)
    assert leading.wait(LIMIT_S) == 0, community.log(COORDINATOR)
    for home in HOMES:
        told = output_in(community.folder / home, "vertical", "show", home, str(DAY), "-c", "settings.yaml")
        assert told.startswith(f"Day {DAY}, with the partner's values")
        assert len(told.split("\n", 1)[1].split()) == 24
    _nothing_of_a_home_is_elsewhere(community)


def _nothing_of_a_home_is_elsewhere(community: Deployed) -> None:
    for name in (PARTNER, COORDINATOR):
        kept = sorted(path.name for path in Path(community.folder / name).rglob("*") if path.is_file())
        assert not [file for file in kept if "readings" in file or "vault" in file or file == f"{DAY}.json"]


def test_a_second_session_over_the_same_days_is_refused_at_each_home(community: Deployed) -> None:
    before = len(community.log(COORDINATOR))
    assert community.launch(COORDINATOR, "vertical", "lead", str(DAY)).wait(LIMIT_S) == 1
    said = community.log(COORDINATOR)[before:]
    assert "0 homes" in said and all(f"{home}: VerticalRefused" in said for home in HOMES)
    assert all("enters another after 28" in community.log(home) for home in HOMES)
