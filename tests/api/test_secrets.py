"""No secret in any output: readings, blindings, keys and passwords are planted, commands and processes fail as they
never should, and everything that they print and log is searched."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

import wattproof
from api.config.community_yaml import load
from api.gateway.home import Home
from api.gateway.proving import Job
from api.gateway.sealed import SealedForecast
from bench.ports import free_port
from data.citylearn import CommunityData
from data.meter import DayOpening
from data.windows import Windows
from fl.aggregation.strategy import Update
from tests.api.files_fixture import (
    DAY,
    HOME,
    PASSWORD,
    copied,
    make_community,
    make_gateway,
    readings,
    secrets_of,
    shown,
)
from tests.api.processes.faulty import put_faults
from tests.support.forked import Forked
from tests.support.shared import built_once
from tests.support.waiting import LIMIT_S, until


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "gateway", make_gateway)


@pytest.fixture(scope="session")
def community(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "community", make_community)


def words(secrets: set[str]) -> str:
    """What a library's message may quote: some of each kind, long and short."""
    return " ".join(sorted(secrets, key=lambda secret: (len(secret), secret))[:: max(1, len(secrets) // 40)])


def started(log: Path, secrets: set[str], fault: str, *arguments: str) -> Forked:
    """`wattproof` with a fault, in the folder of `log`, to which all its output goes."""
    environment = {"WATTPROOF_FAULT": fault, "WATTPROOF_WORDS": words(secrets)}
    return Forked(wattproof.main, ["wattproof", *arguments], log.parent, log, environment, put_faults)


@contextmanager
def running(folder: Path, secrets: set[str], fault: str, *arguments: str) -> Iterator[Path]:
    """A process with a fault, and the file that all its output goes to."""
    log = folder / "output.log"
    process = started(log, secrets, fault, *arguments)
    try:
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


FAILING = {
    "a damaged vault": ("data.vault:DayVault.days", ("prove", HOME, str(DAY + 1), "--out", "p.json")),
    "a table": ("data.community:read_table", ("prove", HOME, str(DAY + 1), "--out", "p.json")),
    "a bundle": ("api.protocol.bundle:encode", ("prove", HOME, str(DAY), "--out", "p.json")),
    "a wallet": ("api.gateway.home:household_account", ("identity", HOME)),
    "settings": ("api.config.community_yaml:parse", ("keys", "--home", HOME)),
    "a roster": ("fl.secagg.roster:Roster.read", ("roster",)),
    "a proof": ("api.cli.check_report:parse", ("verify", "proof.json")),
    "a message of a proof": ("api.protocol.explained:shown", ("show", "proof.json")),
    "an answer": ("api.audit.source:from_server", ("audit", str(DAY))),
    "a meter's export": (
        "data.importing.importer:import_file", ("data", "import", "x.csv", "--home", HOME, "--out", "y.csv")
    ),
    "an agent's start": ("api.gateway.agent:open_ledger", ("agent", HOME)),
    "a worker of an agent": ("fl.deployment.home:load_home", ("agent", HOME)),
    "a training": ("api.one_machine.training:_windows", ("train",)),
    "a coordinator": ("fl.deployment.coordinator:run_coordinator", ("coordinator",)),
    "a server's start": ("api.http.server:open_chain_session", ("serve", "--port", str(free_port()))),
}  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize("fault", list(FAILING))
def test_a_command_that_fails_as_it_never_should_shows_where_and_no_secret(
    gateway: Path, tmp_path: Path, fault: str
) -> None:
    folder, secrets = copied(gateway, tmp_path / "elm"), secrets_of(gateway)
    where, command = FAILING[fault]
    log = folder / "output.log"
    code = started(log, secrets, where, *command).wait(LIMIT_S)
    said = log.read_text()
    assert code == 1 and "ValueError" in said and "in _fault" in said, said
    assert shown(secrets, said) == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("fault", "says", "api"),
    [
        ("api.gateway.submitter:Submitter.run_once", "ValueError", True),
        ("api.gateway.jobs:prove", "ValueError", False),
        ("os:getloadavg", "api.gateway.model_updater", True),
    ],
    ids=["submitting", "proving in its own process", "nothing"],
)
def test_an_agents_log_shows_no_secret_whatever_fails_in_it(
    gateway: Path, tmp_path: Path, fault: str, says: str, api: bool
) -> None:
    """Its coordinator and its API are away; the password is in the API's address."""
    folder, secrets = copied(gateway, tmp_path / "elm"), secrets_of(gateway)
    (folder / "state" / "proofs" / str(DAY) / f"{HOME}.json").unlink()
    settings = folder / "community.yaml"
    text = settings.read_text().replace(", roster: roster.json", "")
    settings.write_text(text if api else text[: text.index("gateway:")])
    with running(folder, secrets, fault, "agent", HOME) as log:
        until(lambda: says in log.read_text(), log.read_text)
    assert shown(secrets, log.read_text()) == []


@pytest.mark.process
def test_a_server_that_fails_in_an_answer_and_in_the_background_shows_no_secret(
    community: Path, tmp_path: Path
) -> None:
    folder, secrets, port = copied(community, tmp_path / "elm"), secrets_of(community), free_port()
    settings = folder / "community.yaml"
    settings.write_text(settings.read_text() + f"api: {{port: {port}, verifiers: 1}}\n")
    address = Home(HOME, folder / "state" / "homes" / HOME).wallet.address
    in_an_answer, behind = "api.http.routes.households:holdings", "api.operator.publisher:finished_round"
    with running(folder, secrets, f"{in_an_answer} {behind}", "serve") as log:
        answer = until(partial(asked, port, f"/households/{address}/rewards"), log.read_text)
        until(lambda: all(call in log.read_text() for call in ("= holdings(", "= finished_round(")), log.read_text)
    assert "in _fault" in log.read_text() and shown(secrets, answer + log.read_text()) == []


def asked(port: int, path: str) -> str | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S).text
    except httpx.ConnectError:
        return None


def test_what_holds_readings_or_secrets_does_not_show_them_when_printed() -> None:
    table, numbers = readings(HOME, 20), np.full((1, 168), 48_213)
    windows = Windows(
        np.array([HOME]), np.array([DAY]), numbers, np.zeros((1, 24, 8), np.float32), np.zeros((1, 4), np.float32),
        numbers[:, :24], np.zeros(1, np.int64),
    )  # fmt: skip
    printed = [
        windows, CommunityData(table, table), DayOpening((48_213,) * 24, 48_213),
        SealedForecast((48_213,) * 24, 48_213),
        Update("elm-1", {"w": numbers.astype(np.float32)}, 20, {"train_loss": 1.0}),
    ]  # fmt: skip
    for thing in printed:
        assert "48213" not in repr(thing) and str(table["y"].iloc[0]) not in repr(thing), type(thing)
    assert Job.__repr__ is object.__repr__


@pytest.mark.slow
def test_settings_of_the_street_are_printed_without_the_password(gateway: Path) -> None:
    assert PASSWORD not in repr(load(gateway / "community.yaml"))
