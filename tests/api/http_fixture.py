"""A community's server and one household's gateway as processes on loopback, each with files of its own."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import wattproof
from api.gateway.home import Home
from api.gateway.outbox import Outbox, Submission
from api.protocol.bundle import InferenceBundle, parse
from bench.deployed import Process, share_cache
from bench.ports import free_port
from data.atomic import write_bytes
from data.table import long_table, read_table, write_table
from fl.deployment.kept_model import keep_model
from fl.store import RoundReport, RoundStore
from fl.task import initial_weights
from forecasting.integer import quantise
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape
from tests.api.processes import server
from tests.support.commands import output
from tests.support.forked import Forked
from tests.support.waiting import LIMIT_S, Found, ended, until
from zkp.lstm.weights import commit_weights

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
HOME = "elm-3"
MODEL = ModelSettings(hidden=8)
SERVER, GATEWAY = "server", "gateway"


def save_round(folder: Path, number: int, seed: int, extra: dict[str, float] | None = None) -> None:
    """A round as a coordinator leaves it, of a model that has not been trained. `extra`: of its report."""
    shape, store = ModelShape.of(MODEL), RoundStore(folder / "rounds")
    weights = initial_weights(shape, seed)
    report = RoundReport(number, (HOME,), (HOME,), {}, 0.5, None, {}, 0, 0, 1.0, extra=extra or {})
    store.save(report, weights, {})
    model = quantise(weights, shape)
    model.save(store.path(number) / "model.npz")
    write_bytes(store.path(number) / "digest", commit_weights(model.weights).digest().hex().encode())
    store.mark_published(number)


@dataclass
class HttpFixture:
    """Args: first: the day whose forecast is the first; days: of readings that the gateway has before it. Twenty are
    too few for a personal head."""

    folder: Path
    first: int
    days: int = 20
    processes: dict[str, Process] = field(default_factory=dict)
    collectors: dict[str, str] = field(default_factory=dict)
    """Where each process sends its traces."""

    def __post_init__(self) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        for name in (SERVER, GATEWAY):
            (self.folder / name).mkdir(parents=True)
            share_cache(self.folder / name)
        generator = np.random.default_rng(3)
        hours = np.arange(24 * self.days)
        load = 400 + 300 * np.sin(hours * np.pi / 12) + generator.uniform(0, 200, len(hours))
        self.write_readings(long_table(HOME, self.hours(self.first - self.days, self.days), load.astype(np.int64)))
        self.write_gateway()
        self.member = yaml.safe_load(output("identity", HOME, "-c", str(self.folder / GATEWAY / "settings.yaml")))

    def write_gateway(self, **gateway: Any) -> None:
        deployment = {
            "insecure": True,
            "port": free_port(),
            "task_interval_s": 0.3,
            "agent_metrics_port": self.metrics_port,
        }
        self._write(GATEWAY, {
            "community": {"name": "Elm Street"},
            "data": {"source": "files", "files": ["readings.csv"], "day_start_utc": 0},
            "federation": {"deployment": deployment},
            "gateway": {"api_url": f"http://127.0.0.1:{self.port}", "retry_max_s": 1} | gateway,
        })  # fmt: skip

    def write_server(self, *, enrolled: bool = True, green_hours: bool = False) -> None:
        """`green_hours`: the first day's, those in which the home uses most, from a file."""
        rewards = {"clock": "standing"}
        if green_hours:
            rows = [f"{hour:%Y-%m-%dT%H:00Z},{int(1 <= k <= 11)}" for k, hour in enumerate(self.hours(self.first, 1))]
            (self.folder / SERVER / "green.csv").write_text("\n".join(["ds,weight", *rows]), encoding="utf-8")
            rewards["green_hours"] = "green.csv"
        self._write(SERVER, {
            "community": {"name": "Elm Street", "members": self.member if enrolled else []},
            "data": {"source": "none", "day_start_utc": 0},
            "federation": {"rounds": 1},
            "rewards": rewards,
            "api": {"port": self.port},
        })  # fmt: skip

    def serve(self) -> None:
        """Start the server on a chain whose clock stands at first an hour before the first day."""
        self._start(SERVER, server.main, "server.py", "settings.yaml", str(self.first), "clock")

    def start_gateway(self) -> None:
        self._start(GATEWAY, wattproof.main, "wattproof", "agent", HOME, "-c", "settings.yaml")

    def end(self, name: str, number: int = signal.SIGKILL) -> int:
        """Its exit code."""
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(LIMIT_S)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(LIMIT_S)

    def set_clock(self, day: int, seconds: int) -> None:
        """Move the chain's clock to so many seconds after the start of a day."""
        moment = day * 86_400 + seconds
        write_bytes(self.folder / SERVER / "clock", str(moment).encode())
        self.until(lambda: self.ask("/health")["chain_time"] >= moment, "the clock does not move")

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LIMIT_S) as answer:
            return json.loads(answer.read())

    def logged(self, name: str, message: str, **fields: object) -> list[dict[str, object]]:
        path = self._log(name)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [t for t in told if t["message"] == message and fields.items() <= t.items()]

    def wait(self, name: str, message: str, **fields: object) -> dict[str, object]:
        """The first such record of a log."""
        told = self.until(lambda: self.logged(name, message, **fields), f"no {message!r} with {fields} from {name}")
        return told[0]

    def until(self, get: Callable[[], Found | None], what: str) -> Found:
        """`waiting.until`, which fails as soon as a process has ended; with the logs."""
        return until(get, lambda: f"{what}{self.logs()}", lambda: ended(self.processes))

    def logs(self) -> str:
        logs = {name: self._log(name) for name in (SERVER, GATEWAY)}
        return "".join(f"\n{name}:\n{log.read_text()}" for name, log in logs.items() if log.exists())

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=LIMIT_S) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    def measure(self, day: int) -> None:
        """The day passes exactly as the home's forecast said, as far as loads can."""
        sealed = self.home.sealed(day)
        assert sealed is not None
        load = np.maximum(np.array(sealed.values[:24]), 0)  # its typical hours, by which it is judged
        self.write_readings(pd.concat([self.readings, long_table(HOME, self.hours(day), load)], ignore_index=True))

    def proof(self, day: int) -> InferenceBundle:
        bundle = parse((self.state / "proofs" / str(day) / f"{HOME}.json").read_bytes())
        assert isinstance(bundle, InferenceBundle)
        return bundle

    def submission(self, kind: str, day: int) -> Submission:
        submission = Outbox(self.state / "outbox", HOME).get("claim" if kind == "claim" else "forecast", day)
        assert submission is not None
        return submission

    @property
    def state(self) -> Path:
        return self.folder / GATEWAY / "state"

    @property
    def home(self) -> Home:
        return Home(HOME, self.state / "homes" / HOME)

    @property
    def rounds(self) -> RoundStore:
        return RoundStore(self.folder / SERVER / "state" / "rounds")

    def save_round(self, number: int, seed: int) -> None:
        save_round(self.folder / SERVER / "state", number, seed)

    @property
    def readings(self) -> pd.DataFrame:
        return read_table(self.folder / GATEWAY / "readings.csv")

    def keep_model(self) -> None:
        """The model of a training that has ended, as a gateway was handed it."""
        shape = ModelShape.of(MODEL)
        keep_model(self.state / "model", 1, initial_weights(shape, 7), shape)

    def hours(self, day: int, days: int = 1) -> pd.DatetimeIndex:
        start = pd.Timestamp(day * 86_400, unit="s", tz="UTC")
        return pd.date_range(start, periods=24 * days, freq="h", unit="ns")

    def write_readings(self, table: pd.DataFrame) -> None:
        draft = self.folder / GATEWAY / "draft.csv"
        write_table(table, draft)
        draft.replace(self.folder / GATEWAY / "readings.csv")

    def _write(self, name: str, settings: dict[str, Any]) -> None:
        settings["forecasting"] = {"model": MODEL.model_dump()}
        settings["tracing"] = {"endpoint": self.collectors.get(name)}
        (self.folder / name / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _start(self, name: str, main: Callable[[], None], *arguments: str) -> None:
        self.processes[name] = Forked(main, [*arguments], self.folder / name, self._log(name), ENVIRONMENT)

    def _log(self, name: str) -> Path:
        return self.folder / name / "log"
