"""The settings of the demo. Loads little: `wattproof serve` reads them before anything that takes long."""

from __future__ import annotations

from pathlib import Path

from api.config.community_yaml import Config
from api.config.settings import ApiSettings, CommunitySettings
from data.settings import DataSettings
from fl.settings import FederationSettings
from rewards.settings import RewardSettings


def demo_config(folder: Path, num_clients: int | None) -> Config:
    """The demo community: the 17 homes, an embedded chain, SQLite."""
    return Config(
        community=CommunitySettings(name="Wattproof demo community"),
        api=ApiSettings(state_dir=folder),
        rewards=RewardSettings(clock="standing", green_hours="sun"),
        data=DataSettings(source="citylearn"),
        federation=FederationSettings.model_validate({"rounds": 8, "num_clients": num_clients, "evaluate_every": 0}),
    )
