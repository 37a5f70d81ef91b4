"""`wattproof renew-operator`: every contract obeys the new key and no other, whatever interrupts the change."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from api.cli.main import app
from api.config.community_yaml import Config
from api.operator.chain_session import open_chain_session
from api.operator.community import Community
from api.operator.export_models import export_model_registry, publish_export_model
from api.operator.operator_key import check_not_midway, renew_operator_key
from rewards.chain import Chain
from rewards.errors import ChainError, Refused
from rewards.settings import RewardSettings
from tests.api.conftest import DAY, small_config
from tests.support.anvil import Anvil, anvil
from tests.support.commands import CliRunner

pytestmark = pytest.mark.slow

OLD = bytes([17]) * 32
OWNED = 8
"""Contracts that the community below has deployed, with the registry of models of export."""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "operator.key").write_text(OLD.hex())
    return small_config(tmp_path)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Chain]]:
    """A chain on which the community has all contracts that its operator owns, but a settlement's; and its folder."""
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "operator.key").write_text(OLD.hex())
    community = Community(small_config(folder))
    chain = open_chain_session(community, DAY).chain
    publish_export_model(community, chain, 1, b"\x07" * 32)
    yield folder, chain
    chain.close()


@pytest.fixture
def chain(config: Config, deployed: tuple[Path, Chain]) -> Iterator[Chain]:
    """That chain, for a copy of its folder; what is done to it is undone."""
    folder, chain = deployed
    shutil.copytree(folder, config.api.state_dir, dirs_exist_ok=True)
    snapshot, moment = chain.tester.take_snapshot(), chain.now
    yield chain
    chain.tester.revert_to_snapshot(snapshot)
    chain.reset_clock(moment)


def owners(config: Config, chain: Chain) -> set[str]:
    community = Community(config)
    known, export = community.open_contracts(chain), export_model_registry(community, chain)
    contracts = (
        known.model_registry, known.forecast_registry, known.reward_token, known.household_nft, known.rewards,
        known.challenges, known.green_share, export,
    )  # fmt: skip
    found = {str(contract.functions.owner().call()) for contract in contracts if contract is not None}
    return found | {str(known.forecast_registry.functions.authority().call())}


def test_the_contracts_obey_the_new_key_and_no_longer_the_old_one(config: Config, chain: Chain) -> None:
    before = Account.from_key(OLD)
    renewed = renew_operator_key(Community(config), chain)
    assert renewed.before == before.address != renewed.now and len(renewed.contracts) == OWNED
    assert owners(config, chain) == {renewed.now}
    community = Community(config)
    assert community.operator.address == renewed.now
    publish_export_model(community, chain, 2, b"\x08" * 32)
    registry = community.open_contracts(chain).model_registry
    with pytest.raises(Refused):
        chain.send(before, registry.functions.publish(1, b"\x09" * 32))
    assert renewed.older_key.read_text() == OLD.hex()
    assert {path.stat().st_mode & 0o777 for path in config.api.state_dir.glob("operator*.key")} == {0o600}


@pytest.mark.parametrize("sent", [0, 1, 2, 9, 2 * OWNED, 2 * OWNED + 1])
def test_interrupted_after_any_transaction_it_goes_on_with_the_same_key(
    sent: int, config: Config, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, count = chain.send, iter(range(sent))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return send(*arguments, **options)

    monkeypatch.setattr(chain, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        renew_operator_key(Community(config), chain)
    assert Community(config).operator.address == Account.from_key(OLD).address
    (coming,) = config.api.state_dir.glob("operator-next.key")
    promised = Account.from_key(coming.read_text()).address
    monkeypatch.undo()
    if len(owners(config, chain)) > 1:  # the server would do a part of its work, and fail at the rest
        with pytest.raises(ChainError, match=r"interrupted, .* run `wattproof renew-operator` again"):
            check_not_midway(Community(config), chain)
    assert renew_operator_key(Community(config), chain).now == promised
    assert owners(config, chain) == {promised} and not coming.exists()


def test_what_a_reorganisation_takes_back_is_done_again_and_makes_no_further_key(
    config: Config, chain: Chain
) -> None:
    first = renew_operator_key(Community(config), chain)
    community, before = Community(config), Account.from_key(OLD)
    registry = community.open_contracts(chain).model_registry
    chain.send(community.operator, registry.functions.transfer_ownership(before.address))
    chain.send(before, registry.functions.accept_ownership())
    again = renew_operator_key(Community(config), chain)
    assert again.now == first.now and again.contracts == ("model_registry",)
    assert owners(config, chain) == {first.now}


def test_a_contract_of_somebody_elses_is_named_and_nothing_is_changed(config: Config, chain: Chain) -> None:
    community, stranger = Community(config), Account.from_key(bytes([99]) * 32)
    token = community.open_contracts(chain).reward_token
    chain.fund(stranger.address)
    chain.send(community.operator, token.functions.transfer_ownership(stranger.address))
    chain.send(stranger, token.functions.accept_ownership())
    with pytest.raises(ChainError, match=rf"reward_token obeys {stranger.address}.*Nothing was changed"):
        renew_operator_key(Community(config), chain)
    assert owners(config, chain) == {community.operator.address, stranger.address}
    assert [path.name for path in config.api.state_dir.glob("operator*.key")] == ["operator.key"]


def test_a_key_put_where_the_refusal_says_is_found_whatever_the_operators_file_is_called(
    config: Config, chain: Chain, tmp_path: Path
) -> None:
    (tmp_path / "elm.key").write_text("33" * 32)
    named = config.rewards.model_copy(update={"key_file": tmp_path / "elm.key"})
    wrong = config.model_copy(update={"rewards": named})
    with pytest.raises(ChainError) as refused:
        renew_operator_key(Community(wrong), chain)
    (told,) = re.findall(r"beside the operator's, as (\S+)\. Nothing", str(refused.value))
    Path(told).write_text(OLD.hex())
    renew_operator_key(Community(wrong), chain)
    assert owners(wrong, chain) == {Account.from_key("33" * 32).address}


def test_the_command_says_whom_the_contracts_obey_and_where_the_key_before_is(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "community.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json", exclude_none=True)))
    open_chain_session(Community(config), DAY).chain.close()
    done = CliRunner().invoke(app, ["renew-operator", "-c", str(path)])
    assert done.exit_code == 0
    now, before = Community(config).operator.address, Account.from_key(OLD).address
    assert f"address is {now} (before: {before})" in done.output and "forecast_registry obeys" in done.output
    assert f"operator-older-{before}.key" in done.output.replace("\n", "")


def test_before_there_are_contracts_there_is_nothing_to_hand_over(config: Config) -> None:
    chain = Community(config).open_chain(DAY)
    with pytest.raises(ChainError, match="no contracts yet"):
        renew_operator_key(Community(config), chain)
    chain.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Anvil]:
    with anvil(tmp_path, 1_600_000_000) as started:
        yield started


@pytest.mark.process
def test_on_a_node_the_new_address_needs_coins_and_a_reorganisation_loses_nothing(
    config: Config, node: Anvil, tmp_path: Path
) -> None:
    rewards = RewardSettings.model_validate({"rpc_url": node.url, "key_file": tmp_path / "operator.key"})
    config = config.model_copy(update={"rewards": rewards})
    node.fund(Account.from_key(OLD).address)
    chain = open_chain_session(Community(config)).chain
    with pytest.raises(ChainError, match=r"has no coins.*No contract was changed"):
        renew_operator_key(Community(config), chain)
    assert owners_on(config, chain) == {Account.from_key(OLD).address}
    node.fund(Account.from_key((tmp_path / "operator-next.key").read_text()).address)
    kept = node.ask("evm_snapshot")
    renewed = renew_operator_key(Community(config), chain)
    assert owners_on(config, chain) == {renewed.now}
    node.ask("evm_revert", kept)
    assert owners_on(config, chain) == {renewed.before}
    again = renew_operator_key(Community(config), chain)
    assert again.now == renewed.now and owners_on(config, chain) == {renewed.now}


def owners_on(config: Config, chain: Chain) -> set[str]:
    registry = Community(config).open_contracts(chain).forecast_registry.functions
    return {str(registry.owner().call()), str(registry.authority().call())}
