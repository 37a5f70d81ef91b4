"""Transfer: another community's model starts this one's training, and stays in force where it is the better one.

The source is the weights of any saved round (`weights.npz`, which the API serves as `/rounds/N/weights`). It is kept
beside the rounds, so that a training that was stopped goes on, and is judged, against the model it began from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fl.client_app import Learner
from fl.errors import FederationError, UpdateRefused
from fl.rounds import OnRound
from fl.store import RoundStore
from fl.weights import Weights, check_like, load, save

_log = logging.getLogger(__name__)
SOURCE, SOURCE_KEPT = "source.npz", "source_kept"


class TransferRefused(FederationError):
    """A source that can't start this community's training."""


def begin_from(path: Path, store: RoundStore, initial: Weights, project: Callable[[Weights], Weights]) -> Weights:
    """The weights in `path`, fit to begin with; kept beside the rounds.

    Args:
        initial: the model that a training would begin with otherwise: names and sizes must be these.
        project: puts the source inside the bounds of what can be proven (`fl.task.projection`).

    Raises TransferRefused for a file that is no such model, and where there are rounds that began from another one.
    """
    try:
        source = {name: np.asarray(array, dtype=np.float32) for name, array in load(path).items()}
        check_like(source, initial)
    except (OSError, UpdateRefused, ValueError) as problem:
        raise TransferRefused(
            f"{path} can't start this training: {problem}. It takes the weights.npz of a round, of a model with the "
            "sizes in forecasting.model"
        ) from None
    source, kept = project(source), store.directory / SOURCE
    if store.rounds() and not (kept.exists() and _same(load(kept), source)):
        raise TransferRefused(
            f"{store.directory} holds rounds that began from another model: go on without --from, or train in "
            "another folder (api.state_dir)"
        )
    save(kept, source)
    return {name: source[name] for name in initial}


def keep_better(store: RoundStore, homes: Sequence[Learner], on_round: OnRound) -> bool:
    """Save the source as one round more where it is better than the last round; whether it is.

    Better is a smaller mean, over homes, of the error (nMAE) on their days kept out of training. Nothing is done
    where the training began from no source, or no home has such days.
    """
    saved, path = store.latest(), store.directory / SOURCE
    if saved is None or not path.exists() or SOURCE_KEPT in saved.report.extra:
        return False
    source = {name: load(path)[name] for name in saved.weights}
    theirs, ours = _error(homes, source), _error(homes, saved.weights)
    _log.info("compared with the source", extra={"source": theirs, "trained": ours})
    if theirs is None or ours is None or ours <= theirs:
        return False
    number = saved.round + 1
    report = replace(saved.report, round=number, bytes_down=0, bytes_up=0, seconds=0.0, extra={SOURCE_KEPT: 1.0})
    store.save(report, source, {})
    store.publish(number, on_round)
    return True


def _same(kept: Weights, source: Weights) -> bool:
    return kept.keys() == source.keys() and all(np.array_equal(kept[name], source[name]) for name in source)


def _error(homes: Sequence[Learner], weights: Weights) -> float | None:
    scores = [home.evaluate(weights).get("nmae") for home in homes]
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else None
