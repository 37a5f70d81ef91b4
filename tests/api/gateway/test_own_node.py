"""A household with a chain node of its own takes the API's word for nothing that stands on the chain."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from api.config.community_yaml import Config
from api.config.logs import set_up
from api.config.settings import GatewaySettings
from api.gateway.client import ApiClient
from api.gateway.jobs import Isolated
from api.gateway.model_updater import ModelUpdater
from api.gateway.outbox import Outbox
from api.one_machine.day import register
from api.operator.chain_session import publish_digest
from fl.deployment.kept_model import kept_round
from fl.deployment.telemetry import AgentMetrics
from fl.deployment.training_process import TrainingProcess
from rewards.rpc_client import RpcClient
from tests.api.conftest import DAY, Village
from tests.api.gateway.submitting import submitter_of
from tests.api.http_fixture import save_round
from tests.api.lying_api import LyingApi, lying_api
from tests.rewards.json_rpc import json_rpc


@pytest.fixture
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


@pytest.fixture
def node(village: Village) -> Iterator[RpcClient]:
    with json_rpc(village.chain_session.chain) as url:
        yield RpcClient(url, str(village.chain_session.contracts.forecast_registry.address))


def with_gateway(config: Config, api: LyingApi, folder: Path) -> Config:
    """The community's settings as a gateway with its state in `folder` has them."""
    gateway = GatewaySettings(api_url=api.url, retry_max_s=1e-6)
    deployment = config.federation.deployment.model_copy(update={"task_interval_s": 1e-6})
    federation = config.federation.model_copy(update={"deployment": deployment})
    state = config.api.model_copy(update={"state_dir": folder})
    return config.model_copy(update={"gateway": gateway, "federation": federation, "api": state})


def test_a_forecast_counts_as_handed_in_when_it_stands_on_the_chain(
    village: Village, api: LyingApi, node: RpcClient, tmp_path: Path
) -> None:
    home = village.homes[0]
    there, config = village.community.config.api, with_gateway(village.community.config, api, tmp_path)
    shutil.copytree(there.homes_dir / home.name, config.api.homes_dir / home.name)
    (config.api.proofs_dir / str(DAY)).mkdir(parents=True)
    shutil.copy(there.proofs_dir / str(DAY) / f"{home.name}.json", config.api.proofs_dir / str(DAY))
    api.answers["POST /forecasts"] = 201, {"household": home.wallet.address}  # and keeps it to itself
    submitter, metrics = submitter_of(config, home.name, ApiClient(api.url), node), AgentMetrics(home.name)
    outbox = Outbox(config.api.outbox_dir, home.name)
    submitter.run_once(metrics)
    waiting = outbox.get("forecast", DAY)
    assert waiting is not None and waiting.state == "waiting" and waiting.transaction is not None
    assert 'kind="forecast",outcome="unconfirmed"} 1.0' in generate_latest(metrics.registry).decode()
    assert [what for what, _ in api.asked] == ["POST /forecasts"], "what to sign is asked of the own node"

    register(village.community, village.chain_session, home, village.bundle(home))
    submitter.run_once(metrics)
    done = outbox.get("forecast", DAY)
    assert done is not None and done.state == "done"


@pytest.mark.process
@pytest.mark.parametrize("registered", [b"\x07" * 32, None])
def test_a_model_is_the_rounds_when_the_chain_says_so(
    village: Village, api: LyingApi, node: RpcClient, tmp_path: Path, registered: bytes | None
) -> None:
    """The API offers a model of its own making, with its digest."""
    save_round(tmp_path / "coordinator", 5, seed=5)
    offered = tmp_path / "coordinator" / "rounds" / "0005"
    api.answers["GET /rounds"] = 200, [{"number": 5, "digest": (offered / "digest").read_text()}]
    api.answers["GET /rounds/5/weights"] = 200, (offered / "weights.npz").read_bytes()
    if registered is not None:
        publish_digest(village.community, village.chain_session, 5, registered)
    config = with_gateway(village.community.config, api, tmp_path / "home")
    idle = TrainingProcess("elm-3", set_up)  # type: ignore[arg-type]
    metrics = AgentMetrics("elm-3")
    run = Isolated(idle, "INFO")

    def updater(node: RpcClient | None) -> ModelUpdater:
        folder, model = config.api.model_dir, config.forecasting.model
        return ModelUpdater(folder, model, run, ApiClient(api.url), node, first_s=1e-6, most_s=1e-6)

    assert updater(node).refresh(metrics, urgent=True)
    assert kept_round(config.api.model_dir) == 0
    assert "wattproof_agent_models_refused_total 1.0" in generate_latest(metrics.registry).decode()
    assert updater(None).refresh(metrics, urgent=True)
    assert kept_round(config.api.model_dir) == 5, "without a node of its own, it must take the API's word"
