"""A small real community: three homes of the demo data, an untrained model with heads beside it, one proven day."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient
from sqlalchemy import delete

from api import day as community_day
from api import training
from api.bundle import InferenceBundle
from api.community import Community
from api.config import Config
from api.database import CommunityTotal, ComputedTotals, Forecast, MeasuredTotal, ModelRound, PaidClaim, Reward
from api.day import Ledger, submit_arguments
from api.home import Home
from api.server import make_app
from api.settings import ApiSettings, CommunitySettings
from data.settings import DataSettings
from fl.settings import FederationSettings
from forecasting.integer import IntegerModel
from forecasting.settings import ForecastingSettings, ModelSettings
from rewards.settings import RewardSettings
from tests.api.untrained import untrained_model
from tests.support.shared import built_once

DAY = 17_316


@dataclass
class Village:
    community: Community
    ledger: Ledger
    trained: training.TrainedModel
    models: dict[str, IntegerModel]
    bundles: dict[str, InferenceBundle]
    client: TestClient

    @property
    def homes(self) -> list[Home]:
        return self.community.homes

    def bundle(self, home: Home) -> InferenceBundle:
        return self.bundles[home.name]

    def transaction(self, wallet: LocalAccount, bundle: InferenceBundle) -> str:
        """A household's signed `submit`, as its agent would send it."""
        registry, web3 = self.ledger.contracts.forecast_registry, self.ledger.chain.web3
        data = registry.encode_abi("submit", args=submit_arguments(bundle))
        fields = {
            "to": registry.address, "data": data, "gas": 400_000, "gasPrice": web3.eth.gas_price * 2,
            "nonce": web3.eth.get_transaction_count(wallet.address), "chainId": web3.eth.chain_id, "value": 0,
        }  # fmt: skip
        return "0x" + bytes(wallet.sign_transaction(fields).raw_transaction).hex()


def small_config(folder: Path) -> Config:
    return Config(
        community=CommunitySettings(name="Test village"),
        data=DataSettings(source="citylearn"),
        forecasting=ForecastingSettings(model=ModelSettings(hidden=8)),
        federation=FederationSettings(num_clients=3),
        rewards=RewardSettings(clock="standing"),
        api=ApiSettings(state_dir=folder),
    )


MODELS = "models.pickle"


def build(folder: Path) -> None:
    """Fit and pin the heads, and prove the day."""
    community = Community(small_config(folder))
    trained = untrained_model(community)
    ledger = community_day.open_ledger(community, DAY)
    community_day.publish_round(community, ledger, trained)
    _, models = training.personalise(community, trained, community.homes)
    (folder / MODELS).write_bytes(pickle.dumps(models))
    community_day.pin_heads(community, ledger, trained.round)
    for _ in community_day.prove_day(community, DAY, trained):
        pass
    ledger.chain.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Village:
    folder = built_once(tmp_path_factory, "village", build)
    community = Community(small_config(folder))
    trained = untrained_model(community)
    ledger = community_day.open_ledger(community, DAY)
    models = pickle.loads((folder / MODELS).read_bytes())
    bundles = {home.name: bundle for home, bundle, _ in community_day.prove_day(community, DAY, trained)}
    return Village(community, ledger, trained, models, bundles, TestClient(make_app(community, ledger)))


@pytest.fixture
def village(built: Village) -> Iterator[Village]:
    """The village before anything was handed in; what a test does is undone after it."""
    chain = built.ledger.chain
    snapshot, moment = chain.tester.take_snapshot(), chain.now
    chain.reset_clock(moment)
    yield built
    chain.tester.revert_to_snapshot(snapshot)
    chain.reset_clock(moment)
    with built.community.sessions.begin() as session:
        for table in (Forecast, Reward, PaidClaim, CommunityTotal, MeasuredTotal, ComputedTotals):
            session.execute(delete(table))
        session.execute(delete(ModelRound).where(ModelRound.number > built.trained.round))
