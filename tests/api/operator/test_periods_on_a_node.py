"""On a real node (anvil): whatever blocks a reorganisation takes back, a period has its root, and is paid once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from web3.contract import Contract

from api.cli.settle_commands import _publish
from api.cli.terminal import console
from api.config.community_yaml import Config
from api.config.settlement_settings import SettlementSettings
from api.operator.chain_session import ChainSession, open_chain_session
from api.operator.community import Community
from api.operator.database.tables import ProvenShare, SettledPeriod
from api.operator.open_periods import OpenPeriods
from api.operator.period_keeper import PeriodKeeper
from api.operator.settlement_payment import PAYMENTS
from api.operator.settlement_root import REGISTRY, is_published, publish_settlement, registry_address
from api.protocol import settlement_file
from api.protocol.settlement import Settlement
from data.day import DayClock
from rewards.compile import artefact
from rewards.errors import ContractsLost
from rewards.settings import RewardSettings
from rewards.settlements import root_of, settlements_at
from tests.api.conftest import small_config
from tests.api.settled import WEEK, settle_week
from tests.rewards.conftest import account
from tests.support.anvil import Anvil, anvil

pytestmark = pytest.mark.process

CLOCK = DayClock(8)
FINAL = 13
"""Blocks after which `rewards.finality_blocks` calls a transaction final."""
TREASURY = account(77)
RATE = 10**13
"""What a watt-hour is paid with on each side, for 0.02 tokens a kWh."""


@dataclass
class Street:
    """A server whose period is settled: all shares are in, nothing is on the chain."""

    community: Community
    chain_session: ChainSession
    settled: Settlement
    token: Contract

    def look(self) -> None:
        PeriodKeeper(self.community, self.chain_session).look()

    @property
    def is_final(self) -> bool:
        (period,) = OpenPeriods(self.community).all()
        return period.is_final

    @property
    def root(self) -> bytes | None:
        registry = settlements_at(self.chain_session.chain, registry_address(self.community.folder / REGISTRY))
        return root_of(registry, self.settled.period.first, self.settled.period.last)

    def paid(self) -> dict[str, int]:
        """What each household has of the token."""
        balance = self.token.functions.balanceOf
        return {household: int(balance(household).call()) for household in self.settled.period.households}

    def told_by_the_command(self) -> str:
        """What `settle --pay` says once it has settled: it publishes and pays what is missing."""
        with console.capture() as said:
            _publish(self.community.config, self.settled, self.community.config.api.settlements_dir / WEEK)
        return " ".join(said.get().split())

    def due(self) -> dict[str, int]:
        shares = self.settled.shares.items()
        return {
            household: RATE * sum(share.wh for (of, _), share in shares if of == household)
            for household in self.settled.period.households
        }


def settings(folder: Path, node: Anvil) -> Config:
    key = folder / "operator.key"
    key.write_text("11" * 32)
    rewards = RewardSettings.model_validate({"rpc_url": node.url, "key_file": key})
    rules = SettlementSettings(gateways=True, fewest_days=7)
    return small_config(folder / "state").model_copy(update={"rewards": rewards, "settlement": rules})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def node(folder: Path) -> Iterator[Anvil]:
    with anvil(folder, int(CLOCK.start_of(17_300).timestamp())) as started:
        yield started


@pytest.fixture(scope="module")
def street(folder: Path, node: Anvil) -> Street:
    config = settings(folder, node)
    settled = settle_week(config.community.name, folder / "homes", folder / "elsewhere", CLOCK)
    meters = settlement_file.read((folder / "elsewhere" / WEEK / "settlement.json").read_bytes())[1]
    community = Community(config)
    for holder in (community.operator, TREASURY):
        node.fund(holder.address)
    session = open_chain_session(community)
    chain = session.chain
    token = chain.deploy(TREASURY, artefact("reward_token"))
    chain.send(TREASURY, token.functions.propose_minter(TREASURY.address))
    chain.send(TREASURY, token.functions.mint(community.operator.address, settled.period.shared_wh * 2 * RATE))
    price = {"tokens_per_kwh": Decimal("0.02"), "token": str(token.address)}
    rules = config.settlement.model_copy(update=price)
    community.config = config.model_copy(update={"settlement": rules})
    of = settled.period
    with community.sessions.begin() as database:
        database.add(
            SettledPeriod(
                name=WEEK, first_day=of.first, last_day=of.last, members=len(of.households),
                terms=settlement_file.written(Settlement(of, {}), meters),
            )
        )  # fmt: skip
        database.flush()
        for (household, side), share in settled.shares.items():
            database.add(
                ProvenShare(period=WEEK, household=household, side=side, share_wh=share.wh, proof=share.proof)
            )
    node.ask("anvil_mine", hex(FINAL))
    return Street(community, session, settled, token)


def test_a_reorganisation_takes_back_root_and_payments_and_both_come_again_once(street: Street, node: Anvil) -> None:
    chain = street.chain_session.chain
    before = chain.block
    street.look()
    assert street.root == street.settled.root and street.paid() == street.due() and not street.is_final
    sent = chain.block - before
    address = registry_address(street.community.folder / REGISTRY)
    node.ask("anvil_reorg", sent, [])
    assert not chain.has_code(address), "with the root its registry is gone, and what was paid"
    assert sum(street.paid().values()) == 0

    street.look()
    assert street.root == street.settled.root and street.paid() == street.due()
    node.ask("anvil_reorg", 1, [])
    assert street.root == street.settled.root and sum(street.paid().values()) == 0, "the last block has the payments"
    street.look()
    assert street.paid() == street.due() and not street.is_final
    assert "It is final when 12 blocks have followed" in street.told_by_the_command()

    node.ask("anvil_mine", hex(FINAL))
    street.look()
    assert street.is_final
    block = chain.block
    street.look()
    told = street.told_by_the_command()
    assert "Paid:" in told and "It is final when" not in told
    assert chain.block == block and street.paid() == street.due(), "nothing is sent again"
    assert (street.community.config.api.settlements_dir / WEEK / PAYMENTS).exists()


def test_on_another_chain_nothing_is_deployed_anew(street: Street, tmp_path: Path) -> None:
    """A server whose settings name another node: its registry is not there, and neither are its other contracts."""
    street.look()
    address = registry_address(street.community.folder / REGISTRY)
    with anvil(tmp_path, int(CLOCK.start_of(17_300).timestamp())) as other:
        config = street.community.config
        rewards = config.rewards.model_copy(update={"rpc_url": settings(tmp_path, other).rewards.rpc_url})
        elsewhere = Community(config.model_copy(update={"rewards": rewards}))
        chain = elsewhere.open_chain()
        with pytest.raises(ContractsLost):
            publish_settlement(elsewhere, chain, street.settled)
        assert chain.block == 0 and not is_published(elsewhere, chain, street.settled)
    assert registry_address(street.community.folder / REGISTRY) == address
