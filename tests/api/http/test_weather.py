"""The operator hands out one weather feed, byte for byte as it keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.config.community_yaml import ConfigError, parse
from api.operator.weather import keep_feed, update_feed
from data.errors import SourceError
from tests.api.conftest import Village

FEED = b"ds,temperature,temperature_24h,direct_solar_24h\n2026-01-05T00:00:00Z,4.5,5.0,0.0\n"


def test_the_feed_is_handed_out_once_it_is_there(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = village.community.config
    feed = tmp_path / "weather.csv"
    for weather in (None, feed):
        data = config.data.model_copy(update={"weather": weather})
        monkeypatch.setattr(village.community, "config", config.model_copy(update={"data": data}))
        answer = village.client.get("/weather")
        assert (answer.status_code, answer.json()["error"]) == (404, "no-feed")
    feed.write_bytes(FEED)
    answer = village.client.get("/weather")
    assert answer.content == FEED and answer.headers["content-type"].startswith("text/csv")


SETTINGS = "community: {{name: Elm Street}}\ndata: {{source: none{}}}\n{}"


def test_settings_name_who_keeps_the_feed() -> None:
    wrong = {
        ", weather_from: open-meteo": "needs weather:, the file",
        ", weather: w.csv, weather_from: open-meteo": "needs latitude: and longitude:",
        ", weather: w.csv, weather_from: operator": "needs gateway.api_url",
        ", weather: w.csv, weather_from: oracle": "open-meteo",
    }
    for data, words in wrong.items():
        with pytest.raises(ConfigError, match=words):
            parse(SETTINGS.format(data, ""), "community.yaml")
    config = parse(SETTINGS.format(", weather: w.csv", ""), "community.yaml")
    with keep_feed(config):  # a file that a person keeps is left alone
        pass
    with pytest.raises(SourceError, match="weather_from: open-meteo"):
        update_feed(config.data)
