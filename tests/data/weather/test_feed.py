"""The feed only grows, from a service that answers as Open-Meteo's documentation says (made-up weather)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pandas as pd
import pytest

from data.errors import SourceError
from data.weather.feed import merged, updated
from data.weather.open_meteo import OpenMeteo
from data.weather.table import read_weather

NOW = datetime(2026, 3, 10, 12, 20, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86_400


@dataclass
class Service:
    """What the service says: temperatures are hours modulo 30, those forecast a day ahead half a degree more."""

    now: float = NOW
    unit: str = "°C"
    is_away: bool = False
    gone: set[int] = field(default_factory=set)
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    address: str = ""

    def answer(self, query: dict[str, list[str]]) -> tuple[int, object]:
        self.asked.append(query)
        if self.is_away:
            return 503, {"error": True, "reason": "Service unavailable"}
        today = int(self.now) // DAY * DAY
        if "start_date" in query:
            first, last = (
                int(pd.Timestamp(query[name][0], tz="UTC").timestamp()) for name in ("start_date", "end_date")
            )
        else:
            first, last = today - DAY * int(query["past_days"][0]), today + DAY * (int(query["forecast_days"][0]) - 1)
        times = list(range(first, last + DAY, HOUR))
        hourly: dict[str, list[float | None]] = {}
        for name in query["hourly"][0].split(","):
            more = 0.5 if name.endswith("_previous_day1") else 0.0
            hourly[name] = [
                None if at in self.gone else (at // HOUR % 30 if "temperature" in name else at // HOUR % 500) + more
                for at in times
            ]
        units = {name: self.unit if "temperature" in name else "W/m²" for name in hourly}
        return 200, {"hourly": {"time": times, **hourly}, "hourly_units": {"time": "unixtime", **units}}


@contextmanager
def served(service: Service) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = service.answer(parse_qs(urlparse(self.path).query))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        service.address = f"http://127.0.0.1:{server.server_port}/v1/forecast"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    with served(Service()) as running:
        yield running


def client(service: Service, tmp_path: Path) -> OpenMeteo:
    return OpenMeteo(45.5, 9.2, tmp_path / "cache", service.address, service.address, now=lambda: service.now)


def test_a_new_feed_has_what_was_forecast_then(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    assert updated(path, client(service, tmp_path), past_days=5) == 5 * 24 + 1
    weather = read_weather(path)
    assert weather["ds"].iloc[-1] == pd.Timestamp("2026-03-10T12:00Z")
    hours = pd.DatetimeIndex(weather["ds"]).as_unit("s").asi8 // HOUR
    assert (weather["temperature"] == hours % 30).all()
    over = weather["ds"] + pd.Timedelta(days=1) <= pd.Timestamp("2026-03-10T12:00Z")
    assert (weather["temperature_24h"] == (hours + 24) % 30 + 0.5 * over).all(), "learning sees no weather of its day"
    assert [set(query["hourly"][0].split(",")) & {"temperature_2m"} for query in service.asked] == [
        {"temperature_2m"}
    ] * 2


def test_an_hour_later_one_row_is_added_and_none_changed(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    updated(path, client(service, tmp_path), past_days=2)
    before = path.read_text()
    assert updated(path, client(service, tmp_path)) == 0
    service.now += HOUR
    assert updated(path, client(service, tmp_path)) == 1
    assert path.read_text().startswith(before)


def test_while_the_service_is_away_its_last_answer_stands_in_for_a_while(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, asked = tmp_path / "weather.csv", client(service, tmp_path)
    updated(path, asked, past_days=2)
    for kept in (tmp_path / "cache").iterdir():  # its files are of the test's clock, too
        os.utime(kept, (service.now, service.now))
    service.is_away, service.now = True, service.now + 5 * HOUR
    assert updated(path, asked) == 5
    assert "using its last answer" in caplog.text
    service.now += 40 * HOUR
    with pytest.raises(SourceError, match=r"refuses \(503\): Service unavailable"):
        updated(path, asked)


def test_other_units_and_hours_that_are_not_known(service: Service, tmp_path: Path) -> None:
    path, asked = tmp_path / "weather.csv", client(service, tmp_path)
    service.unit = "°F"
    with pytest.raises(SourceError, match="is in °F, not in °C"):
        updated(path, asked, past_days=2)
    service.unit, service.gone = "°C", {int(NOW) // HOUR * HOUR - 30 * HOUR}
    again = replace(asked, cache=tmp_path / "other")
    updated(path, again, past_days=2)
    assert len(read_weather(path)) == 49
    service.gone = {int(NOW) // HOUR * HOUR + h * HOUR for h in range(-12, 30)}
    with pytest.raises(SourceError, match="does not know the weather"):
        updated(tmp_path / "new.csv", replace(asked, cache=tmp_path / "third"), past_days=0)


def test_gateways_have_the_operators_feed_and_keep_what_they_have(service: Service, tmp_path: Path) -> None:
    operators, mine = tmp_path / "weather.csv", tmp_path / "mine.csv"
    updated(operators, client(service, tmp_path), past_days=2)
    assert merged(mine, operators.read_bytes()) == 49 and merged(mine, operators.read_bytes()) == 0
    service.now += HOUR
    updated(operators, client(service, tmp_path))
    assert merged(mine, operators.read_bytes()) == 1
    assert mine.read_bytes() == operators.read_bytes()
    other = operators.read_text().replace(",12.0,", ",13.0,")
    with pytest.raises(SourceError, match="weather differs"):
        merged(mine, other.encode())
    for wrong in (b"<html>", b"", operators.read_bytes()[:-30], b"ds,temperature\n1,2\n"):
        with pytest.raises(SourceError, match="not a weather feed"):
            merged(mine, wrong)
    assert mine.read_bytes() == operators.read_bytes()
