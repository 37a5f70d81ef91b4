"""What the server does by itself when it starts and runs: enrol, publish a training, serve what a gateway needs."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

from api.operator.chain_session import ChainSession, publish_digest
from api.operator.publisher import Publisher, finished_round
from fl.one_shot.kept import TRAINED
from rewards.chain import Chain
from tests.api.conftest import DAY, Village
from tests.api.http_fixture import save_round


@pytest.fixture
def rounds(village: Village) -> Iterator[Path]:
    """The community's folder with rounds up to the last but one of its training; they are gone after the test."""
    folder, last = village.community.folder, village.community.config.federation.rounds
    for number in (last - 2, last - 1):
        save_round(folder, number, seed=number)
    yield folder
    for path in sorted((folder / "rounds").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def registered(village: Village, number: int) -> bytes:
    return bytes(village.chain_session.contracts.model_registry.functions.digest_of(number).call())


def test_only_the_last_round_of_a_finished_training_is_published(village: Village, rounds: Path) -> None:
    last = village.community.config.federation.rounds
    publisher = Publisher(village.community, village.chain_session)
    publisher.look()
    assert registered(village, last - 1) == bytes(32)
    save_round(rounds, last, seed=1)
    marked = rounds / "rounds" / f"{last:04d}" / "published"
    marked.unlink()
    assert finished_round(rounds / "rounds", last) is None, "the coordinator has not finished it"
    marked.touch()
    publisher.look()
    publisher.look()
    digest = (marked.parent / "digest").read_text()
    assert registered(village, last).hex() == digest and registered(village, last - 1) == bytes(32)
    assert {"number": last, "digest": "0x" + digest} in village.client.get("/rounds").json()
    for kind in ("model", "weights"):
        served = village.client.get(f"/rounds/{last}/{kind}")
        assert served.content == (marked.parent / f"{kind}.npz").read_bytes()
    for absent in (last - 1, last + 1):
        answer = village.client.get(f"/rounds/{absent}/model")
        assert (answer.status_code, answer.json()["error"]) == (404, "no-model")


def test_a_one_shot_training_is_finished_whatever_its_round(tmp_path: Path) -> None:
    save_round(tmp_path, 1, seed=1, extra={TRAINED: 0.0})
    found = finished_round(tmp_path / "rounds", last=40)
    assert found is not None and found[0] == 1
    save_round(tmp_path, 2, seed=2)  # rounds go on from it: the model of this one is not to forecast with yet
    assert finished_round(tmp_path / "rounds", last=40) is None


def test_a_refusal_of_the_chain_is_told_once(
    village: Village, rounds: Path, caplog: pytest.LogCaptureFixture
) -> None:
    last = village.community.config.federation.rounds
    save_round(rounds, last, seed=1)
    publish_digest(village.community, village.chain_session, last, b"\x01" * 32)
    publisher = Publisher(village.community, village.chain_session)
    for _ in range(3):
        publisher.look()
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1 and "round is published" in told[0].__dict__["reason"]


def test_what_a_household_signs_for_is_told(village: Village) -> None:
    household = village.homes[0].wallet.address
    told = village.client.get(f"/households/{household}/signing").json()
    chain = village.chain_session.chain
    assert (told["chain_id"], told["nonce"]) == (chain.chain_id, chain.nonce_of(household))
    assert told["forecast_registry"] == village.chain_session.contracts.forecast_registry.address
    assert int(told["gas_price"]) == chain.gas_price


def test_a_household_that_has_left_is_not_enrolled_again_when_the_server_starts(village: Village) -> None:
    leaver, stayer = village.homes[:2]
    registry = village.chain_session.contracts.forecast_registry.functions
    village.chain_session.chain.send(leaver.wallet, registry.leave())
    village.community.enrol(village.chain_session.chain, village.chain_session.contracts)
    assert int(registry.meter_of(leaver.wallet.address).call(), 16) == 0
    assert registry.meter_of(stayer.wallet.address).call() == stayer.meter.address


def test_a_member_whose_meter_was_changed_is_enrolled_with_the_new_one(village: Village) -> None:
    home = village.homes[0]
    registry = village.chain_session.contracts.forecast_registry.functions
    tomorrow = DAY + 1
    village.chain_session.chain.send(
        village.community.operator, registry.assign_meter(home.wallet.address, home.wallet.address, tomorrow)
    )
    village.chain_session.chain.advance_to(village.community.start_of(tomorrow))
    village.community.enrol(village.chain_session.chain, village.chain_session.contracts)
    assert registry.meter_of(home.wallet.address).call() == home.meter.address
    assert registry.meter_at(home.wallet.address, tomorrow).call() == home.wallet.address


def test_households_wait_for_each_other_on_the_embedded_chain_only(village: Village) -> None:
    """On a real chain each of their transactions takes a block, and all of them have one hour."""
    embedded = ChainSession(village.chain_session.chain, village.chain_session.contracts)
    with embedded.turn:
        assert embedded.lock.locked()
    node = ChainSession(Chain(Web3()), village.chain_session.contracts)
    with node.turn, node.turn:
        assert not node.lock.locked()
