"""A community that forecasts two days ahead, as one whose readings come a day late: a day before it starts, from
readings that end a day before that; proven, registered and paid as any other, and kept apart from a horizon of one
day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.config.community_yaml import Config, ConfigError
from api.config.settings import CommunitySettings
from api.gateway.not_forecast import NoModel, NoReadings
from api.one_machine.community import LocalCommunity
from api.one_machine.day import make_claim, prove_day, register
from api.operator import paid_claims
from api.operator.chain_session import ChainSession, open_chain_session, publish_round
from api.operator.challenges import register_features
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import InferenceBundle, encode, examine, verify
from api.protocol.bundle_parts import WeightsPart
from api.protocol.explained import explain
from data.citylearn import CommunityData
from data.features import public_features
from forecasting.evaluation import before
from forecasting.settings import ForecastingSettings, ModelSettings
from rewards.claims import registered_forecast
from tests.api.conftest import DAY, Village, small_config
from tests.api.http.test_forecasts import refusal, submit
from tests.api.untrained import untrained_model
from zkp.errors import InvalidStatement
from zkp.lstm.integer_model import Shape

pytestmark = pytest.mark.slow


def config(folder: Path, horizon: int = 2) -> Config:
    """One home, in a community of the village's name."""
    forecasting = ForecastingSettings(model=ModelSettings(hidden=8, horizon_days=horizon))
    base = small_config(folder)
    federation = base.federation.model_copy(update={"num_clients": 1})
    return base.model_copy(update={"forecasting": forecasting, "federation": federation})


def known_at(community: LocalCommunity, day: int) -> LocalCommunity:
    """The community with readings and weather that end when `day` starts."""
    data, end = community._data, community.clock.start_of(day)
    community.__dict__["_data"] = CommunityData(before(data.readings, end), before(data.weather, end))
    return community


@dataclass(frozen=True)
class Ahead:
    """A community that knows nothing of the day before the forecast day, and its home's forecast."""

    community: LocalCommunity
    session: ChainSession
    trained: TrainedModel
    bundle: InferenceBundle


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Ahead:
    community = known_at(LocalCommunity(config(tmp_path_factory.mktemp("ahead"))), DAY - 1)
    session, trained = open_chain_session(community, DAY), untrained_model(community)
    publish_round(community, session, trained)
    register_features(community, session, DAY)
    ((home, bundle, _),) = prove_day(community, DAY, trained)
    register(community, session, home, bundle)
    return Ahead(community, session, trained, bundle)


def test_a_day_is_forecast_proven_and_registered_before_it_starts_without_the_day_before(ahead: Ahead) -> None:
    bundle, chain = ahead.bundle, ahead.session.chain
    assert chain.now < ahead.community.start_of(DAY)
    assert [day.day for day in bundle.history] == list(range(DAY - 8, DAY - 1))
    verify(bundle)
    assert not any(found.is_bad for found in examine(bundle, CommunitySettings(name="Test village")))
    assert f"the week before day {DAY - 1}" in " ".join(explain(bundle))
    assert registered_forecast(ahead.session.contracts, bundle.household, DAY) is not None
    opened = ahead.community.opened(ahead.community.homes[0])
    assert opened.due_day() == DAY
    with pytest.raises(NoReadings, match=f"day {DAY + 1} needs those up to"):
        opened.prepare(DAY + 1, ahead.trained)


def test_its_skill_is_proven_and_claimed_like_any_others(ahead: Ahead) -> None:
    later = LocalCommunity(ahead.community.config)  # all readings have come
    home, chain = later.homes[0], ahead.session.chain
    chain.advance_to(later.start_of(DAY + 1))
    claim = make_claim(later, home, DAY, 1)
    assert claim is not None
    assert paid_claims.settle(later, ahead.session, claim).buckets == claim.buckets > 0


def test_a_forecast_of_one_horizon_is_none_in_a_community_of_another(ahead: Ahead, village: Village) -> None:
    home = village.homes[0]
    assert refusal(submit(village, replace_household(ahead.bundle, village, 0), home)) == (422, "wrong-model")
    shape = village.client.post("/proofs/verify", content=encode(ahead.bundle))
    assert refusal(shape) == (422, "unknown-shape")
    weights = village.bundle(home).weights
    assert ahead.bundle.weights.parsed().digest() != weights.parsed().digest()
    assert (ahead.bundle.weights.layers, ahead.bundle.weights.head) == (weights.layers, weights.head), "alone by it"


def with_horizon(bundle: InferenceBundle, days: int) -> WeightsPart:
    """The same weights, said to be of another horizon."""
    shape = replace(Shape.of_sizes(bundle.weights.shape), horizon=days)
    return bundle.weights.model_copy(update={"shape": list(shape.sizes)})


def replace_household(bundle: InferenceBundle, village: Village, home: int) -> InferenceBundle:
    """A bundle under the name of one of the village's homes."""
    own = village.bundle(village.homes[home])
    return bundle.model_copy(update={"context": own.context, "meter": own.meter})


def test_the_week_of_another_horizon_is_refused_before_anything_is_computed(ahead: Ahead, village: Village) -> None:
    one_day = with_horizon(ahead.bundle, 1)
    with pytest.raises(InvalidStatement, match=f"days before day {DAY}, in order"):
        verify(ahead.bundle.model_copy(update={"weights": one_day}))
    own = village.bundle(village.homes[0])
    two_days = with_horizon(own, 2)
    with pytest.raises(InvalidStatement, match=f"days before day {DAY - 1}, in order"):
        verify(own.model_copy(update={"weights": two_days}))
    same = own.weights.model_copy(update={"shape": [*own.weights.shape[:7], 1]})
    with pytest.raises(InvalidStatement, match="horizon where that is not 1"):
        verify(own.model_copy(update={"weights": same}))


def test_a_gateway_whose_settings_have_another_horizon_than_the_model_says_so(ahead: Ahead) -> None:
    opened = ahead.community.opened(ahead.community.homes[0])
    other = replace(opened, features=public_features(ahead.community.weather, opened.clock))
    with pytest.raises(NoModel, match="horizon_days is 1: set what the community has"):
        other.prepare(DAY - 1, ahead.trained)


def test_a_community_does_not_change_its_horizon(ahead: Ahead) -> None:
    changed = LocalCommunity(config(ahead.community.folder, horizon=1))
    with pytest.raises(ConfigError, match="another horizon"):
        changed.open_contracts(ahead.session.chain)
