"""A community whose state an older release wrote goes on with this one, as docs/upgrade.md says.

`states/before_green_shares.tar.xz` was written by processes of this project as it was before it had green shares
(database 0002, eight contracts): a server, and a gateway that had forecast, registered and claimed a day.

`states/coordinator_of_adam.tar.xz` is of the same release (commit 5a3cdf6): a coordinator that trained three homes
under masks with distributed privacy. It was killed when it had saved the third of four rounds, the first of two of
gradients, and not yet published it. The state has the rounds, the moments of Adam, the ledger of privacy and the open
sums; the homes have ledgers and records of their own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from api.operator.community import CONTRACTS, OLD_CONTRACTS
from api.protocol.bundle import parse, verify
from bench.deployed import COORDINATOR, Deployed
from data.atomic import write_bytes
from fl.store import RoundStore
from fl.weights import load
from tests.api.gateway.test_agent import START, made_up_readings
from tests.api.http_fixture import ENVIRONMENT, GATEWAY, HOME, SERVER, HttpFixture
from tests.support.commands import output, output_in
from tests.support.forked import forked
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.process
STATE = Path(__file__).parent / "states" / "before_green_shares.tar.xz"
TRAINING = STATE.with_name("coordinator_of_adam.tar.xz")
HOMES = ("elm-1", "elm-2", "elm-3")
DAY = 20_500  # forecast and claimed; the one after it is forecast


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[HttpFixture]:
    made = HttpFixture(tmp_path, DAY)
    shutil.rmtree(made.state)
    with tarfile.open(STATE) as archive:
        archive.extractall(tmp_path, filter="data")
    made.member = yaml.safe_load(output("identity", HOME, "-c", str(tmp_path / GATEWAY / "settings.yaml")))
    made.write_server()
    write_bytes(tmp_path / SERVER / "clock", str((DAY + 1) * 86_400 + 60).encode())
    yield made
    made.stop()


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_state_of_an_older_release_is_refused_with_what_to_do_and_goes_on_once_it_is_done(
    deployment: HttpFixture,
) -> None:
    settings = str(deployment.folder / SERVER / "settings.yaml")
    state = deployment.folder / SERVER / "state"
    household = deployment.member[0]["household"]
    contracts = (state / CONTRACTS).read_bytes()
    kept = digests(deployment.state / "proofs") | digests(deployment.state / "claims")
    claimed = deployment.proof(DAY)

    log = deployment.folder / "refused"
    assert forked(["serve", "-c", settings], deployment.folder / SERVER, log, ENVIRONMENT).wait(LIMIT_S) == 1
    assert "run `wattproof migrate`" in " ".join(log.read_text().split())
    assert (state / CONTRACTS).read_bytes() == contracts, "a refusal changes nothing"

    said = " ".join(output("migrate", "-c", settings).split())
    assert "The model of round 1 is now round 2" in said and "deploys this release's" in said
    assert "What was not final there yet" in said, "and nothing is sent to these contracts that was made for others"
    assert (state / OLD_CONTRACTS).read_bytes() == contracts
    assert "There is nothing to do." in output("migrate", "-c", settings)

    deployment.serve()
    deployment.start_gateway()
    deployment.measure(DAY + 1)
    deployment.wait(GATEWAY, "not submitted yet", kind="forecast", day=DAY + 2, code="other-chain")
    deployment.end(GATEWAY, signal.SIGTERM)  # the manager tells the household where the contracts are now
    (deployment.state / "pinned.json").unlink()
    chain_id = deployment.ask(f"/households/{household}/signing")["chain_id"]
    registry = json.loads((state / CONTRACTS).read_text())["forecast_registry"]
    deployment.write_gateway(chain_id=chain_id, forecast_registry=registry)
    deployment.start_gateway()
    deployment.wait(GATEWAY, "submitted", kind="forecast", day=DAY + 2)
    assert deployment.proof(DAY + 2).context.round == 2
    assert [one["household"] for one in deployment.ask(f"/forecasts/{DAY + 2}")] == [household]
    assert [one["commitment"] for one in deployment.ask(f"/forecasts/{DAY}")] == [claimed.forecast], "what was stays"
    assert [one["household"] for one in deployment.ask(f"/claims/{DAY}")] == [household]
    assert kept.items() <= (digests(deployment.state / "proofs") | digests(deployment.state / "claims")).items()
    assert not deployment.logged(SERVER, "not on the chain yet")


def test_what_an_older_gateway_proved_is_checked_by_this_release(tmp_path: Path) -> None:
    """A gateway that is not upgraded yet submits such bundles to a server that is."""
    with tarfile.open(STATE) as archive:
        archive.extractall(tmp_path, filter="data")
    bundles = sorted((tmp_path / GATEWAY / "state").glob(f"*/[0-9]*/{HOME}.json"))
    assert [path.parts[-3:-1] for path in bundles] == [
        ("claims", str(DAY)),
        *(("proofs", str(DAY + k)) for k in (0, 1)),
    ]
    for path in bundles:
        verify(parse(path.read_bytes()))


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Deployed]:
    """The settings of that training, and the median that a community which has begun goes on without."""
    federation = {
        "rounds": 4, "strategy": {"local_rounds": 2, "weighting": "equal"}, "local": {"epochs": 1},
        "privacy": {"mode": "distributed"},
    }  # fmt: skip
    made = Deployed(
        tmp_path, made_up_readings(HOMES, 40), None, federation, {"model": {"hidden": 4, "median_share": 0}},
        day_start_utc=START % 86_400 // 3600, secure=True, run=output_in, begin=forked,
    )  # fmt: skip
    with tarfile.open(TRAINING) as archive:
        archive.extractall(tmp_path, filter="data")
    for home in HOMES:  # nothing is forecast, once there is a model: this is of the training
        path = tmp_path / home / "settings.yaml"
        path.write_text(path.read_text().replace("task_interval_s: 0.5", "task_interval_s: 3600"))
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait(LIMIT_S)


def releases(ledger: Path) -> list[dict[str, object]]:
    return list(json.loads(ledger.read_text())["releases"])


def test_a_training_that_an_older_release_began_is_ended_by_this_one(training: Deployed) -> None:
    rounds = training.state(COORDINATOR) / "rounds"
    own = {home: training.state(home) / "homes" / home for home in HOMES}
    ledgers = [rounds / "privacy.json", *(folder / "privacy.json" for folder in own.values())]
    spent = {path: releases(path) for path in ledgers}
    records = {home: (folder / "sums.jsonl").read_bytes() for home, folder in own.items()}
    before, moments = load(rounds / "0003" / "weights.npz"), load(rounds / "0003" / "moments.npz")
    assert not (rounds / "0003" / "published").exists()
    assert not any(name.startswith("basis/") for name in moments), "of Adam"

    for name in (COORDINATOR, *HOMES):
        training.start(name)
    assert training.processes[COORDINATOR].wait(LIMIT_S) == 0, training.log(COORDINATOR)
    assert '"resuming", "round": 3' in training.log(COORDINATOR)
    assert (rounds / "0003" / "published").exists()
    last = RoundStore(rounds).load(4)
    assert last.published and last.report.participants == HOMES and last.report.left_out == {}
    assert all(np.isfinite(value).all() for value in last.weights.values())
    assert any(not np.array_equal(last.weights[name], before[name]) for name in before)
    assert moments.keys() < last.moments.keys() and any(name.startswith("basis/") for name in last.moments)
    assert all(releases(path)[:-1] == known for path, known in spent.items()), "what was spent stays spent"
    assert {len(releases(path)) for path in ledgers} == {4}
    assert all((own[home] / "sums.jsonl").read_bytes().startswith(record) for home, record in records.items())
    assert not any("Traceback" in training.log(name) for name in training.processes)
