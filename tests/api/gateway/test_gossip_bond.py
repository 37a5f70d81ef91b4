"""A household's bond: deposited into a registry of its own settings only, and every refusal says what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from eth_account import Account

from api.config.community_yaml import Config, ConfigError, parse
from api.gateway.gossip_bond import check_registry, join_training, withdraw_bond
from fl.errors import FederationError
from rewards.rpc_account import CallRefused

REGISTRY = "0x" + "ab" * 20
SETTINGS = f"""
community: {{name: Elm Street}}
data: {{source: none}}
api: {{state_dir: STATE}}
federation: {{topology: gossip, gossip: {{registry: '{REGISTRY}'}}}}
gateway: {{rpc_url: 'http://127.0.0.1:1', forecast_registry: '0x0000000000000000000000000000000000000001'}}
"""


@dataclass
class Client:
    """The registry as deployed from the settings, but for what a test changes."""

    config: Config
    changed: dict[str, object] = field(default_factory=dict)
    enrolled: bool = True
    joined: bool = False
    epoch: int = 0
    refusal: str = ""
    calls: list[str] = field(default_factory=list)
    registry: str = REGISTRY
    account: object = Account.from_key(b"\x01" * 32)

    def number(self, name: str) -> int:
        gossip = self.config.federation.gossip
        numbers = {
            "BOND": 10**17, "DEPOSIT": 10**16, "PUBLISH_S": gossip.publish_s, "REVEAL_S": gossip.reveal_s,
            "LEADER_S": gossip.leader_s, "CHALLENGE_S": gossip.challenge_s,
            "FEWEST": self.config.federation.min_homes, "EPOCHS": 8,
        }  # fmt: skip
        return int(str(self.changed.get(name, numbers[name])))

    def word(self, name: str) -> object:
        return self.changed.get(name, self.config.community.identifier)

    def households(self) -> str:
        return str(self.changed.get("HOUSEHOLDS", self.config.gateway.forecast_registry))

    def state(self) -> tuple[int, bool, int]:
        return self.epoch, False, 0

    def is_household(self) -> bool:
        return self.enrolled

    def has_joined(self) -> bool:
        return self.joined

    def join(self) -> None:
        self._call("join")

    def withdraw(self) -> None:
        self._call("withdraw")

    def _call(self, name: str) -> None:
        if self.refusal:
            raise CallRefused(self.refusal)
        self.calls.append(name)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse(SETTINGS.replace("STATE", str(tmp_path)), "c.yaml")


def test_a_registry_of_the_settings_is_joined(config: Config) -> None:
    client = Client(config)
    join_training(config, "elm-3", client)  # type: ignore[arg-type]
    assert client.calls == ["join"]


@pytest.mark.parametrize(
    ("constant", "value", "named"),
    [
        ("BOND", 10**19, "gossip.bond"), ("REVEAL_S", 1, r"gossip\.reveal_s is 3600 here and 1 there"),
        ("CHALLENGE_S", 1, "gossip.challenge_s"), ("PUBLISH_S", 1, "gossip.publish_s"), ("FEWEST", 1000, "min_homes"),
        ("COMMUNITY", b"\x01" * 32, "community.name"), ("HOUSEHOLDS", REGISTRY, "gateway.forecast_registry"),
    ],
)  # fmt: skip
def test_a_registry_of_other_terms_is_paid_nothing(config: Config, constant: str, value: object, named: str) -> None:
    """An operator could otherwise deploy one in which nobody has the time to reveal, and share the bonds."""
    client = Client(config, {constant: value})
    for act in (lambda: join_training(config, "elm-3", client), lambda: check_registry(config, client)):  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=named):
            act()
    assert client.calls == []


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"enrolled": False}, r"gateway\.api_url"),  # it can't be enrolled without a server that passes this on
        ({"joined": True}, "joins once"), ({"epoch": 8}, "epoch 8 of 8"), ({"refusal": "wrong bond"}, "wrong bond"),
    ],
)  # fmt: skip
def test_who_can_not_join_is_told_why(config: Config, state: dict[str, object], told: str) -> None:
    client = Client(config, **state)  # type: ignore[arg-type]
    with pytest.raises(FederationError, match=told):
        join_training(config, "elm-3", client)  # type: ignore[arg-type]
    assert client.calls == []


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("too early", "64800 s after"), ("challenge open", "agent running"), ("not a member", "no bond"),
        ("another", "another$"),
    ],
)  # fmt: skip
def test_a_bond_that_is_not_paid_back_yet_is_explained(config: Config, reason: str, advice: str) -> None:
    with pytest.raises(FederationError, match=advice):
        withdraw_bond(config, Client(config, refusal=reason))  # type: ignore[arg-type]
