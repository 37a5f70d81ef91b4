"""A household answers a challenge of its forecast by itself, where the server does not; a stranger challenges it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.cli.main import app
from api.config.community_yaml import Config
from api.config.logs import set_up
from api.config.settings import ApiSettings, GatewaySettings
from api.gateway import answers
from api.gateway.answers import SERVER_FIRST_S, Answers, open_answers
from api.gateway.jobs import Isolated
from api.one_machine.day import register
from api.operator.challenges import Answerer, register_features
from fl.deployment.training_process import TrainingProcess
from rewards.challenges import challenge_of
from rewards.errors import ChainError
from tests.api.conftest import DAY, Village
from tests.rewards.conftest import account
from tests.rewards.json_rpc import json_rpc
from tests.support.commands import CliRunner


@dataclass
class Doubted:
    """A home whose forecast is registered, at a chain that its own node tells of."""

    village: Village
    url: str
    folder: Path

    @property
    def household(self) -> str:
        return str(self.village.homes[0].wallet.address)

    @property
    def config(self) -> Config:
        contracts = self.village.chain_session.contracts
        assert contracts.challenges is not None
        gateway = GatewaySettings.model_validate({
            "rpc_url": self.url, "forecast_registry": str(contracts.forecast_registry.address),
            "challenges": str(contracts.challenges.address),
        })  # fmt: skip
        return self.village.community.config.model_copy(update={"gateway": gateway})

    def answers(self) -> Answers:
        name = self.village.homes[0].name
        idle = TrainingProcess(name, set_up)  # type: ignore[arg-type]  # the answer's call is made in a process beside it
        found = open_answers(self.config, name, Isolated(idle, "INFO"))
        assert found is not None
        return found

    def challenge(self, *options: str, key: int = 9, day: int = DAY, asked: str = "") -> tuple[int, str]:
        """`wattproof challenge`: its exit code and what it says."""
        path, addresses = self.folder / "key", self.folder / "contracts.json"
        path.write_text(key.to_bytes(32, "big").hex())
        addresses.write_bytes(self.village.chain_session.contracts.addresses.to_json())
        command = [
            "challenge", self.household, str(day), "--rpc-url", self.url, "--contracts", str(addresses),
            "--key-file", str(path), *options,
        ]  # fmt: skip
        self.village.chain_session.chain.fund(account(key).address)
        done = CliRunner().invoke(app, command, input=asked)
        if isinstance(done.exception, ChainError):
            return 1, str(done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, " ".join(done.output.split())

    def balance(self, of: str) -> int:
        return int(self.village.chain_session.chain.web3.eth.get_balance(of))  # type: ignore[arg-type]

    def pass_time(self, seconds: int) -> None:
        """The chain has a block of then: a node tells its latest block's time."""
        chain = self.village.chain_session.chain
        chain.advance_to(chain.now + seconds)
        chain.tester.mine_block()
        chain.reset_clock(chain.now + 1)


@pytest.fixture
def doubted(village: Village, tmp_path: Path) -> Iterator[Doubted]:
    register_features(village.community, village.chain_session, DAY)
    register(village.community, village.chain_session, village.homes[0], village.bundle(village.homes[0]))
    with json_rpc(village.chain_session.chain) as url:
        yield Doubted(village, url, tmp_path)


@pytest.mark.process
def test_a_household_answers_where_the_server_does_not(doubted: Doubted, caplog: pytest.LogCaptureFixture) -> None:
    """The attack: a server that withholds the bundle, in league with a challenger, to void somebody's forecast."""
    caplog.set_level(logging.INFO)
    contracts, own = doubted.village.chain_session.contracts, doubted.answers()
    own.look()
    code, said = doubted.challenge("--yes")
    assert code == 0, said
    own.look()
    found = challenge_of(contracts, doubted.household, DAY)
    assert found is not None and not found.answered, "the server has an hour"
    doubted.pass_time(SERVER_FIRST_S)
    before = doubted.balance(doubted.household)
    own.look()
    found = challenge_of(contracts, doubted.household, DAY)
    assert found is not None and found.answered
    assert doubted.balance(doubted.household) > before, "the bond is more than the gas"
    own.look()
    assert [r.getMessage() for r in caplog.records if r.name == answers.__name__] == ["challenge answered"]
    code, said = doubted.challenge("--yes")
    assert code == 1 and "answered by its proof" in said


def test_a_household_leaves_the_answer_to_a_server_that_answers(doubted: Doubted) -> None:
    code, said = doubted.challenge("--yes")
    assert code == 0, said
    Answerer(doubted.village.community, doubted.village.chain_session).look()
    doubted.pass_time(SERVER_FIRST_S)
    before = doubted.balance(doubted.household)
    doubted.answers().look()
    assert doubted.balance(doubted.household) == before, "it sends nothing"


def test_a_household_that_is_offline_for_the_window_loses_the_forecast(
    doubted: Doubted, caplog: pytest.LogCaptureFixture
) -> None:
    code, said = doubted.challenge("--yes")
    assert code == 0, said
    code, said = doubted.challenge("--close")
    assert code == 1 and "not answered yet" in said
    doubted.pass_time(3 * 86_400 + 1)
    own = doubted.answers()
    for _ in range(2):
        own.look()
    assert [r.getMessage() for r in caplog.records if r.name == answers.__name__] == ["forecast void"]
    before = doubted.balance(account(9).address)
    code, said = doubted.challenge("--close", key=8)
    assert code == 0 and said.startswith("The bond of 0.01 is back"), said
    assert doubted.balance(account(9).address) == before + 10**16
    code, said = doubted.challenge("--close", key=8)
    assert code == 1 and "is paid back" in said


def test_the_bond_is_named_and_asked_for(doubted: Doubted) -> None:
    before = doubted.balance(account(9).address)
    code, said = doubted.challenge(asked="n\n")
    assert code == 1 and "bond of 0.01 of the chain's coin" in said and doubted.household in said
    assert challenge_of(doubted.village.chain_session.contracts, doubted.household, DAY) is None
    assert doubted.balance(account(9).address) in (before, 10**20), "nothing is spent"
    code, said = doubted.challenge(asked="y\n")
    assert code == 0 and "Its proof can be brought until" in said


def test_what_cannot_be_challenged_is_said_before_it_costs_anything(doubted: Doubted) -> None:
    code, said = doubted.challenge("--yes", day=DAY + 1)
    assert code == 1 and "has registered no forecast of that day" in said
    code, said = doubted.challenge("--yes", "--max-fee", "0.000000001")
    assert code == 1 and "a transaction may cost 1000000000" in said
    code, said = doubted.challenge("--close")
    assert code == 1 and "Nobody has challenged" in said


def test_a_node_that_is_away_is_logged_once(doubted: Doubted, caplog: pytest.LogCaptureFixture) -> None:
    own = doubted.answers()
    doubted.url = "http://127.0.0.1:9"
    own = doubted.answers()
    for _ in range(2):
        own._next = 0.0
        own.run_once()
    (told,) = [r for r in caplog.records if r.name == answers.__name__]
    assert told.getMessage() == "challenges not looked at" and "gateway.rpc_url" in str(told.reason)  # type: ignore[attr-defined]


def test_an_address_for_challenges_needs_a_node() -> None:
    with pytest.raises(ValueError, match=r"gateway\.challenges needs gateway\.rpc_url"):
        GatewaySettings.model_validate({"challenges": account(9).address})


class Stuck:
    """What a node tells of an account of which a transaction is in no block, and none ever is."""

    is_sending, mined = True, 3


def test_a_transaction_that_is_stuck_is_waited_for_and_then_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once: it may be the registration of a forecast."""
    node = Stuck()
    own = Answers("a", "0x" + 40 * "0", ApiSettings(), node, None, 0)  # type: ignore[arg-type]
    assert own._is_waiting()
    monkeypatch.setattr(answers, "STUCK_S", 0)
    assert not own._is_waiting()
    monkeypatch.undo()
    assert own._is_waiting()
    node.mined = 4
    assert own._is_waiting(), "another one waits now"
    node.is_sending = False
    assert not own._is_waiting()
