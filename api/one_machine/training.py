"""Training with all homes on this machine: Flower's simulation, the homes' personal heads, the accuracy report."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from api.gateway.home import Home
from api.gateway.personal_head import commit_head, keep_values
from api.one_machine.community import LocalCommunity
from api.one_machine.gossip import train_without_server
from api.operator.retraining import due, earlier_rounds, settings_of_training, write_down
from api.operator.trained_model import TrainedModel, latest_model, ledger_of, model_shape, rounds_of
from api.operator.training import OnRound, publisher
from data.errors import NoReadingsYet
from data.json_text import loads
from data.plug_ins import BASELINES, plug_in
from data.quantity import Quantity
from data.windows import Windows, make_windows
from fl.rounds import Rounds
from fl.simulation import run_simulation
from fl.task import HomeFolder, initial_weights, projection, write_homes
from fl.transfer import TransferRefused, begin_from, keep_better
from fl.weights import Weights, to_state_dict
from forecasting import baselines, evaluation, metrics, report
from forecasting.integer import IntegerModel, QuantisationError, quantise
from forecasting.model import LoadForecaster
from forecasting.personal import PersonalHead, fit_home_head, forecast_personal
from forecasting.training import forecast

_log = logging.getLogger(__name__)
FEDERATED, PERSONAL, PROVEN = "federated", "federated_personal", "proven"


def split_of(community: LocalCommunity) -> evaluation.Split:
    """Training, validation and test days."""
    settings = community.config.forecasting
    return evaluation.Split.by_share(community.readings, community.clock, settings.train_share, settings.test_share)


def _windows(community: LocalCommunity, quantity: Quantity = "load") -> Windows:
    """All homes' days, including shifted ones that start early or late."""
    settings, readings = community.config.forecasting, community.readings_of(quantity)
    return make_windows(
        readings, community.features_of(quantity), community.clock, steps=settings.model.steps, shifts=settings.shifts
    )


def _write_homes(community: LocalCommunity, quantity: Quantity) -> tuple[HomeFolder, list[str]]:
    """The homes' windows, each in its own file, as Flower's clients open them; those with a day to train on.

    Raises NoReadingsYet where none has one.
    """
    windows, split = _windows(community, quantity), split_of(community)
    validation = windows.between(split.train_end, split.test_start).at_day_start()
    folder = community.config.api.folder_of(quantity) / "federation"
    folder.mkdir(parents=True, exist_ok=True)
    able = set(write_homes(folder, windows.between(0, split.train_end), validation))
    homes = [home.name for home in community.homes]
    for home in (home for home in homes if home not in able):
        _log.warning(
            "home not trained with", extra={"home": home, "reason": "it has no day with a complete week before it"}
        )
    if not able:
        raise NoReadingsYet(
            "no home has a day to train on: a day needs the complete week before it, about nine days of readings"
        )
    files = HomeFolder(folder.resolve(), model_shape(community), community.config.forecasting.huber)
    return files, [home for home in homes if home in able]


def train(
    community: LocalCommunity,
    on_round: OnRound,
    *,
    one_shot: bool = False,
    source: Path | None = None,
    quantity: Quantity = "load",
) -> TrainedModel:
    """Run the remaining rounds of the federation in Flower's simulation; `on_round` reports progress. Where none
    remain and a training is due again (`api.operator.retraining`), its rounds are those.

    Args:
        one_shot: a one-shot training (`fl.one_shot`) instead, as one additional round.
        source: weights of another community's model to begin from (`fl.transfer`). Where it is better than what was
            trained, on the days kept out of training, it is the model of one round more.
        quantity: what the model forecasts; each quantity has rounds of its own.

    Raises TransferRefused for a source that can't be used, TableError for readings that say nothing about a quantity.
    """
    from fl.one_shot.rounds import one_shot_rounds  # it loads the privacy accountant, 60 MB

    settings, shape = community.config.federation.of(quantity), model_shape(community)
    store, before = rounds_of(community, quantity), 0
    if quantity == "load" and not one_shot:
        if source is None and (again := due(community)) is not None:
            write_down(community, again)
        before = earlier_rounds(store.directory, settings)
        settings = settings_of_training(store.directory, settings)
    files, homes = _write_homes(community, quantity)
    if settings.topology == "gossip" and not one_shot:
        if source is not None:
            raise TransferRefused("--from with topology: gossip: peers begin from a model that each makes itself")
        train_without_server(community, settings, files, homes, on_round, store)
        return latest_model(community, quantity)
    publish = publisher(community, store, on_round, quantity)
    if one_shot:
        rounds = one_shot_rounds(settings, store, shape, on_round=publish)
    else:
        rounds = Rounds(settings, store, project=projection(shape), on_round=publish, earlier_rounds=before,
                        ledger=ledger_of(community, quantity))  # fmt: skip
    initial = initial_weights(shape, community.config.forecasting.seed)
    if source is not None:
        initial = begin_from(source, store, initial, projection(shape))
    run_simulation(settings, homes, files, initial, store, rounds=rounds, once=one_shot)
    if not one_shot:
        keep_better(store, [files(home) for home in homes], publish)
    return latest_model(community, quantity)


def _float_model(community: LocalCommunity, weights: Weights) -> LoadForecaster:
    model = LoadForecaster(model_shape(community))
    model.load_state_dict(to_state_dict(weights))
    return model


def personal_heads(
    community: LocalCommunity, trained: TrainedModel, homes: Sequence[Home]
) -> dict[str, PersonalHead]:
    """Each home's own head, trained on its own days; homes with too few days have none."""
    model = _float_model(community, trained.weights)
    windows = _windows(community).between(0, split_of(community).train_end)
    found = {
        home.name: fit_home_head(model, windows.of_home(home.name), community.config.forecasting) for home in homes
    }
    return {name: head for name, head in found.items() if head is not None}


def with_heads(
    community: LocalCommunity, trained: TrainedModel, heads: Mapping[str, PersonalHead]
) -> dict[str, IntegerModel]:
    """What each home proves with: the round's integer model, with the home's own head if it has one.

    A head whose outputs could leave their range is logged and dropped.
    """
    state, shape = trained.weights, model_shape(community)
    models = {home.name: trained.integer for home in community.homes}
    for home in models.keys() & heads.keys():
        try:
            models[home] = quantise(state, shape, heads[home].as_mapping())
        except QuantisationError as unusable:
            _log.error("no personal head", extra={"home": home, "round": trained.round, "reason": str(unusable)})
    return models


def keep_heads(community: LocalCommunity, trained: TrainedModel, models: Mapping[str, IntegerModel]) -> None:
    """Put each home's head (of `with_heads`) into its folder and commit to it; one committed to before stays."""
    for home in community.homes:
        values = models[home.name].personal_head
        if values is not None:
            keep_values(home.folder, trained.round, values)
            commit_head(home.folder, trained.round, trained.commitment)


def personalise(
    community: LocalCommunity, trained: TrainedModel, homes: Sequence[Home]
) -> tuple[dict[str, PersonalHead], dict[str, IntegerModel]]:
    """Fit the homes' heads and keep them: `personal_heads` and what `with_heads` makes of them."""
    heads = personal_heads(community, trained, homes)
    models = with_heads(community, trained, heads)
    keep_heads(community, trained, models)
    return heads, models


def evaluate(
    community: LocalCommunity,
    trained: TrainedModel,
    heads: Mapping[str, PersonalHead],
    models: Mapping[str, IntegerModel],
    quantity: Quantity = "load",
) -> metrics.Scores:
    """Walk forward over the test days, beside the baselines; writes the accuracy report into the folder.

    `heads` and `models` of `personalise`: the same forecasts in floats and in integers.
    """
    torch.set_num_threads(1)
    clock, steps = community.clock, community.config.forecasting.model.steps
    model = _float_model(community, trained.weights)

    def personal(home: str, own: Windows) -> NDArray[np.float64]:
        return forecast_personal(model, heads[home], own) if home in heads else forecast(model, own)

    def integer(home: str, own: Windows) -> NDArray[np.float64]:
        return models[home].run(own.history, own.steps, own.exogenous).forecast.astype(np.float64)

    def by_home(one: Callable[[str, Windows], NDArray[np.float64]]) -> Callable[[Windows], NDArray[np.float64]]:
        return lambda windows: np.concatenate([one(str(h), windows.of_home(h)) for h in windows.unique_id])

    names = [home.name for home in community.homes]
    known = community.readings_of(quantity)
    readings = known[known["unique_id"].isin(names)].reset_index(drop=True)
    horizon = community.config.forecasting.model.horizon_days
    naive = baselines.naive_methods(clock, horizon)
    forecasters: list[evaluation.Forecaster] = [
        *naive,
        baselines.PooledRidge(clock, quantity=quantity, horizon=horizon),
        *(plug_in(BASELINES, name)(clock) for name in community.config.forecasting.baselines),
        evaluation.WindowForecaster(FEDERATED, lambda w: forecast(model, w), steps, clock, quantity, horizon),
        evaluation.WindowForecaster(PERSONAL, by_home(personal), steps, clock, quantity, horizon),
        evaluation.WindowForecaster(PROVEN, by_home(integer), steps, clock, quantity, horizon),
    ]
    split = split_of(community)
    table = evaluation.walk_forward(forecasters, readings, community.weather, clock, split, horizon)
    past = evaluation.before(readings, clock.start_of(split.train_end))
    scores = metrics.evaluate(table, past, [n.name for n in naive])
    folder = community.config.api.folder_of(quantity)
    report.write_report(folder, table, scores, clock, PROVEN, ["mean_7_days", "ridge_pooled"])
    return scores


def accuracy_summary(scores: metrics.Scores) -> dict[str, dict[str, float]]:
    """Headline figures by method."""
    return {m: loads(json.dumps(report.headline(scores, m)).encode()) for m in scores.methods}
