"""Four agents and a server as processes, with files of their own, on a chain whose clock is moved."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

import wattproof
from api.gateway.home import Home
from bench.deployed import COORDINATOR, share_cache
from bench.ports import free_port
from data.atomic import write_bytes
from data.day import DayClock
from data.quantity import Quantity
from data.quarters import hourly
from data.table import QUARTER, long_table, read_table, write_table
from fl.deployment.keys import make_agent_key
from tests.api.http_fixture import ENVIRONMENT, MODEL, SERVER, save_round
from tests.api.processes import server
from tests.api.quarter_homes import quarters_of
from tests.support.commands import output
from tests.support.forked import Forked
from tests.support.waiting import LIMIT_S, Found, ended, until

DAY = 20_500
HOMES = [f"elm-{number}" for number in range(1, 5)]
DAY_S = 86_400


class CommunityFixture:
    """Gateways that were offline while the community trained, and its server on a chain whose clock is moved.

    `settlement`: of server and gateways; with it each home has a roof, and there is no model to forecast with.
    `export`: homes feed in, and a coordinator trains a model of it over their agents; that of load is there.
    """

    def __init__(
        self, folder: Path, settlement: dict[str, Any] | None = None, days: int = 20, homes: list[str] = HOMES,
        *, export: bool = False,
    ) -> None:  # fmt: skip
        self.homes, self._export, self._coordinator_port = homes, export, free_port()
        self._settlement, self._first_day = settlement, DAY - days if settlement else DAY
        self.folder, self._port, self._processes = folder, free_port(), dict[str, Forked]()
        self._random = np.random.default_rng(3)
        lists, members = folder / SERVER / "keys" / "agents", []
        lists.mkdir(parents=True)
        share_cache(folder / SERVER)
        for home in homes:
            (folder / home).mkdir()
            make_agent_key(folder / home / "keys", home)
            (lists / f"{home}.pub").write_bytes((folder / home / "keys" / "agents" / f"{home}.pub").read_bytes())
            if self._by_quarters:
                quarters = quarters_of(home, 1 + HOMES.index(home), DayClock(0), DAY - days, days)
                write_table(quarters, folder / home / "quarters.csv", QUARTER)
                write_table(hourly(quarters), folder / home / "readings.csv")
            else:
                write_table(self._table(home, days), folder / home / "readings.csv")
            self._write_gateway(home)
            members += yaml.safe_load(output("identity", home, "-c", str(folder / home / "settings.yaml")))
        self._write(SERVER, {
            "community": {"name": "CommunityFixture", "members": members},
            "data": {"source": "none", "day_start_utc": 0},
            "federation": self._federation,
            "rewards": {"clock": "standing"},
            "api": {"port": self._port},
            "gateway": {"roster": "../roster.json"},
        })  # fmt: skip
        output("roster", "--make", "-c", str(folder / SERVER / "settings.yaml"))
        if settlement is None:
            save_round(folder / SERVER / "state", 1, seed=5)

    def start(self, *names: str) -> None:
        serve = ["server.py", "settings.yaml", str(self._first_day), "clock"]
        train = ["wattproof", "coordinator", "-c", "settings.yaml"]
        for name in names:
            folder = self.folder / (SERVER if name == COORDINATOR else name)
            main = server.main if name == SERVER else wattproof.main
            agent = ["wattproof", "agent", name, "-c", "settings.yaml"]
            command = {SERVER: serve, COORDINATOR: train}.get(name, agent)
            log = folder / ("training.log" if name == COORDINATOR else "log")
            self._processes[name] = Forked(main, command, folder, log, ENVIRONMENT)

    def kill(self, *names: str) -> None:
        for name in names:
            process = self._processes.pop(name)
            process.kill()
            process.wait(LIMIT_S)

    def kill_all(self) -> None:
        self.kill(*self._processes)

    def ask(self, path: str) -> Any:
        """The answer, a refusal's too; nothing while the server is away."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=LIMIT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())
        except OSError:
            return {}

    def wait_for(self, path: str, **fields: object) -> None:
        self.until(lambda: fields.items() <= self.ask(path).items(), lambda: f"{path}: {self.ask(path)}")

    def until(self, get: Callable[[], Found | None], what: Callable[[], str] = lambda: "") -> Found:
        """`waiting.until`, which fails as soon as a process has ended that does not end by itself; with the logs."""
        return until(get, lambda: what() + self.logs(), lambda: ended(self._processes, by_itself=[COORDINATOR]))

    def set_clock(self, seconds: int) -> None:
        """Seconds after the day's start."""
        write_bytes(self.folder / SERVER / "clock", str(DAY * DAY_S + seconds).encode())

    def measure(self) -> NDArray[np.int64]:
        """The day passes; the sum of its readings, in Wh [24]."""
        total = np.zeros(24, dtype=np.int64)
        for home in self.homes:
            path, load = self.folder / home / "readings.csv", self._load(1)
            table = pd.concat([read_table(path), long_table(home, _hours(DAY, 1), load)], ignore_index=True)
            write_table(table, path.with_name("draft.csv"))
            path.with_name("draft.csv").replace(path)
            total += load
        return total

    def home(self, name: str) -> Home:
        return Home(name, self.folder / name / "state" / "homes" / name)

    def forecast(self, quantity: Quantity = "load") -> list[int]:
        """The sum of the means that the homes have sealed."""
        sealed = [self.home(name).sealed(DAY, quantity) for name in self.homes]
        return [sum(hour) for hour in zip(*(s.values[24:] for s in sealed if s is not None), strict=True)]

    @property
    def _by_quarters(self) -> bool:
        return self._settlement is not None and self._settlement.get("interval_minutes") == 15

    def _table(self, home: str, days: int) -> pd.DataFrame:
        ds, load = _hours(DAY - days, days), self._load(days)
        if self._export:
            sun = np.where((ds.hour > 7) & (ds.hour < 18), 2 * self._load(days), 0)
            return long_table(home, ds, load, export=pd.Series(sun, dtype="Int64"))
        if self._settlement is None:
            return long_table(home, ds, load)
        net = load - np.where((ds.hour > 8) & (ds.hour < 17), 700 * (1 + HOMES.index(home) % 2), 0)
        fed_in = pd.Series(np.maximum(-net, 0), dtype="Int64")
        return long_table(home, ds, np.maximum(net, 0), export=fed_in)

    def _load(self, days: int) -> NDArray[np.int64]:
        return self._random.integers(200, 900, 24 * days)

    def _write_gateway(self, home: str) -> None:
        quarters = {"quarters": ["quarters.csv"]} if self._by_quarters else {}
        port = self._coordinator_port if self._export else free_port()
        deployment = {"insecure": True, "port": port, "task_interval_s": 0.3, "retry_max_s": 1, "poll_s": 0.1}
        self._write(home, {
            "community": {"name": "CommunityFixture"},
            "data": {"source": "files", "files": ["readings.csv"], "day_start_utc": 0, **quarters},
            "federation": {"deployment": deployment, "export": self._export},
            "gateway": {
                "api_url": f"http://127.0.0.1:{self._port}", "retry_max_s": 1, "roster": "../roster.json",
                "fewest_in_total": 3,
            },
        })  # fmt: skip

    @property
    def _federation(self) -> dict[str, Any]:
        """Of coordinator and server."""
        if not self._export:
            return {"rounds": 1}
        deployment = {"insecure": True, "port": self._coordinator_port}
        return {
            "rounds": 1, "export": True, "local": {"epochs": 1}, "min_homes": len(self.homes), "evaluate_every": 0,
            "deployment": deployment,
        }  # fmt: skip

    def _write(self, name: str, settings: dict[str, Any]) -> None:
        settings["forecasting"] = {"model": MODEL.model_dump()}
        if self._settlement is not None:
            settings["settlement"] = self._settlement
        (self.folder / name / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def logs(self) -> str:
        logs = {name: self.folder / name / "log" for name in (SERVER, *self.homes)}
        logs[COORDINATOR] = self.folder / SERVER / "training.log"
        return "".join(f"\n{name}:\n{log.read_text()}" for name, log in logs.items() if log.exists())


def _hours(day: int, days: int) -> pd.DatetimeIndex:
    return pd.date_range(pd.Timestamp(day * DAY_S, unit="s", tz="UTC"), periods=24 * days, freq="h", unit="ns")
