"""A community whose model no longer fits trains again by itself, not too often, and publishes nothing unfinished."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import delete

from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.database.tables import ComputedTotals
from api.operator.overview import training_alerts
from api.operator.publisher import finished_round
from api.operator.retraining import (
    Retraining,
    due,
    earlier_rounds,
    last_round,
    retrainings,
    settings_of_training,
    write_down,
)
from api.operator.trained_model import model_shape, rounds_of
from api.operator.training import _when_due
from data.day import LAST_DAY
from fl.deployment.telemetry import CoordinatorMetrics
from fl.rounds import Rounds
from fl.settings import FederationSettings
from fl.task import HomeLearner, initial_weights, projection
from tests.api.conftest import small_config
from tests.api.operator.test_overview import DAYS, past
from tests.fl.federation import made_up_windows
from tests.fl.local_grid import LocalGrid

TOLD = {
    "rounds": 2,
    "min_homes": 2,
    "evaluate_every": 0,
    "local": {"epochs": 1},
    "retraining": {"enabled": True, "rounds": 2},
}
WINDOWS = made_up_windows(("home-a", "home-b"), days=12)


@pytest.fixture
def community(tmp_path: Path) -> Community:
    """Trained, with the totals of months."""
    made = Community(
        small_config(tmp_path).model_copy(update={"federation": FederationSettings.model_validate(TOLD)})
    )
    knows(made, worse_since=DAYS)
    train(made, rounds(made))
    return made


def knows(community: Community, worse_since: int, later: int = 0) -> None:
    """The totals of `tests.api.operator.test_overview.past`, `later` days on."""
    with community.sessions.begin() as session:
        session.execute(delete(ComputedTotals))
        for one in past(worse_since):
            session.add(ComputedTotals(day=one.day + later, forecast=list(one.forecast), measured=list(one.measured)))


def rounds(community: Community) -> Rounds:
    store = rounds_of(community)
    settings = settings_of_training(store.directory, community.config.federation)
    return Rounds(settings, store, project=projection(model_shape(community)))


def train(community: Community, training: Rounds) -> None:
    homes = [
        HomeLearner(h, WINDOWS.of_home(h), WINDOWS.of_home(h), model_shape(community), 0.1)
        for h in ("home-a", "home-b")
    ]
    training.run(LocalGrid(homes), initial_weights(model_shape(community), 1))  # type: ignore[arg-type]
    for number in rounds_of(community).rounds():
        (rounds_of(community).path(number) / "digest").write_text("ab" * 32)


def codes(community: Community) -> list[str]:
    return [alert.code for alert in training_alerts(community, past_days(community, LAST_DAY + 1))]


def test_a_model_that_fits_is_not_trained_again(community: Community) -> None:
    assert due(community) is None
    assert codes(community) == []


def test_the_coordinator_waits_until_it_no_longer_fits_and_trains_again(
    community: Community, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, folder, waited = CoordinatorMetrics(), rounds_of(community).directory, []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        assert len(waited) < 3
        if len(waited) == 2:
            knows(community, worse_since=DAYS - 9)

    following = _when_due(community, metrics, wait)
    assert following is not None and waited == [3600, 3600]
    assert "the community trains again" in caplog.text
    (again,) = retrainings(folder)
    assert (again.until, last_round(folder, community.config.federation)) == (4, 4)
    assert finished_round(folder, last_round(folder, community.config.federation)) is None, "round 2 stays in force"
    assert codes(community) == ["retraining"]
    assert metrics.registry.get_sample_value("wattproof_retrainings") == 1
    assert metrics.registry.get_sample_value("wattproof_model_drifting_since_day") == again.since
    assert (following.settings.rounds, following.earlier_rounds) == (4, 2)
    train(community, rounds(community))
    assert rounds_of(community).rounds() == [1, 2, 3, 4]
    assert finished_round(folder, last_round(folder, community.config.federation)) is not None
    assert codes(community) == ["retrained"]


def test_a_training_that_was_interrupted_is_resumed_before_another_is_due(community: Community) -> None:
    knows(community, worse_since=DAYS - 9)
    first = due(community)
    assert first is not None
    write_down(community, first)
    knows(community, worse_since=DAYS - 9, later=60)
    assert due(community) is None, "there are rounds left"
    assert rounds(community).settings.rounds == 4


def test_days_lie_between_one_further_training_and_the_next(community: Community) -> None:
    knows(community, worse_since=DAYS - 9)
    first = due(community)
    assert first is not None
    write_down(community, first)
    train(community, rounds(community))
    knows(community, worse_since=DAYS - 9, later=27)
    assert due(community) is None
    knows(community, worse_since=DAYS - 9, later=28)
    again = due(community)
    assert again is not None and again.until == 6 and codes(community) == ["model-drift"]


def test_without_the_policy_nothing_follows(community: Community) -> None:
    knows(community, worse_since=DAYS - 9)
    federation = community.config.federation.model_copy(update={"retraining": FederationSettings().retraining})
    community.config = community.config.model_copy(update={"federation": federation})
    assert due(community) is None and _when_due(community, CoordinatorMetrics(), time.sleep) is None
    assert codes(community) == ["model-drift"]


def test_further_rounds_are_of_the_kind_that_the_last_were(tmp_path: Path) -> None:
    (tmp_path / "rounds").mkdir()
    community = Community(small_config(tmp_path))
    write_down(community, Retraining(until=280, since=1, day=2))
    folder = tmp_path / "rounds"
    gradients = settings_of_training(folder, FederationSettings())
    assert gradients.rounds == 280 and gradients.is_gradient_round(280) and not gradients.is_gradient_round(40)
    assert earlier_rounds(folder, FederationSettings()) == 220
    write_down(community, Retraining(until=340, since=1, day=40))
    assert earlier_rounds(folder, FederationSettings()) == 280
    (folder / "retraining.json").unlink()
    assert earlier_rounds(folder, FederationSettings()) == 0
    write_down(community, Retraining(until=280, since=1, day=2))
    local = settings_of_training(folder, FederationSettings(rounds=40))
    assert local.rounds == 280 and local.gradient_rounds == 0


def test_a_list_of_retrainings_that_is_damaged_is_named(community: Community) -> None:
    (rounds_of(community).directory / "retraining.json").write_text("[{")
    with pytest.raises(ValueError, match=r"retraining\.json.*list of retrainings"):
        due(community)
