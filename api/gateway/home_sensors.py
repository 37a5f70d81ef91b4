"""A home's forecast and record as sensors in its own Home Assistant, by MQTT discovery.

The broker is the household's own (`gateway.home_assistant`). What is published there is the household's to see: the
forecast that it sealed, and what the community's API tells everybody about its record. Messages are retained, so that
they are there after Home Assistant starts again.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.config.community_yaml import Config
from api.config.key_file import household_account
from api.config.settings import HomeAssistantSettings
from api.gateway.client import ApiClient
from api.gateway.own_surplus import own_surplus
from api.gateway.sealed import read_sealed
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.sources.broker import ANSWER_S, Broker, Message
from fl.deployment.background import repeated

_log = logging.getLogger(__name__)
_EVERY_S = 300.0
_DAY_S, _HOUR_S = 86_400, 3600
_SEALED = re.compile(r"forecast-(\d+)\.json")
HOURS = 24
NAMES = ("level", "streak", "days")
"""What of the record becomes a sensor each: names of the record's own attributes."""


def discovery(settings: HomeAssistantSettings, home: str) -> list[Message]:
    """What makes Home Assistant show the sensors, as one device."""
    state = _state_topic(home)
    common = {
        "state_topic": state,
        "device": {"identifiers": [f"wattproof_{home}"], "name": f"Wattproof {home}", "manufacturer": "Wattproof"},
        "origin": {"name": "Wattproof"},
    }
    energy = {"unit_of_measurement": "kWh", "icon": "mdi:home-lightning-bolt-outline"}
    sensors: dict[str, dict[str, Any]] = {
        "forecast": {
            "name": "Forecast of the day",
            **energy,
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'date': value_json.date, 'hours': value_json.hours} | tojson }}",
        },
        "this_hour": {"name": "Forecast of this hour", **energy},
        "best_hour": {
            "name": "Best hour of the community",
            "device_class": "timestamp",
            "icon": "mdi:solar-power-variant-outline",
            "json_attributes_topic": state,
            "json_attributes_template": "{{ {'surplus_hours': value_json.surplus_hours} | tojson }}",
        },
        "tokens": {"name": "Tokens", "icon": "mdi:hand-coin-outline"},
        **{name: {"name": f"Forecast record: {name}", "icon": "mdi:trophy-outline"} for name in NAMES},
    }
    return [
        Message(
            f"{settings.prefix}/sensor/wattproof_{home}/{key}/config",
            json.dumps(
                common
                | sensor
                | {"unique_id": f"wattproof_{home}_{key}", "value_template": f"{{{{ value_json.{key} }}}}"}
            ),
        )
        for key, sensor in sensors.items()
    ]


def state(home: str, folder: Path, day_start_utc: int, record: dict[str, Any] | None, now: float) -> Message:
    """What the sensors show; what is not known is null, which Home Assistant shows as unknown.

    `record`: what the API's `/households/ADDRESS/rewards` gives; `now`: UTC seconds. Raises DamagedFile.
    """
    today = (int(now) - day_start_utc * _HOUR_S) // _DAY_S
    shown = _forecast(folder, today, day_start_utc, now) | _surplus(folder, now) | _record(record)
    return Message(_state_topic(home), json.dumps(shown))


def _surplus(folder: Path, now: float) -> dict[str, Any]:
    """The starts of the community's surplus hours that are still to come, and of the best of them."""
    shown: dict[str, Any] = dict.fromkeys(("best_hour", "surplus_hours"))
    day = own_surplus(folder)
    if day is None:
        return shown
    start = datetime.fromisoformat(day.start).timestamp()
    ahead = [hour for hour in day.best_hours if start + (hour + 1) * _HOUR_S > now]
    starts = [datetime.fromtimestamp(start + hour * _HOUR_S, UTC).isoformat() for hour in ahead]
    return {"best_hour": starts[0] if starts else None, "surplus_hours": sorted(starts) or None}


def _forecast(folder: Path, today: int, day_start_utc: int, now: float) -> dict[str, Any]:
    """The newest forecast that is sealed, and this hour of today's."""
    days = [int(found[1]) for path in folder.glob("forecast-*.json") if (found := _SEALED.fullmatch(path.name))]
    shown: dict[str, Any] = dict.fromkeys(("forecast", "this_hour", "date", "hours"))
    newest = read_sealed(folder, max(days)) if days else None
    if newest is not None:
        day, hours = max(days), newest.values[:HOURS]
        start = day * _DAY_S + day_start_utc * _HOUR_S
        shown |= {
            "forecast": sum(hours) / 1000,
            "date": datetime.fromtimestamp(start + _DAY_S // 2, UTC).date().isoformat(),
            "hours": [
                {"start": datetime.fromtimestamp(start + k * _HOUR_S, UTC).isoformat(), "wh": value}
                for k, value in enumerate(hours)
            ],
        }
    if (current := read_sealed(folder, today)) is not None:
        hour = (int(now) - day_start_utc * _HOUR_S) % _DAY_S // _HOUR_S
        shown["this_hour"] = current.values[hour] / 1000
    return shown


def _record(answer: dict[str, Any] | None) -> dict[str, Any]:
    """Tokens and the record's attributes, as far as the API tells numbers."""
    shown: dict[str, Any] = dict.fromkeys(("tokens", *NAMES))
    if answer is None:
        return shown
    tokens, metadata = answer.get("tokens"), answer.get("record")
    if isinstance(tokens, str) and tokens.isdecimal():
        shown["tokens"] = round(int(tokens) / 10**18, 2)
    attributes = metadata.get("attributes") if isinstance(metadata, dict) else None
    for one in attributes if isinstance(attributes, list) else ():
        if isinstance(one, dict) and one.get("trait_type") in NAMES and isinstance(one.get("value"), int):
            shown[one["trait_type"]] = one["value"]
    return shown


def _state_topic(home: str) -> str:
    return f"wattproof/{home}/state"


def publish(settings: HomeAssistantSettings, messages: list[Message], answer_s: float = ANSWER_S) -> None:
    """Have the broker keep retained messages.

    Raises SourceError where it can't be reached, refuses the login, or does not acknowledge them.
    """
    host, _, port = settings.broker.rpartition(":")
    broker = Broker("gateway.home_assistant.broker", host, int(port), settings.secret_file, settings.tls)
    with broker.connected(answer_s=answer_s) as connection:
        connection.publish(messages, answer_s)


@contextmanager
def shown_at_home(
    config: Config, home: str, stop: threading.Event, now: Callable[[], float] = time.time
) -> Iterator[None]:
    """Publish the home's sensors every five minutes until `stop` is set or the block ends, if the settings say so."""
    settings, folder = config.gateway.home_assistant, config.api.homes_dir / home
    if settings is None:
        yield
        return
    client = None if config.gateway.api_url is None else ApiClient(config.gateway.api_url, stop)

    def show() -> None:
        shown = state(home, folder, config.data.day_start_utc, _asked(client, folder), now())
        publish(settings, [*discovery(settings, home), shown])

    try:
        with repeated(show, _EVERY_S, stop, name="showing sensors at home", log=_log):
            yield
    finally:
        if client is not None:
            client.close()


def _asked(client: ApiClient | None, folder: Path) -> dict[str, Any] | None:
    """What the API tells of the household's tokens and record; None while it does not."""
    if client is None:
        return None
    try:
        return client.rewards_of(household_account(folder).address)
    except (Unreachable, ApiRefused):
        return None
