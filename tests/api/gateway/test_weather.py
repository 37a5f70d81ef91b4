"""A gateway takes the operator's weather feed over, and what it has grown by; it waits for the first one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest

from api.config.community_yaml import Config, load
from api.gateway import weather
from api.gateway.client import ApiClient
from api.gateway.weather import follow_feed, take_feed, wait_for_feed
from data.errors import SourceError
from data.weather.table import read_weather, write_weather
from tests.support.waiting import until

HOURS = pd.date_range("2026-01-05T00:00Z", periods=72, freq="h", unit="ns")


def feed(path: Path, hours: int) -> bytes:
    ds = HOURS[:hours]
    write_weather(
        pd.DataFrame({"ds": ds, "temperature": 4.5, "temperature_24h": 5.0, "direct_solar_24h": 20.0}), path
    )
    return path.read_bytes()


class Operator:
    """What the operator's server answers to /weather."""

    def __init__(self) -> None:
        self.content: bytes | None = None


@contextmanager
def served(operator: Operator) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if operator.content is None else 200)
            self.end_headers()
            self.wfile.write(operator.content or b'{"error": "no-feed", "message": "no feed yet"}')

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def config_of(folder: Path, url: str) -> Config:
    path = folder / "community.yaml"
    path.write_text(
        f"community: {{name: Elm Street}}\ngateway: {{api_url: '{url}'}}\n"
        "data: {source: files, files: [elm-3.csv], weather: weather.csv, weather_from: operator}\n"
    )
    return load(path)


@pytest.mark.process
def test_it_waits_for_the_first_feed_and_then_grows_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    operator, mine = Operator(), tmp_path / "weather.csv"
    monkeypatch.setattr(weather, "_EVERY_S", 0.05)

    def wait(_seconds: float) -> None:
        operator.content = feed(tmp_path / "theirs.csv", 24)

    with served(operator) as url:
        config = config_of(tmp_path, url)
        wait_for_feed(config.data, config.gateway.api_url or "", wait)
        assert len(read_weather(mine)) == 24 and "no feed yet" in caplog.records[0].__dict__["reason"]
        with follow_feed(config.data, config.gateway.api_url or "", threading.Event()):
            operator.content = feed(tmp_path / "theirs.csv", 30)
            until(lambda: len(read_weather(mine)) == 30, "it has not grown")


@pytest.mark.process
def test_another_feed_than_before_is_refused_and_ours_stays(tmp_path: Path) -> None:
    operator, mine = Operator(), tmp_path / "weather.csv"
    ours = feed(mine, 24)
    with served(operator) as url:
        client = ApiClient(url)
        for content, words in (
            (feed(tmp_path / "theirs.csv", 24).replace(b"4.5", b"9.5"), "differs for hours"),
            (b"<html>Welcome</html>", "not a weather feed"),
            (None, "cannot be fetched"),
        ):
            operator.content = content
            with pytest.raises(SourceError, match=words):
                take_feed(client, mine)
        operator.content = ours
        assert take_feed(client, mine) == 0
        client.close()
    assert mine.read_bytes() == ours
