"""What the tests of the federation share: a few homes with made-up readings, and a deployment of real processes."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from data.atomic import write_bytes
from data.features import DAY_FEATURES, STEP_FEATURES
from data.windows import Windows
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from tests.support.forked import Forked
from tests.support.waiting import LIMIT_S, Found, ended, until

ROOT = Path(__file__).parents[2]
HOMES = ("home-a", "home-b", "home-c", "home-d")
ROUND_S = 600
"""`round_timeout_s`: it passes when a test lets it."""


def made_up_windows(homes: tuple[str, ...], days: int, seed: int = 0) -> Windows:
    """Windows of homes with a daily and a weekly rhythm, each at its own level, and noise; features are noise."""
    generator = np.random.default_rng(seed)
    n = len(homes) * days
    level = np.repeat(generator.uniform(300, 1500, len(homes)), days)[:, None]
    hours = np.arange(192)
    load = level * (2.2 + np.sin(2 * np.pi * hours / 24) + np.sin(2 * np.pi * hours / 168)) + generator.uniform(
        0, 200, (n, 192)
    )
    return Windows(
        unique_id=np.repeat(np.array(homes), days),
        day=np.tile(np.arange(days, dtype=np.int64), len(homes)),
        history=load[:, :168].astype(np.int64),
        steps=generator.uniform(-1, 1, (n, 24, len(STEP_FEATURES))).astype(np.float32),
        exogenous=generator.uniform(-1, 1, (n, DAY_FEATURES)).astype(np.float32),
        target=load[:, 168:].astype(np.int64),
        shift=np.zeros(n, dtype=np.int64),
    )


@dataclass
class Deployment:
    """One coordinator and its agents as processes on loopback, with keys of their own."""

    folder: Path
    settings: FederationSettings
    processes: dict[str, Forked] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)

    @property
    def store(self) -> RoundStore:
        return RoundStore(self.folder / "rounds")

    def start_coordinator(self, **changes: Any) -> None:
        settings = self._write("coordinator", changes)
        self._start("coordinator", "coordinator", str(settings), str(self.folder / "rounds"), str(self._time))

    def start_earlier_coordinator(self, **changes: Any) -> None:
        """One that, as in earlier releases, neither tells nor asks for a number (`fl.deployment.wire`)."""
        settings = self._write("coordinator", changes)
        arguments = (str(settings), str(self.folder / "rounds"), str(self._time))
        self._start("coordinator", "earlier_release", "coordinator", *arguments)

    def start_earlier_agent(self, home: str) -> None:
        """The same for an agent; its log has the fields of each record."""
        settings = self._write(home, {})
        self._start(home, "earlier_release", "agent", str(settings), str(self.folder / "homes"), home, "0")

    def start_one_shot(self, homes: int) -> None:
        """A coordinator of a one-shot training, which begins once so many homes are there."""
        settings, rounds = self._write("coordinator", {}), self.folder / "rounds"
        self._start("coordinator", "one_shot_coordinator", str(settings), str(rounds), str(self._time), str(homes))

    def start_prying_coordinator(self, *kinds: str) -> Path:
        """One that asks homes for messages of these types, once `min_homes` are there; what came back, as JSON."""
        out = self.folder / "told.json"
        self._start("coordinator", "prying_coordinator", str(self._write("coordinator", {})), str(out), *kinds)
        return out

    def start_cheating_coordinator(self, *attacks: str) -> Path:
        """One that cheats in masked sums, once `min_homes` are there; what came back, as JSON."""
        out = self.folder / "cheated.json"
        self._start("coordinator", "cheating_coordinator", str(self._write("coordinator", {})), str(out), *attacks)
        return out

    def start_agent(self, home: str, seconds: float = 0.0, **deployment: Any) -> None:
        settings = self._write(home, {"deployment": deployment} if deployment else {})
        self._start(home, "agent", str(settings), str(self.folder / "homes"), home, str(seconds))

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal; the process is waited for unless it only sleeps."""
        process = self.processes[name]
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self.killed.add(name)
        process.send_signal(number)
        if name in self.killed:
            process.wait(LIMIT_S)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def hold(self, home: str) -> int:
        """Stop the home in its next training; the round of it. It goes on when it is let go."""
        before = len(self.log(home))
        self.prepare_hold(home)
        return self.held(home, before)

    def prepare_hold(self, home: str) -> None:
        """Have the home stop in its next training, also before it is started."""
        self._hold(home).touch()

    def held(self, home: str, since: int = 0) -> int:
        """The round that the home has been stopped in, once it has, by its log from a place on."""
        held = self.until(lambda: re.search(r"held in round (\d+)", self.log(home)[since:]), lambda: self.log(home))
        return int(held[1])

    def let_go(self, home: str) -> None:
        self._hold(home).unlink()

    @contextmanager
    def paused(self, home: str) -> Iterator[None]:
        """No round ends while the block runs, for the home is held in one: what it waits for costs no rounds."""
        self.hold(home)
        yield
        self.let_go(home)

    def join(self, home: str, held: str, **agent: Any) -> None:
        """Start the home's agent in the middle of a round, in which another home is held until it is ready."""
        before = len(self.log(home)) if home in self.processes else 0
        with self.paused(held):
            self.start_agent(home, **agent)
            self.until(lambda: "agent ready" in self.log(home)[before:], lambda: f"{home} is ready: {self.log(home)}")

    def run_out(self, number: int, *others: str) -> None:
        """A round's time is over, once the other homes asked in it have answered."""
        for home in others:
            self.until(partial(self._has_answered, home, number), f"{home} answers in round {number}")
        passed = float(self._time.read_text()) if self._time.exists() else 0.0
        write_bytes(self._time, str(passed + ROUND_S + 1).encode())

    def _has_answered(self, home: str, number: int) -> bool:
        _, *since = re.split(rf"training round {number}\b", self.log(home))
        return bool(since) and "reply sent" in since[-1]

    def wait_for_round(self, number: int) -> RoundReport:
        return self._wait_for_report(number, lambda report: report.round == number, f"round {number}")

    def wait_for_round_of(self, *homes: str) -> RoundReport:
        """The first round from the one being trained now on in which exactly these homes take part."""
        wanted = set(homes)
        return self._wait_for_report(
            self.next_round, lambda report: set(report.participants) == wanted, f"a round of {homes}"
        )

    @property
    def next_round(self) -> int:
        """The round being trained now."""
        return (self.store.rounds() or [0])[-1] + 1

    def _wait_for_report(self, first: int, wanted: Callable[[RoundReport], bool], what: str) -> RoundReport:
        def saved() -> RoundReport | None:
            code = self.processes["coordinator"].poll()  # first: what it saved before it ended is found
            reports = (self.store.report(number) for number in self.store.rounds() if number >= first)
            if found := next((report for report in reports if wanted(report)), None):
                return found
            assert code is None, f"the coordinator has ended with {code}: {self.log('coordinator')}"
            return None

        return self.until(saved, lambda: f"{what}: {self.log('coordinator')}")

    def wait_for_log(self, name: str, text: str) -> None:
        self.until(lambda: text in self.log(name), lambda: f"{text!r} in the log of {name}: {self.log(name)}")

    def until(self, get: Callable[[], Found | None], what: Callable[[], str] | str) -> Found:
        """`waiting.until`, which fails as soon as a process has ended that the test has not killed."""
        running = {name: process for name, process in self.processes.items() if name not in self.killed}
        return until(get, what, lambda: ended(running, by_itself=["coordinator"]))

    def metrics(self, port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT_S) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(LIMIT_S)

    @property
    def _time(self) -> Path:
        return self.folder / "round-time"

    def _hold(self, home: str) -> Path:
        return self.folder / "homes" / f"{home}.hold"

    def _write(self, name: str, changes: dict[str, Any]) -> Path:
        values = self.settings.model_dump(mode="json")
        for key, change in changes.items():
            values[key] = values[key] | change if isinstance(change, dict) else change
        path = self.folder / f"{name}.json"
        path.write_text(FederationSettings.model_validate(values).model_dump_json())
        return path

    def _start(self, name: str, script: str, *arguments: str) -> None:
        """Start a script of `tests.fl.processes`."""
        log = self.folder / f"{name}.log"
        self.killed.discard(name)
        self.processes[name] = Forked(partial(_run, script, *arguments), [script, *arguments], ROOT, log, {})


def _run(script: str, *arguments: str) -> None:
    import_module(f"tests.fl.processes.{script}").main(*arguments)
