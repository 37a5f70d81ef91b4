"""A small community with roofs: three of the demo homes with their PV, untrained models, a day's surplus hours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from api.config.community_yaml import Config
from api.config.settings import ApiSettings, CommunitySettings
from api.one_machine.community import LocalCommunity
from api.one_machine.surplus import surplus_day
from api.operator.trained_model import TrainedModel, model_shape
from api.protocol.surplus import SurplusDay
from data.quantity import Quantity
from data.settings import DataSettings
from fl.settings import FederationSettings
from fl.task import initial_weights
from forecasting.integer import quantise
from forecasting.settings import ForecastingSettings, ModelSettings
from tests.support.shared import built_once
from zkp.lstm.weights import commit_weights

DAY = 17_316


@dataclass(frozen=True)
class Sunny:
    """The community, the first round's model of either quantity, and the day."""

    community: LocalCommunity
    models: dict[Quantity, TrainedModel]
    surplus: SurplusDay


def sunny_config(folder: Path, **data: object) -> Config:
    return Config(
        community=CommunitySettings(name="Sunny Street"),
        data=DataSettings.model_validate({"source": "citylearn", "pv": True, **data}),
        forecasting=ForecastingSettings(model=ModelSettings(hidden=4)),
        federation=FederationSettings(num_clients=3),
        api=ApiSettings(state_dir=folder, workers=1),
    )


def untrained(community: LocalCommunity, seed: int) -> TrainedModel:
    shape = model_shape(community)
    weights = initial_weights(shape, seed)
    integer = quantise(weights, shape)
    return TrainedModel(1, weights, integer, commit_weights(integer.weights))


def models_of(community: LocalCommunity) -> dict[Quantity, TrainedModel]:
    return {"load": untrained(community, 1), "export": untrained(community, 2)}


def build(folder: Path) -> None:
    community = LocalCommunity(sunny_config(folder))
    surplus_day(community, DAY, models_of(community))


def sunny_street(factory: pytest.TempPathFactory) -> Sunny:
    """Made once; every test process has a copy."""
    community = LocalCommunity(sunny_config(built_once(factory, "sunny", build)))
    models = models_of(community)
    return Sunny(community, models, surplus_day(community, DAY, models))
