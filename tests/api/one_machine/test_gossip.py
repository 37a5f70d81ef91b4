"""Training without a server with all homes on one machine: a round like any other comes out."""

from pathlib import Path

import pytest

from api.config.community_yaml import ConfigError, parse
from api.gateway.gossip_peer import PeerParts, open_client
from api.one_machine.gossip import train_without_server
from api.operator.community import Community
from api.operator.trained_model import kept_digest, latest_model, rounds_of
from fl.deployment.keys import make_peer_keys
from fl.errors import FederationError
from fl.task import HomeFolder, write_homes
from forecasting.shape import ModelShape
from tests.fl.federation import HOMES, made_up_windows

SETTINGS = """
community: {name: Elm Street}
data: {source: none}
forecasting: {model: {hidden: 4}}
api: {state_dir: STATE}
federation:
  topology: gossip
  rounds: 2
  local: {epochs: 1}
  deployment: {keys_dir: KEYS}
  gossip: {segments: 4, settle_epochs: 1GOSSIP}
gateway: {rpc_url: 'http://127.0.0.1:1', forecast_registry: '0x0000000000000000000000000000000000000001'}
"""


def settings(folder: Path, gossip: str = "") -> str:
    return SETTINGS.replace("STATE", str(folder / "state")).replace("KEYS", str(folder)).replace("GOSSIP", gossip)


@pytest.mark.parametrize("gossip", ["", ", sampled_privacy: days, sampling: 0.5"])
def test_the_model_is_the_round_after_the_last_epoch(tmp_path: Path, gossip: str) -> None:
    community = Community(parse(settings(tmp_path, gossip), "c.yaml"))
    shape = ModelShape.of(community.config.forecasting.model)
    windows = made_up_windows(HOMES, 10)
    write_homes(tmp_path / "homes", windows, windows.between(0, 0))
    files = HomeFolder(tmp_path / "homes", shape, 0.1)
    told: list[int] = []
    for _ in range(2):  # and a training that has ended is not begun again
        train_without_server(
            community, community.config.federation, files, HOMES,
            lambda done, total, loss: told.append(done), rounds_of(community),
        )  # type: ignore[arg-type]  # fmt: skip
    assert told == [1, 2, 2, 3] and latest_model(community).round == 3
    assert rounds_of(community).load(3).published


def test_a_training_that_was_killed_before_its_round_was_published_publishes_it(tmp_path: Path) -> None:
    """It was taken for done, and its model never had the digest that forecasts are registered with."""
    community = Community(parse(settings(tmp_path), "c.yaml"))
    windows, store = made_up_windows(HOMES, 10), rounds_of(community)
    write_homes(tmp_path / "homes", windows, windows.between(0, 0))
    files = HomeFolder(tmp_path / "homes", ModelShape.of(community.config.forecasting.model), 0.1)

    def killed(done: int, total: int, loss: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_without_server(community, community.config.federation, files, HOMES, killed, store)
    (store.path(3) / "digest").unlink()
    assert not store.load(3).published
    train_without_server(community, community.config.federation, files, HOMES, lambda *_: None, store)
    assert store.load(3).published and kept_digest(store, 3) == latest_model(community).digest


def test_clusters_of_too_few_homes_are_refused(tmp_path: Path) -> None:
    community = Community(parse(settings(tmp_path, ", clusters: 2"), "c.yaml"))
    windows = made_up_windows(HOMES, 10)
    write_homes(tmp_path / "homes", windows, windows.between(0, 0))
    files = HomeFolder(tmp_path / "homes", ModelShape.of(community.config.forecasting.model), 0.1)
    with pytest.raises(FederationError, match="take at least 12 homes"):
        train_without_server(
            community, community.config.federation, files, HOMES, lambda *_: None, rounds_of(community)
        )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gossip", "complaint"),
    [
        ("", "gossip.peers names no file"),
        (", peers: p.json, clusters: 2", "set it to 1"),
        (", peers: p.json", r"federation\.gossip\.registry"),
    ],
)
def test_what_a_peer_lacks_is_told_before_it_begins(tmp_path: Path, gossip: str, complaint: str) -> None:
    make_peer_keys(tmp_path, "elm-3", ["127.0.0.1"])
    (tmp_path / "p.json").write_text('{"format": "wattproof/peers/1", "peers": {}}')
    config = parse(settings(tmp_path, gossip.replace("p.json", str(tmp_path / "p.json"))), "c.yaml")
    with pytest.raises(ConfigError, match=complaint):
        PeerParts.of(config, "elm-3")


def test_a_household_without_a_node_is_told(tmp_path: Path) -> None:
    config = parse(settings(tmp_path).split("gateway:")[0], "c.yaml")
    with pytest.raises(ConfigError, match=r"gateway\.rpc_url"):
        open_client(config, "elm-3")
