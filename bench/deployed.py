"""A community as it would be deployed, on loopback: `wattproof` processes with keys, files and states of their own.

For benches and tests. Each gateway has its own home's readings and nothing of another's.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import yaml

from bench.gateway_process import ROOT, environment
from bench.ports import free_port
from data.table import write_table

COORDINATOR, SERVER = "coordinator", "server"


def share_cache(folder: Path) -> None:
    """Let processes that run in `folder` have this checkout's cache: compiling the contracts takes ten seconds."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    (folder / ".cache").symlink_to(ROOT / ".cache")


def wattproof(folder: Path, *arguments: str) -> str:
    """Run a command to its end; what it printed. Raises CalledProcessError if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "wattproof", *arguments], cwd=folder, env=environment(gateway=False), text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
    return done.stdout


class Process(Protocol):
    """What `subprocess.Popen` and the tests' processes have in common."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


def as_installed(arguments: list[str], folder: Path, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `wattproof`; what it prints is added to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "wattproof", *arguments], cwd=folder, env=environment, stdout=out, stderr=out
        )


@dataclass
class Deployed:
    """The coordinator's folder and one for each gateway, and the processes that run in them.

    Args:
        readings: the long table of all homes; each gateway gets its own home's rows.
        weather: the feed, if there is one.
        federation, forecasting: settings beside what a deployment needs.
        handing_in: homes that hand their forecasts in, at a server beside the coordinator.
        secure: homes sum under secure aggregation, with a roster of all of them.
        coordinator_options: of `wattproof coordinator`.
        run: how a command runs in a folder, whose output it returns; by default as a process.
        begin: how an agent, a coordinator or a server is started.
    """

    folder: Path
    readings: pd.DataFrame
    weather: pd.DataFrame | None = None
    federation: Mapping[str, Any] = field(default_factory=dict)
    forecasting: Mapping[str, Any] = field(default_factory=dict)
    day_start_utc: int = 0
    handing_in: Sequence[str] = ()
    secure: bool = False
    coordinator_options: Sequence[str] = ()
    run: Callable[..., str] = wattproof
    begin: Callable[[list[str], Path, Path, Mapping[str, str]], Process] = as_installed
    metrics_ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        port, self._api_port, homes = free_port(), free_port(), self.homes
        self.metrics_ports = {name: free_port() for name in (COORDINATOR, *homes)}
        for name in (COORDINATOR, *homes):
            self._write_settings(name, port)
        if self.weather is not None:
            self.weather.to_csv(self.folder / "weather.csv", index=False)
        names = [part for home in homes for part in ("--home", home)]
        self.run(self.folder / COORDINATOR, "keys", "-c", "settings.yaml", *names)
        if self.secure:
            self.run(self.folder / COORDINATOR, "roster", "-c", "settings.yaml", "--make")
        for home in homes:
            self._hand_over(home)
        self._write_server_settings()

    @property
    def homes(self) -> list[str]:
        return sorted(str(home) for home in self.readings["unique_id"].unique())

    def start(self, name: str) -> None:
        """Start the coordinator, the server, or a home's agent."""
        if name == COORDINATOR:
            self.launch(name, "coordinator", *self.coordinator_options)
        elif name == SERVER:
            self.launch(name, "serve", folder=COORDINATOR, settings="server.yaml")
        else:
            self.launch(name, "agent", name, gateway=True)

    def launch(
        self, name: str, *command: str, folder: str = "", settings: str = "settings.yaml", gateway: bool = False
    ) -> Process:
        """Start a command in a party's folder, its own if no other is named; what it prints is in its log."""
        arguments, around = [*command, "-c", settings], environment(gateway=gateway)
        self.processes[name] = self.begin(arguments, self.folder / (folder or name), self._log(name), around)
        return self.processes[name]

    def ask(self, path: str) -> Any:
        """What the server answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._api_port}{path}", timeout=120) as answer:
            return json.loads(answer.read())

    def state(self, name: str) -> Path:
        return self.folder / name / "state"

    def log(self, name: str) -> str:
        return self._log(name).read_text(encoding="utf-8")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wait(self, name: str, text: str, seconds: float = 600) -> None:
        """Until `text` is in the log of a process. Raises TimeoutError, with the log, if that does not come."""
        deadline = time.monotonic() + seconds
        while True:
            has_ended = self.processes[name].poll() is not None  # first: what it said before is found
            if text in self.log(name):
                return
            if has_ended or time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} in the log of {name}: {self.log(name)}")
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)

    def _write_settings(self, name: str, port: int) -> None:
        metrics = "coordinator_metrics_port" if name == COORDINATOR else "agent_metrics_port"
        deployment = {
            "port": port,
            "heartbeat_s": 120,
            "retry_max_s": 1,
            "poll_s": 0.1,
            "task_interval_s": 0.5,
            metrics: self.metrics_ports[name],
        }
        data = {"source": "files", "files": ["readings.csv"], "day_start_utc": self.day_start_utc}
        if self.weather is not None:
            data["weather"] = "../weather.csv"
        settings = {
            "community": {"name": "Deployed on loopback"},
            "data": data,
            "forecasting": dict(self.forecasting),
            "federation": {"min_homes": len(self.homes), **self._secure, **self.federation, "deployment": deployment},
        }
        if name in self.handing_in:
            settings["gateway"] = {"api_url": f"http://127.0.0.1:{self._api_port}", "retry_max_s": 2}
        folder = self.folder / name
        folder.mkdir(parents=True)
        share_cache(folder)
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    @property
    def _secure(self) -> dict[str, Any]:
        roster = str(self.folder / "roster.json")
        return {"secure_aggregation": {"enabled": True, "roster": roster}, "evaluate_every": 0} if self.secure else {}

    def _write_server_settings(self) -> None:
        """The coordinator's settings, and whose forecasts are taken."""
        folder = self.folder / COORDINATOR
        settings = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
        settings["data"] = {k: v for k, v in settings["data"].items() if k != "files"} | {"source": "none"}
        printed = [self.run(self.folder / home, "identity", home, "-c", "settings.yaml") for home in self.handing_in]
        settings["community"]["members"] = [member for text in printed for member in yaml.safe_load(text)]
        settings["api"] = {"port": self._api_port}
        (folder / "server.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _hand_over(self, home: str) -> None:
        """What a gateway is given: its readings, the community's certificate, its own key."""
        mine = self.readings[self.readings["unique_id"] == home].reset_index(drop=True)
        write_table(mine, self.folder / home / "readings.csv")
        theirs, ours = self.folder / COORDINATOR / "keys", self.folder / home / "keys"
        (ours / "agents").mkdir(parents=True)
        (ours / "authority.pem").write_bytes((theirs / "authority.pem").read_bytes())
        (theirs / "agents" / f"{home}.key").rename(ours / "agents" / f"{home}.key")
