"""A home's side of vertical learning (docs/vertical.md): sessions live in a process of their own, forecasts on disk.

    homes/HOME/vertical/DAY.json    hours of a day (Wh) with the partner's values and by the meter alone

Such a forecast is the household's own. What it proves and is rewarded for stays the community's model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Context, Message
from flwr.clientapp.typing import ClientAppCallable, Mod

from api.config.community_yaml import Config, ConfigError
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from data.settings import DataSettings
from fl.vertical.errors import require_pytorch
from fl.vertical.settings import VerticalSettings
from fl.vertical.wire import VERTICAL, message, read
from forecasting.settings import ForecastingSettings

if TYPE_CHECKING:  # they load PyTorch or pandas, which are for the process that trains
    import numpy as np
    from numpy.typing import NDArray

    from data.signed_id import SignedId
    from fl.deployment.training_process import TrainingProcess
    from fl.task import HomeLearner
    from fl.vertical.home import HomeSide
    from fl.vertical.home_mod import VerticalHomeMod
    from fl.vertical.terms import VerticalTerms

_IN_PROCESS: dict[str, VerticalHomeMod] = {}  # sessions of the process that trains, by home


@dataclass(frozen=True)
class HomeParts:
    """What a home's side is opened from in that process."""

    home: str
    settings: VerticalSettings
    data: DataSettings
    forecasting: ForecastingSettings
    keys_dir: Path
    homes_dir: Path
    model_dir: Path

    @staticmethod
    def of(config: Config, home: str) -> HomeParts:
        """Raises ConfigError where there is no partner or no roster."""
        settings = config.federation.vertical
        if settings.partner is None or settings.roster is None:
            raise ConfigError(
                "vertical learning needs federation.vertical.partner, and federation.vertical.roster with the keys "
                "of homes and partner (`wattproof roster`)"
            )
        keys_dir = config.federation.deployment.keys_dir
        return HomeParts(
            home, settings, config.data, config.forecasting, keys_dir, config.api.homes_dir, config.api.model_dir
        )

    @property
    def folder(self) -> Path:
        return self.homes_dir / self.home


def vertical_mods(config: Config, home: str, training: TrainingProcess) -> list[Mod]:
    """What an agent answers vertical learning with; none without a partner. Raises ConfigError, ExtraMissing.

    `training`: a process that nothing else makes give way, for a session is in its memory.
    """
    if config.federation.vertical.partner is None:
        return []
    require_pytorch()
    return [_PassedOn(HomeParts.of(config, home), training)]


@dataclass(frozen=True)
class _PassedOn:
    parts: HomeParts
    training: TrainingProcess

    def __call__(self, told: Message, context: Context, call_next: ClientAppCallable) -> Message:
        if VERTICAL not in told.content.config_records:
            return call_next(told, context)
        stage, items = read(told.content)
        return Message(message(stage, self.training.call(answer, self.parts, stage, items)), reply_to=told)


def answer(learner: HomeLearner, parts: HomeParts, stage: str, items: Mapping[str, bytes]) -> dict[str, bytes]:
    """One stage of the home's session, in the process that trains. Raises VerticalRefused."""
    from fl.vertical.home_mod import VerticalHomeMod

    if parts.home not in _IN_PROCESS:
        _IN_PROCESS[parts.home] = VerticalHomeMod(partial(open_side, learner, parts), partial(_keep, parts))
    return _IN_PROCESS[parts.home].answer(stage, items)


def open_side(learner: HomeLearner, parts: HomeParts, terms: VerticalTerms) -> HomeSide:
    """The home's side of a session with these terms. Raises VerticalRefused, KeysError, DataError."""
    from data.community import load_community, readings_of
    from data.day import DayClock
    from data.features import public_features
    from data.windows import make_windows
    from fl.deployment.keys import KeyFolder, load_agent_key
    from fl.secagg.roster import Roster
    from fl.vertical.entered import Entered
    from fl.vertical.home import HomeData, HomeLimits, HomeSide

    assert parts.settings.roster is not None and parts.settings.partner is not None
    community, clock = load_community(parts.data), DayClock(parts.data.day_start_utc)
    windows = make_windows(
        readings_of(community.readings, parts.home),
        public_features(community.weather, clock, horizon=learner.shape.horizon), clock,
        steps=learner.shape.steps, with_target=False,
    )  # fmt: skip
    roster, key = Roster.read(parts.settings.roster), load_agent_key(KeyFolder(parts.keys_dir).agent_key(parts.home))
    roster.check_own(parts.home, key)
    own = parts.settings
    limits = HomeLimits(
        (parts.settings.partner,), own.fewest_homes, own.gradient_noise, own.fresh_days, own.most_steps
    )
    data = HomeData(parts.home, own_id(parts), windows, partial(_forecaster, learner, parts), learner.huber)
    return HomeSide(terms, data, limits, key, roster.members, Entered(parts.folder / "vertical.entered.json"))


def own_id(parts: HomeParts) -> SignedId:
    """The id that the household hands to the partner when it becomes a customer, signed by its meter."""
    from api.gateway.home import Home
    from data.signed_id import sign_id

    assert parts.settings.partner is not None
    own = Home(parts.home, parts.folder)
    return sign_id(own.meter, own.wallet.address, parts.settings.partner)


def _forecaster(learner: HomeLearner, parts: HomeParts) -> Any:
    """The community's forecaster as it is kept here; as it begins where there is none yet."""
    from fl.deployment.kept_model import kept_round, kept_weights
    from fl.weights import to_state_dict
    from forecasting.model import LoadForecaster

    model = LoadForecaster(learner.shape, parts.forecasting.seed)
    kept = kept_weights(parts.model_dir, kept_round(parts.model_dir))
    if kept is not None:
        model.load_state_dict(to_state_dict(kept))
    return model


def _keep(parts: HomeParts, side: HomeSide, forecasts: Mapping[str, NDArray[np.float64]]) -> None:
    """Write the forecasts of each day asked for, those with the partner's values and those without.

    Of a session without split learning (`steps: 0`) they are the regression's, which has one number for both the
    typical hours and the means; or what the meter alone gives, where there is no regression either.
    """
    if side.asked is None:
        return
    name = "split" if side.has_learnt else "ridge" if "ridge" in forecasts else "split_alone"
    joint, alone = forecasts[name], forecasts[f"{name.removesuffix('_alone')}_alone"]
    for at, day in enumerate(side.asked.day.tolist()):
        split, without = joint[at].round().tolist(), alone[at].round().tolist()
        told = {
            "day": day, "with_partner": split != without, "typical_wh": split[:24], "mean_wh": split[-24:],
            "typical_alone_wh": without[:24], "mean_alone_wh": without[-24:],
        }  # fmt: skip
        write_bytes(_path(parts.folder, day), json.dumps(told).encode(), private=True)


def kept_forecast(folder: Path, day: int) -> dict[str, Any] | None:
    """The forecast of a day as it was kept in a home's folder, or None. Raises DamagedFile."""
    path = _path(folder, day)
    if not path.exists():
        return None
    with whole(path, "a forecast with a partner's values", "Move it away: the next session makes it anew"):
        told = loads(path.read_bytes())
        hours = [told[name] for name in ("typical_wh", "mean_wh", "typical_alone_wh", "mean_alone_wh")]
        if told["day"] != day or type(told["with_partner"]) is not bool or not all(map(_is_day, hours)):
            raise ValueError("no forecast")
        return dict(told)


def _is_day(hours: object) -> bool:
    from data.day import HOURS_PER_DAY  # loads pandas, which no agent's own process does

    return isinstance(hours, list) and len(hours) == HOURS_PER_DAY and all(type(wh) in (int, float) for wh in hours)


def _path(folder: Path, day: int) -> Path:
    return folder / "vertical" / f"{day}.json"
