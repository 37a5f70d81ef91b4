"""When a community trains again by itself: its model no longer fits, and the last training is long enough ago.

The coordinator looks after each training (`wattproof coordinator` then goes on running), and `wattproof train` when
it is called. What says that the model no longer fits are the public totals (`forecasting.drift`). A training that is
due is written down before it starts (`rounds/retraining.json`), so that one that is interrupted is resumed, and no
round in its middle is taken for a finished model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from api.operator.calibrated import past_days
from api.operator.community import Community
from api.protocol.accuracy import stretches
from api.protocol.calibration import PastDay
from data.atomic import write_bytes
from data.damage import whole
from data.day import LAST_DAY
from data.json_text import read_as
from fl.settings import FederationSettings
from fl.store import RoundStore
from forecasting.drift import drifting_since

_log = logging.getLogger(__name__)
_FILE = "retraining.json"


@dataclass(frozen=True)
class Retraining:
    """A training after the first one: up to round `until`; the forecasts had lost ground since day `since`, and `day`
    was the newest with both totals."""

    until: int
    since: int
    day: int


def retrainings(rounds: Path) -> list[Retraining]:
    """All there have been, the oldest first. Raises DamagedFile."""
    path = rounds / _FILE
    if not path.exists():
        return []
    with whole(path, "the list of retrainings", "Restore it from a backup: it says which round ends a training"):
        return read_as(list[Retraining], path.read_bytes())


def last_round(rounds: Path, settings: FederationSettings) -> int:
    """The round that the training ends with, the first one's or the last retraining's."""
    return max([settings.rounds, *(one.until for one in retrainings(rounds))])


def earlier_rounds(rounds: Path, settings: FederationSettings) -> int:
    """The rounds of the trainings before the one to do now; 0 where that is the first."""
    every = retrainings(rounds)
    return max([settings.rounds, *(one.until for one in every[:-1])]) if every else 0


def settings_of_training(rounds: Path, settings: FederationSettings) -> FederationSettings:
    """The settings that train up to `last_round`. Where no round asks for gradients, the further ones train at the
    homes as well."""
    until = last_round(rounds, settings)
    changes: dict[str, object] = {"rounds": until}
    if settings.gradient_rounds == 0:
        local = max(until, settings.strategy.local_rounds)
        changes["strategy"] = settings.strategy.model_copy(update={"local_rounds": local})
    return settings.model_copy(update=changes)


def drift_began(past: Sequence[PastDay]) -> int | None:
    """The day since when the newest totals say that the model no longer fits; None where they do not."""
    for days in list(stretches(past))[-1:]:
        forecast, measured = (np.array([getattr(one, kind) for one in days], dtype=np.float64)
                              for kind in ("forecast", "measured"))  # fmt: skip
        since = drifting_since(forecast, measured)
        return None if since is None else days[since].day
    return None


def due(community: Community) -> Retraining | None:
    """The retraining that is due now; None where the model fits, is being trained, is too new, or may not be.

    Raises DamagedFile.
    """
    settings, folder = community.config.federation, community.folder / "rounds"
    policy, numbers = settings.retraining, RoundStore(folder).rounds()
    until = last_round(folder, settings)
    if not policy.enabled or not numbers or numbers[-1] < until:
        return None
    past = past_days(community, LAST_DAY + 1)
    since = drift_began(past)
    if since is None:
        return None
    before, newest = retrainings(folder), past[-1].day
    if before and newest - before[-1].day < policy.at_least_days:
        return None
    return Retraining(numbers[-1] + policy.rounds, since, newest)


def write_down(community: Community, training: Retraining) -> None:
    """Make a retraining the one to do: from here on its last round ends the training."""
    folder = community.folder / "rounds"
    every = [asdict(one) for one in (*retrainings(folder), training)]
    write_bytes(folder / _FILE, json.dumps(every, indent=1).encode())
    _log.warning(
        "the model no longer fits: the community trains again",
        extra={"since": training.since, "day": training.day, "round": training.until},
    )
