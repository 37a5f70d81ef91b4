"""A community to try on recorded time: settings, keys and tables of a server and of gateways, in a folder each.

Nothing but its folder is needed to run a part of it: `server/` for server and coordinator, `home-01/` for a gateway.
The homes are the demo's (`data.citylearn`), a year of real readings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import yaml

from api.config.community_yaml import Config, ConfigError, load
from api.gateway.home import Home
from data.atomic import write_bytes
from data.citylearn import DAY_START_UTC, CommunityData
from data.day import DayClock
from data.sources.poller import PollState
from data.table import write_table
from data.weather.table import COLUMNS, write_weather
from fl.deployment.keys import KeyFolder, make_keys, roster_of_agents

SERVER, SETTINGS = "server", "settings.yaml"
FEWEST_HOMES = 4
"""Of three homes no total opens: two thirds of them are fewer than a gateway accepts."""
_HISTORY_DAYS = 21
_GRACE_S = 12 * 3600
_NOON = timedelta(hours=12)
_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Replay:
    """What is written.

    Args:
        homes: how many.
        first: the date at whose noon recorded time begins; the first forecast is of the day after.
        day_minutes: how long a recorded day takes.
        coordinator: its host, as gateways reach it.
        api_url: where gateways reach the server.
        database_url: of the server; none: SQLite.
    """

    homes: int
    first: date
    day_minutes: float
    coordinator: str = "127.0.0.1"
    api_url: str = "http://127.0.0.1:8000"
    database_url: str | None = None

    def write(self, folder: Path, data: CommunityData) -> list[str]:
        """Write the community below `folder`, all of it or nothing; returns the homes' names.

        Raises ConfigError for a folder that is not empty, or dates that the readings do not have.
        """
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty, and was not changed: name another folder")
        names = sorted(str(name) for name in data.readings["unique_id"].unique())[: self.homes]
        if not FEWEST_HOMES <= self.homes == len(names):
            raise ConfigError(f"{self.homes} homes: choose {FEWEST_HOMES} to {data.readings['unique_id'].nunique()}")
        self._check_dates(data.readings)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as draft:
            self._write_parts(Path(draft), names, data)
            for part in Path(draft).iterdir():
                part.replace(folder / part.name)
        return names

    def _write_parts(self, folder: Path, names: Sequence[str], data: CommunityData) -> None:
        hosts = [self.coordinator, urlsplit(self.api_url).hostname or self.coordinator]
        make_keys(folder / SERVER / "keys", list(dict.fromkeys(hosts)), names)
        for name in names:
            self._write_gateway(folder, name, data.readings)
        self._write_server(folder, names, data.weather)
        for part in (SERVER, *names):
            load(folder / part / SETTINGS)

    def _check_dates(self, readings: pd.DataFrame) -> None:
        clock = DayClock(DAY_START_UTC)
        days = clock.days_of(readings["ds"])
        first, last = clock.date_of(int(days.min()) + _HISTORY_DAYS), clock.date_of(int(days.max()) - 1)
        if not first <= self.first <= last:
            raise ConfigError(f"the recorded days that can be replayed are {first} to {last}, not {self.first}")

    @property
    def _begins(self) -> pd.Timestamp:
        """When recorded time begins: at noon of the first date, where the demo homes are."""
        clock = DayClock(DAY_START_UTC)
        return clock.start_of(clock.day_on(self.first)) + _NOON

    def _write_gateway(self, folder: Path, name: str, readings: pd.DataFrame) -> None:
        """A home's own folder: its readings, its key, the community's certificate."""
        own, keys = folder / name, KeyFolder(folder / SERVER / "keys")
        mine = KeyFolder(own / "keys")
        write_bytes(mine.authority, keys.authority.read_bytes())
        write_bytes(mine.agent_key(name), keys.agent_key(name).read_bytes(), private=True)
        keys.agent_key(name).unlink()
        roster_of_agents(keys.directory).write(own / "roster.json")
        recorded, begins = readings[readings["unique_id"] == name].reset_index(drop=True), self._begins - _NOON
        write_table(recorded, own / "recorded.csv")
        write_table(recorded[recorded["ds"] < begins].reset_index(drop=True), own / "readings.csv")
        PollState(int(begins.timestamp())).write(own / "state" / "homes" / name / "live.json")
        settings = self._settings(
            data={"source": "files", "files": ["readings.csv"], "weather": "weather.csv", "weather_from": "operator"},
            replay={"recorded": "recorded.csv"},
        )
        settings["gateway"] = {
            "api_url": self.api_url, "roster": "roster.json", "retry_max_s": 5,
            "fewest_in_total": max(3, -(-2 * self.homes // 3)),
        }  # fmt: skip
        _dump(own / SETTINGS, settings)

    def _write_server(self, folder: Path, names: Sequence[str], weather: pd.DataFrame) -> None:
        own = folder / SERVER
        roster_of_agents(own / "keys").write(own / "roster.json")
        write_weather(weather[["ds", *COLUMNS]], own / "weather.csv")
        settings = self._settings(data={"source": "none", "weather": "weather.csv"})
        homes = [Home(name, folder / name / "state" / "homes" / name) for name in names]
        settings["community"]["members"] = [
            {"household": str(home.wallet.address), "meter": home.meter.address, "home": home.name} for home in homes
        ]
        everywhere = "127.0.0.1" if self.coordinator in _LOOPBACK else "0.0.0.0"
        settings["federation"]["deployment"]["bind"] = everywhere
        port = urlsplit(self.api_url).port if everywhere == "127.0.0.1" else None
        # Every gateway has the same address here, so no address is given too many answers.
        settings["api"] |= {
            "host": everywhere, "port": port or 8000, "sum_phase_s": 30,
            "reads_per_minute": 0, "writes_per_minute": 0,
        }  # fmt: skip
        if self.database_url is not None:
            settings["api"]["database_url"] = self.database_url
        _dump(own / SETTINGS, settings)

    def _settings(self, data: Mapping[str, Any], replay: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What all parts have in common, and what is a part's own."""
        return {
            "community": {"name": "Community on recorded time"},
            "data": {"day_start_utc": DAY_START_UTC} | dict(data),
            "federation": {
                "min_homes": self.homes,
                "evaluate_every": 0,
                "secure_aggregation": {"enabled": True, "roster": "roster.json"},
                "deployment": {"host": self.coordinator, "task_interval_s": 1, "retry_max_s": 5},
            },
            "rewards": {"grace_seconds": _GRACE_S},
            "api": {"state_dir": "state"},
            "replay": {"start": self._begins.isoformat(), "day_minutes": self.day_minutes} | dict(replay or {}),
        }


def parts_of(folder: Path) -> dict[str, Config]:
    """The settings of the server and of each gateway of a community that was written. Raises ConfigError."""
    found = {path.parent.name: load(path) for path in sorted(folder.glob(f"*/{SETTINGS}"))}
    if SERVER not in found or any(config.replay is None for config in found.values()):
        raise ConfigError(
            f"{folder} has no community on recorded time: make one with `wattproof replay init {folder}`"
        )
    return found


def _dump(path: Path, settings: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode(), private=True)  # a database's URL holds its password
