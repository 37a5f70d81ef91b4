"""A home's forecast and record appear in its own Home Assistant, by MQTT discovery, and what is unknown is null."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import Any

import pytest

from api.config.settings import HomeAssistantSettings
from api.gateway.home_sensors import HOURS, discovery, publish, state
from api.gateway.sealed import SealedForecast, seal
from data.errors import SourceError
from tests.support.mosquitto import LOGIN, broker

HOME, DAY, START = "elm-3", 20_000, 23
NOON = DAY * 86_400 + START * 3600 + 12 * 3600 + 60.0
RECORD = {
    "tokens": "12340000000000000000",
    "record": {"attributes": [{"trait_type": "level", "value": 3}, {"trait_type": "streak", "value": "many"}, None]},
}


def shown(folder: Path, record: dict[str, Any] | None = None, now: float = NOON) -> dict[str, Any]:
    message = state(HOME, folder, START, record, now)
    assert message.topic == "wattproof/elm-3/state"
    content = json.loads(message.payload)
    assert isinstance(content, dict)
    return content


def test_the_newest_forecast_and_this_hour_are_shown(tmp_path: Path) -> None:
    for day, first in ((DAY - 1, 7_000), (DAY, 100)):
        seal(tmp_path, day, SealedForecast((*range(first, first + 24), *[9] * 24), 5))
    content = shown(tmp_path)
    assert (content["forecast"], content["this_hour"]) == (sum(range(100, 124)) / 1000, 0.112)
    assert len(content["hours"]) == HOURS
    assert content["hours"][12] == {"start": "2024-10-05T11:00:00+00:00", "wh": 112}
    assert content["date"] == "2024-10-05"


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    assert set(shown(tmp_path).values()) == {None}
    seal(tmp_path, DAY, SealedForecast((1,) * 48, 5))
    tomorrow = shown(tmp_path, now=NOON + 86_400)
    assert tomorrow["this_hour"] is None and tomorrow["forecast"] == 0.024


def test_of_the_record_only_numbers_are_shown(tmp_path: Path) -> None:
    content = shown(tmp_path, RECORD)
    assert (content["tokens"], content["level"], content["streak"]) == (12.34, 3, None)
    for strange in ({}, {"record": 7, "tokens": 3}, {"record": {"attributes": "x"}}):
        assert shown(tmp_path, strange)["level"] is None


def test_every_sensor_reads_a_value_of_the_state(tmp_path: Path) -> None:
    content = shown(tmp_path)
    configs = [json.loads(one.payload) for one in discovery(HomeAssistantSettings(broker="b:1"), HOME)]
    assert len({one["unique_id"] for one in configs}) == len(configs)
    for one in configs:
        key = one["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
        assert key in content and one["state_topic"] == "wattproof/elm-3/state"
        assert one["device"] == configs[0]["device"]


@pytest.mark.process
def test_a_real_broker_keeps_them_for_home_assistant(tmp_path: Path) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    login = tmp_path / "login"
    login.write_text(LOGIN)
    seal(tmp_path, DAY, SealedForecast((1000,) * 48, 5))
    with broker() as address:
        settings = HomeAssistantSettings(broker=address, secret_file=login)
        messages = [*discovery(settings, HOME), state(HOME, tmp_path, START, RECORD, NOON)]
        publish(settings, messages)
        kept: queue.Queue[tuple[str, bytes]] = queue.Queue()
        client = Client(CallbackAPIVersion.VERSION2)  # that comes later, as Home Assistant after a restart
        client.username_pw_set(*LOGIN.split(":"))
        client.on_connect = lambda mine, *_: mine.subscribe("#", 1)
        client.on_message = lambda _client, _data, message: kept.put((message.topic, bytes(message.payload)))
        host, _, port = address.partition(":")
        client.connect(host, int(port))
        client.loop_start()
        try:
            found = dict(kept.get(timeout=60) for _ in messages)
        finally:
            client.disconnect()
            client.loop_stop()
        assert found == {one.topic: one.payload.encode() for one in messages}
        login.write_text("elm:wrong horse")
        with pytest.raises(SourceError, match="refused the login") as refused:
            publish(settings, messages)
        assert "wrong horse" not in str(refused.value)
        login.unlink()
        with pytest.raises(SourceError, match="login can't be read"):
            publish(settings, messages)
    login.write_text(LOGIN)
    with pytest.raises(SourceError, match=r"gateway\.home_assistant\.broker.* can't be reached"):
        publish(settings, messages)
