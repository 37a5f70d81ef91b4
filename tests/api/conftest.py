"""A small real community: three homes of the demo data, an untrained model with heads beside it, one proven day."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from eth_account.signers.local import LocalAccount
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Table, delete, insert, select

from api.config.community_yaml import Config
from api.config.settings import ApiSettings, CommunitySettings
from api.gateway.home import Home
from api.http.proof_checks import ProofChecker
from api.http.server import make_app
from api.one_machine import training
from api.one_machine.community import LocalCommunity
from api.one_machine.day import make_claim, pin_heads, prove_day, register
from api.one_machine.totals import open_measured, open_total
from api.operator.chain_session import ChainSession, open_chain_session, publish_round, submit_arguments
from api.operator.database.tables import Base, Household, ModelRound
from api.operator.green_hours import register_green_hours
from api.operator.paid_claims import settle
from api.operator.surplus_days import keep_day
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import Bundle, ClaimBundle, GreenBundle, InferenceBundle, verify
from api.protocol.period import Side
from api.protocol.settlement import Settlement, Share
from api.protocol.share_check import verify_shares
from api.protocol.surplus import SurplusDay
from data.settings import DataSettings
from fl.settings import FederationSettings
from forecasting.integer import IntegerModel
from forecasting.settings import ForecastingSettings, ModelSettings
from rewards.settings import RewardSettings
from tests.api.settled import NEXT_WEEK, settle_quarters, settle_week
from tests.api.sunny import Sunny, sunny_street
from tests.api.untrained import untrained_model
from tests.support.anvil import Anvil, anvil
from tests.support.documented import DocumentedClient
from tests.support.own_pool import proving_here
from tests.support.postgres import Postgres, postgres
from tests.support.shared import built_once

DAY = 17_348


class ThisProcess(ProofChecker):
    """Checks proofs where it is called: most tests start no process. (`test_busy_server` has some that do.)"""

    is_ready = True

    def check(self, bundle: Bundle) -> None:
        verify(bundle)

    def check_shares(self, terms: bytes, household: str, shares: Mapping[Side, Share]) -> None:
        verify_shares(terms, household, shares)

    def start(self) -> None:
        """There is nothing to start."""


_DESCRIBED: list[dict[str, Any]] = []


def app_of(community: LocalCommunity, chain_session: ChainSession) -> FastAPI:
    """The community's server, which starts no process. Its description, the same for all, is made once."""
    app = make_app(community, chain_session)
    app.state.work.checker = ThisProcess(1)
    if not _DESCRIBED:
        _DESCRIBED.append(app.openapi())
    app.openapi_schema = _DESCRIBED[0]
    return app


@dataclass
class Village:
    community: LocalCommunity
    chain_session: ChainSession
    trained: TrainedModel
    models: dict[str, IntegerModel]
    bundles: dict[str, InferenceBundle]
    client: TestClient
    begins: int = 0
    """The chain's last block before any test."""

    @property
    def homes(self) -> list[Home]:
        return self.community.homes

    def bundle(self, home: Home) -> InferenceBundle:
        return self.bundles[home.name]

    def transaction(self, wallet: LocalAccount, bundle: InferenceBundle) -> str:
        """A household's signed `submit`, as its agent would send it."""
        registry, web3 = self.chain_session.contracts.forecast_registry, self.chain_session.chain.web3
        data = registry.encode_abi("submit", args=submit_arguments(bundle))
        fields = {
            "to": registry.address, "data": data, "gas": 400_000, "gasPrice": self.chain_session.chain.gas_price * 2,
            "nonce": web3.eth.get_transaction_count(wallet.address), "chainId": web3.eth.chain_id, "value": 0,
        }  # fmt: skip
        return "0x" + bytes(wallet.sign_transaction(fields).raw_transaction).hex()


def small_config(folder: Path, database_url: str | None = None) -> Config:
    return Config(
        community=CommunitySettings(name="Test village"),
        data=DataSettings(source="citylearn"),
        forecasting=ForecastingSettings(model=ModelSettings(hidden=8)),
        federation=FederationSettings(num_clients=3),
        rewards=RewardSettings(clock="standing", green_hours="sun"),
        api=ApiSettings(state_dir=folder, database_url=database_url, verifiers=1),
    )


@pytest.fixture(scope="session", autouse=True)
def _proven_here() -> Iterator[None]:
    """(`api/cli/test_demo.py` has proofs made in processes.)"""
    with proving_here():
        yield


MODELS = "models.pickle"


def build(folder: Path) -> None:
    """Fit and pin the heads, and prove the day."""
    community = LocalCommunity(small_config(folder))
    trained = untrained_model(community)
    chain_session = open_chain_session(community, DAY)
    publish_round(community, chain_session, trained)
    _, models = training.personalise(community, trained, community.homes)
    (folder / MODELS).write_bytes(pickle.dumps(models))
    pin_heads(community, chain_session, trained.round)
    for _ in prove_day(community, DAY, trained):
        pass
    chain_session.chain.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Village:
    folder = built_once(tmp_path_factory, "village", build)
    community = LocalCommunity(small_config(folder))
    trained = untrained_model(community)
    chain_session = open_chain_session(community, DAY)
    models = pickle.loads((folder / MODELS).read_bytes())
    bundles = {home.name: bundle for home, bundle, _ in prove_day(community, DAY, trained)}
    client = DocumentedClient(app_of(community, chain_session))
    return Village(community, chain_session, trained, models, bundles, client, chain_session.chain.block)


@dataclass(frozen=True)
class Moment:
    """What a village's chain and database held at a time."""

    block: Any
    clock: int
    rows: dict[Table, list[dict[str, Any]]]

    @classmethod
    def now(cls, village: Village) -> Moment:
        chain = village.chain_session.chain
        with village.community.sessions() as session:
            rows = {
                table: [dict(row) for row in session.execute(select(table)).mappings()]
                for table in Base.metadata.sorted_tables
            }
        return cls(chain.tester.backend.take_snapshot(), chain.now, rows)

    def bring_back(self, village: Village) -> None:
        """Back, or forward to what has been undone. The block that was the last is played again."""
        backend = village.chain_session.chain.tester.backend
        backend.revert_to_snapshot(self.block)
        _find_blocks(backend.chain.chaindb, village.begins)
        village.chain_session.chain.reset_clock(self.clock)
        with village.community.sessions.begin() as session:
            for table in reversed(self.rows):
                session.execute(delete(table))
            for table, rows in self.rows.items():
                if rows:
                    session.execute(insert(table), rows)


def _find_blocks(chain: Any, since: int) -> None:
    """py-evm looks for blocks that are back no further than to one that still has its number, and forgets which block
    a transaction is in when another one takes that block's place. It is told both again of blocks after `since`."""
    header = chain.get_canonical_head()
    while header.block_number > since:
        chain._add_block_number_to_hash_lookup(chain.db, header)
        for index, digest in enumerate(chain.get_block_transaction_hashes(header)):
            chain._add_transaction_to_canonical_chain(chain.db, digest, header, index)
        header = chain.get_block_header_by_hash(header.parent_hash)


_Value = TypeVar("_Value")
Once = Callable[[str, Callable[[], _Value]], _Value]


@pytest.fixture(scope="session")
def known() -> dict[tuple[str, str], tuple[Moment, Any]]:
    """What has been done to the village, by what it was before: how it was left, and what was returned."""
    return {}


@pytest.fixture
def once(village: Village, known: dict[tuple[str, str], tuple[Moment, Any]]) -> Once[Any]:
    """Does what takes long, such as a proof, once from each state of the village; whoever asks again finds the
    village as it was left then."""

    def do(what: str, act: Callable[[], _Value]) -> _Value:
        key = what, repr(Moment.now(village))
        if key not in known:
            made = act()
            known[key] = Moment.now(village), made
        moment, made = known[key]
        moment.bring_back(village)
        return made

    return do


@pytest.fixture(scope="session")
def before(built: Village) -> Moment:
    """Before anything was submitted."""
    return Moment.now(built)


@pytest.fixture
def village(built: Village, before: Moment) -> Village:
    """The village before anything was submitted; what another test did is undone."""
    before.bring_back(built)
    return built


@pytest.fixture(scope="module")
def week(built: Village, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settlement]:
    """A settled week of another three homes."""
    folder = built.community.config.api.settlements_dir
    yield settle_week("Test village", tmp_path_factory.mktemp("homes"), folder, built.community.clock)
    shutil.rmtree(folder)


@pytest.fixture
def quarters(village: Village, week: Settlement, tmp_path: Path) -> Iterator[Settlement]:
    """The week after, settled by the quarter of an hour."""
    config = village.community.config
    yield settle_quarters(config.community.name, tmp_path, config.api.settlements_dir, village.community.clock)
    shutil.rmtree(config.api.settlements_dir / NEXT_WEEK)


@pytest.fixture(scope="session")
def sunny(tmp_path_factory: pytest.TempPathFactory) -> Sunny:
    return sunny_street(tmp_path_factory)


@pytest.fixture(scope="session")
def kept_surplus(sunny: Sunny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sunny street's day."""
    folder = tmp_path_factory.mktemp("surplus")
    keep_day(folder, sunny.surplus, sunny.community.clock)
    return folder


@pytest.fixture
def surplus(built: Village, sunny: Sunny, kept_surplus: Path) -> Iterator[SurplusDay]:
    """The surplus hours of another three homes, where the village's server looks for its own."""
    folder = built.community.config.api.surplus_dir
    shutil.copytree(kept_surplus, folder)
    yield sunny.surplus
    shutil.rmtree(folder)


@pytest.fixture
def claim(village: Village, once: Once[ClaimBundle | None]) -> ClaimBundle:
    """A proven day after it is over."""

    def claimed() -> ClaimBundle | None:
        for home in village.homes:
            register(village.community, village.chain_session, home, village.bundle(home))
        village.chain_session.chain.advance_to(village.community.start_of(DAY + 1))
        return make_claim(village.community, village.homes[0], DAY, 1)

    made = once("claim", claimed)
    assert made is not None
    return made


@pytest.fixture
def settled(village: Village, claim: ClaimBundle, once: Once[None]) -> Village:
    """The village after its day: both totals are open, and the claim is paid."""

    def settle_day() -> None:
        open_total(village.community, DAY)
        open_measured(village.community, DAY)
        settle(village.community, village.chain_session, claim)

    once("settled", settle_day)
    return village


@pytest.fixture
def green_hours(village: Village, once: Once[tuple[int, ...]]) -> tuple[int, ...]:
    """The day's, registered before it starts: to be asked for before `claim`."""
    return once("green hours", lambda: register_green_hours(village.community, village.chain_session, DAY))


@pytest.fixture
def green(
    village: Village, green_hours: tuple[int, ...], claim: ClaimBundle, once: Once[GreenBundle | None]
) -> GreenBundle:
    """The green share of the household that can claim the day."""
    home = village.homes[0]
    made = once("green share", lambda: village.community.opened(home).green_share(DAY, green_hours))
    assert made is not None
    return made


@pytest.fixture
def anvil_node(village: Village, tmp_path: Path) -> Iterator[Anvil]:
    with anvil(tmp_path, village.community.start_of(DAY) - 3600) as started:
        yield started


@pytest.fixture
def village_on_anvil(village: Village, claim: ClaimBundle, anvil_node: Anvil, tmp_path: Path) -> Iterator[Village]:
    """The village's homes, models and proofs on that node. (`claim` was proven before.)"""
    shutil.copytree(village.community.folder / "homes", tmp_path / "state" / "homes")
    key = tmp_path / "operator.key"
    key.write_text("11" * 32)
    rewards = RewardSettings.model_validate({"rpc_url": anvil_node.url, "key_file": key, "green_hours": "sun"})
    community = LocalCommunity(small_config(tmp_path / "state").model_copy(update={"rewards": rewards}))
    for account in (community.operator, *(home.wallet for home in community.homes)):
        anvil_node.fund(account.address)
    session = open_chain_session(community)
    publish_round(community, session, village.trained)
    pin_heads(community, session, village.trained.round)
    app = app_of(community, session)
    with app.state.work:
        yield replace(village, community=community, chain_session=session, client=DocumentedClient(app))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'wattproof.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def village_on(village: Village, database_url: str) -> Iterator[Village]:
    """The village with a server of its own on a database of each kind."""
    community = LocalCommunity(small_config(village.community.folder, database_url))
    with village.community.sessions() as known, community.sessions.begin() as session:
        for table in (Household, ModelRound):
            for row in known.scalars(select(table)):
                session.merge(row)
    app = app_of(community, village.chain_session)
    with app.state.work:
        yield replace(village, community=community, client=DocumentedClient(app).ready())
    community.sessions.kw["bind"].dispose()
