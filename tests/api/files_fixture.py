"""Elm Street on disk: a gateway's folder and a community's, each with all that a day leaves there, and its secrets.

Everything is made by the commands that a person runs, but for the model, which is not trained.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api.cli.terminal import run
from api.config.community_yaml import load
from api.gateway.head_commitment import read_head_commitment, write_head_commitment
from api.gateway.home import Home
from api.gateway.outbox import Outbox, Submission
from api.gateway.personal_head import commit_head, keep_values
from api.gateway.round_model import RoundModel
from api.one_machine.community import LocalCommunity
from api.operator import training
from bench.deployed import share_cache
from data.day import DayClock
from data.table import long_table, write_table
from data.weather.table import COLUMNS as WEATHER_COLUMNS
from fl.deployment.kept_model import keep_model
from fl.store import RoundReport, RoundStore
from fl.task import initial_weights
from forecasting.shape import ModelShape
from tests.support.commands import program

HOME, OTHER, THIRD = "elm-1", "elm-2", "elm-3"
DAY, DAYS = 20_100, 30
CLOCK = DayClock(8)
PASSWORD = "kestrel93"
SETTINGS = f"""
community: {{name: Elm Street}}
data: {{source: files, files: [FILES], weather: weather.csv}}
forecasting: {{model: {{hidden: 8}}}}
federation: {{rounds: 1, deployment: {{task_interval_s: 0.05}}}}
rewards: {{clock: standing}}
gateway: {{api_url: 'https://elm:{PASSWORD}@127.0.0.1:9', roster: roster.json}}
"""


def readings(home: str, days: int) -> pd.DataFrame:
    """Hours of `days` days before and some after DAY, each of a value that nothing else here has (Wh)."""
    hours = pd.date_range(CLOCK.start_of(DAY - 20), periods=24 * days, freq="h", unit="ns")
    odd = np.random.default_rng(int(home[-1])).integers(0, 50_000, len(hours))  # worse than any forecast a week on
    return long_table(home, hours, odd.astype("int64") + 20_000)


def write_inputs(folder: Path, homes: tuple[str, ...], days: int) -> None:
    """Settings, tables of readings, and a weather feed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [f"{home}.csv" for home in homes]
    (folder / "community.yaml").write_text(SETTINGS.replace("FILES", ", ".join(files)))
    for home, name in zip(homes, files, strict=True):
        write_table(readings(home, days), folder / name)
    hours = pd.date_range(CLOCK.start_of(DAY - 20), periods=24 * (DAYS + 2), freq="h", unit="ns")
    weather = pd.DataFrame({"ds": hours, **dict.fromkeys(WEATHER_COLUMNS, 15.0)})
    weather.to_csv(folder / "weather.csv", index=False)


@dataclass(frozen=True)
class Ended:
    """A command's exit code and all that it printed."""

    code: int
    said: str


@contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    chdir(folder)
    try:
        yield
    finally:
        chdir(before)


def wattproof(folder: Path, *arguments: str, capfd: pytest.CaptureFixture[str] | None = None) -> Ended:
    """Run a command in this process, as `wattproof` in `folder` would, with its own end."""
    import gc

    with standing_in(folder), pytest.raises(SystemExit) as end:
        run(lambda: program()(list(arguments)))
    code = end.value.code
    del end
    gc.collect()  # the embedded chain's lock goes with its chain
    out, err = ("", "") if capfd is None else capfd.readouterr()
    return Ended(int(code or 0), out + err)


def make_gateway(folder: Path) -> None:
    """The gateway of HOME after it has proven DAY with a personal head, with its forecast yet to submit."""
    write_inputs(folder, (HOME,), 20)
    assert wattproof(folder, "identity", HOME).code == 0
    homes = [part for number in range(1, 8) for part in ("--home", f"elm-{number}")]
    assert wattproof(folder, "keys", *homes, "--host", "127.0.0.1").code == 0
    assert wattproof(folder, "roster", "--make").code == 0
    config = load(folder / "community.yaml")
    shape = ModelShape.of(config.forecasting.model)
    keep_model(config.api.model_dir, 1, initial_weights(shape, 7), shape)
    model, home = RoundModel.kept(config.api.model_dir), config.api.homes_dir / HOME
    keep_values(home, 1, np.ones_like(model.integer.weights.head[:, : model.integer.shape.personal_inputs]))
    note = commit_head(home, 1, model.commitment)
    assert note is not None
    write_head_commitment(home, type(note)(note.round, note.rows, note.digest, pinned_at=1))
    assert wattproof(folder, "prove", HOME, str(DAY), "--out", "proof.json").code == 0
    Outbox(config.api.outbox_dir, HOME).put(Submission("forecast", DAY, 1))
    (config.api.state_dir / "pinned.json").write_text(json.dumps([1, "0x" + "11" * 20]))
    assert read_head_commitment(home, 1) is not None


def make_community(folder: Path) -> None:
    """The community's machine, with its homes on it, after two days: one claimed, one forecast."""
    homes = (HOME, OTHER, THIRD)
    write_inputs(folder, homes, DAYS)
    share_cache(folder)
    config = load(folder / "community.yaml")
    weights = initial_weights(ModelShape.of(config.forecasting.model), 7)
    report = RoundReport(1, homes, homes, {}, 1.0, 1.0, {}, 0, 0, 1.0)
    store = RoundStore(config.api.state_dir / "rounds")
    store.bind(config.federation)
    store.save(report, weights, {})
    training.publisher(LocalCommunity(config), store, lambda _done, _total, _loss: None)(1, weights, report)
    store.mark_published(1)
    for command in (("forecast", str(DAY)), ("forecast", str(DAY + 1)), ("claim", str(DAY))):
        ended = wattproof(folder, *command)
        assert ended.code == 0, (command, ended)  # pytest shows what it printed


def copied(original: Path, to: Path) -> Path:
    """A copy of a folder, with the modes of its files."""
    return shutil.copytree(original, to, symlinks=True)


def secrets_of(folder: Path) -> set[str]:
    """What must not be shown, as it could be printed: readings, blindings and keys of both kinds, the password."""
    found = {PASSWORD}
    for table in folder.glob("elm-*.csv"):
        found |= {str(value) for value in pd.read_csv(table)["y"]}
    for home in (folder / "state" / "homes").glob("*"):
        own = Home(home.name, home)
        for day in own.vault.days(own.wallet.address):
            _, opening = own.vault.get(own.wallet.address, day)
            found |= {str(opening.blinding), hex(opening.blinding)[2:]}
        found |= {path.read_text().strip() for path in home.glob("*.key")}
        for path in home.glob("forecast-*.json"):
            found.add(str(json.loads(path.read_text())["blinding"])[2:])
        for path in home.glob("heads/*.key"):
            found |= {blinding[2:] for blinding in json.loads(path.read_text())}
    for path in [*folder.glob("keys/**/*.key"), *folder.glob("state/*.key")]:
        found |= {line for line in path.read_text().splitlines() if "-----" not in line}
    return found


def shown(secrets: set[str], said: str) -> list[str]:
    """The secrets in a text. Short ones count where they stand alone: 40217 is no part of a longer number."""
    said = re.sub(r"(127\.0\.0\.1:|\bport\W{1,4})\d+", "", said)  # a port may have the number of a reading, by chance
    tokens = set(re.findall(r"[A-Za-z0-9+/=]+", said))
    return sorted(secret for secret in secrets if secret in tokens or (len(secret) > 12 and secret in said))
