"""A community of gateways on recorded time: one command writes it, one runs it, and days pass in minutes."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from api.cli.main import app
from api.cli.replay_news import News
from api.config.community_yaml import ConfigError, load
from api.one_machine.replay import SERVER, SETTINGS, Replay, parts_of
from bench.deployed import ROOT, share_cache, wattproof
from bench.ports import free_port
from data.citylearn import CommunityData
from data.community import neutral_weather
from data.day import DayClock
from data.table import long_table, read_table
from tests.support.commands import CliRunner
from tests.support.processes import children_of, gone
from tests.support.waiting import LIMIT_S, ended, until

FIRST, HOMES, DAYS = date(2017, 5, 1), 4, 60
BEGINS = pd.Timestamp("2017-05-01T20:00:00Z")


def made_up() -> CommunityData:
    ds = pd.date_range(BEGINS.floor("D") - pd.Timedelta(days=DAYS), periods=(DAYS + 30) * 24, freq="h", unit="ns")
    random = np.random.default_rng(4)
    shape = 1.5 + np.sin(np.arange(len(ds)) / 3.8) + random.uniform(0, 1, len(ds))
    levels = random.uniform(300, 900, HOMES)
    tables = [long_table(f"home-{k:02d}", ds, (level * shape).astype(int)) for k, level in enumerate(levels, start=1)]
    return CommunityData(pd.concat(tables, ignore_index=True), neutral_weather(ds[0], ds[-1]))


def small(folder: Path, *, day_minutes: float) -> int:
    """Write a community whose model is small, on ports of its own; the server's port."""
    api, coordinator = free_port(), free_port()
    Replay(HOMES, FIRST, day_minutes, api_url=f"http://127.0.0.1:{api}").write(folder, made_up())
    for path in folder.glob(f"*/{SETTINGS}"):
        settings = yaml.safe_load(path.read_text())
        settings["forecasting"] = {"model": {"hidden": 4}, "personal_epochs": 1}
        settings["federation"]["one_shot"] = {"fewest_days": 5}
        settings["federation"]["deployment"] |= {"port": coordinator, "poll_s": 0.2}
        settings["rewards"]["grace_seconds"] = 86_400
        path.write_text(yaml.safe_dump(settings))
    return api


def test_each_part_has_what_is_its_own_and_no_more(tmp_path: Path) -> None:
    Replay(HOMES, FIRST, 3).write(tmp_path / "tried", made_up())
    parts = parts_of(tmp_path / "tried")
    assert sorted(parts) == ["home-01", "home-02", "home-03", "home-04", SERVER]
    assert not list((tmp_path / "tried" / SERVER).rglob("*.key.*")) and not list(
        tmp_path.rglob("server/**/home-*.key")
    )
    for name in (name for name in parts if name != SERVER):
        own = tmp_path / "tried" / name
        assert [path.name for path in own.rglob("keys/agents/*")] == [f"{name}.key"]
        known, arrived = read_table(own / "recorded.csv"), read_table(own / "readings.csv")
        assert set(known["unique_id"]) == {name} == set(arrived["unique_id"])
        assert arrived["ds"].max() < BEGINS < known["ds"].max(), "what is ahead has not arrived"
        assert parts[name].gateway.fewest_in_total == 3
    members = {one.home: one for one in parts[SERVER].community.members}
    assert sorted(members) == sorted(set(parts) - {SERVER})


def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    with pytest.raises(ConfigError, match="is not empty"):
        Replay(HOMES, FIRST, 3).write(tmp_path / "mine", made_up())
    with pytest.raises(ConfigError, match="the recorded days that can be replayed are"):
        Replay(HOMES, date(2019, 1, 1), 3).write(tmp_path / "late", made_up())
    for homes in (3, 9):
        with pytest.raises(ConfigError, match=f"{homes} homes: choose 4 to 4"):
            Replay(homes, FIRST, 3).write(tmp_path / "few", made_up())
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "file"]
    done = CliRunner().invoke(app, ["replay", "run", str(tmp_path / "mine")])
    assert isinstance(done.exception, ConfigError) and "wattproof replay init" in str(done.exception)


def test_writing_that_fails_midway_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as disk, pytest.raises(OSError, match="No space left"):
        disk.setattr("api.one_machine.replay.write_weather", full)  # the homes are written by then
        Replay(HOMES, FIRST, 3).write(tmp_path / "tried", made_up())
    assert list((tmp_path / "tried").iterdir()) == []
    names = Replay(HOMES, FIRST, 3).write(tmp_path / "tried", made_up())
    assert sorted(path.name for path in (tmp_path / "tried").iterdir()) == [*names, SERVER]


def test_a_server_in_another_place_listens_to_all(tmp_path: Path) -> None:
    Replay(HOMES, FIRST, 3, "coordinator", "https://proxy", "postgresql://a:b@db/c").write(tmp_path, made_up())
    server = load(tmp_path / SERVER / SETTINGS)
    assert (server.api.host, server.federation.deployment.bind) == ("0.0.0.0", "0.0.0.0")
    assert server.api.database_url is not None and (tmp_path / SERVER / SETTINGS).stat().st_mode & 0o077 == 0
    assert load(tmp_path / "home-01" / SETTINGS).gateway.api_url == "https://proxy"


@pytest.mark.process
def test_a_day_passes_in_minutes_with_every_home_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "tried"
    port = small(folder, day_minutes=2)
    share_cache(tmp_path)

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    def logs() -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in (folder / "logs").glob("*.log"))

    def whole_day() -> int | None:
        assert running.poll() is None, logs()
        return next((day for day in days if len(ask(f"/forecasts/{day}") or ()) == HOMES), None)

    first = int(BEGINS.timestamp()) // 86_400 + 1
    days = range(first, first + 6)
    with (tmp_path / "run.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "wattproof", "replay", "run", str(folder)], cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            day = until(whole_day, logs)
            told = wattproof(folder / "home-01", "days", "-c", "../server/settings.yaml")
            assert f"day {day}  {HOMES} forecasts" in told
            now = ask("/health")["chain_time"]
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(600) == 143, logs()
    assert now >= day * 86_400 + 8 * 3600, "a day is forecast once it has begun"
    arrived = read_table(folder / "home-01" / "readings.csv")["ds"].max().timestamp()
    assert day * 86_400 <= arrived + 3600 - 8 * 3600 <= now


def test_what_happens_is_told_in_sentences_and_a_slow_machine_once(tmp_path: Path) -> None:
    day = DayClock(8).day_on(date(2017, 5, 2))
    (log := tmp_path / "home-01.log").write_text(_record("submitter", "submitted", kind="claim", day=1))
    news = News(tmp_path, DayClock(8))
    late = {"kind": "forecast", "day": day, "code": "late-forecast", "reason": "the deadline has passed"}
    with log.open("a", encoding="utf-8") as file:
        file.write(_record("submitter", "submitted", kind="forecast", day=day) + "no JSON\n")
        file.write(_record("submitter", "refused", **late) * 2 + '{"half')
    told = list(news.look())
    assert told[:2] == [
        "home-01: its forecast of 2017-05-02 was taken",
        "home-01: forecast of 2017-05-02 refused: the deadline has passed",
    ]
    assert "--day-minutes" in told[2] and len(told) == 4 and list(news.look()) == []


def _record(logger: str, message: str, **fields: object) -> str:
    return json.dumps({"logger": f"api.gateway.{logger}", "message": message} | fields) + "\n"


@pytest.mark.process
def test_no_part_outlives_a_replay_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """Killed, it left server and gateways running, in whose way the next one then was."""
    folder = tmp_path / "tried"
    port = small(folder, day_minutes=1440)
    share_cache(tmp_path)

    def started() -> subprocess.Popen[str]:
        """A replay whose parts are there and listen for the end."""
        running = subprocess.Popen(
            [sys.executable, "-m", "wattproof", "replay", "run", str(folder)], cwd=tmp_path, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        until(lambda: listens(port), "the server", lambda: ended({"replay": running}))
        return running

    running = started()
    parts = children_of(running.pid)
    running.kill()
    running.communicate(timeout=LIMIT_S)
    assert len(parts) == 2 + HOMES
    for part in parts:
        until(partial(gone, part), "a part is left")
    running = started()
    parts = children_of(running.pid)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    told, _ = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130 and "Stopping: server and gateways" in told and told.endswith("Stopped.\n")
    assert "Traceback" not in told and all(gone(part) for part in parts)


def listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.process
def test_a_part_that_ends_says_why_in_the_console(tmp_path: Path) -> None:
    port = small(tmp_path / "tried", day_minutes=1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(subprocess.CalledProcessError) as ended:
        wattproof(tmp_path, "replay", "run", "tried")
    assert ended.value.returncode == 1 and "server ended" in ended.value.stdout
    assert f"port {port}: another program is listening" in ended.value.stdout and "--api-url" in ended.value.stdout
