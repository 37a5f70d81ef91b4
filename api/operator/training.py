"""Train the community's forecaster, and turn the last round into the integer model that is proven."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from flwr.serverapp import Grid, ServerApp

from api.config.tracing import TrainingRound, tracer
from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.retraining import drift_began, due, earlier_rounds, retrainings, settings_of_training, write_down
from api.operator.trained_model import ledger_of, model_shape, rounds_of
from data.atomic import write_bytes
from data.day import LAST_DAY
from data.quantity import Quantity
from fl.deployment.coordinator import agents_roster, identify_by_key
from fl.deployment.telemetry import CoordinatorMetrics
from fl.errors import FederationError
from fl.one_shot.hand_out import newest_peak_head
from fl.one_shot.membership import Change
from fl.rounds import Rounds
from fl.server_app import Following, Wait, make_server_app
from fl.store import RoundReport, RoundStore
from fl.task import initial_weights, projection
from fl.weights import Weights
from forecasting.integer import quantise
from zkp.lstm.weights import commit_weights

_log = logging.getLogger(__name__)


OnRound = Callable[[int, int, float], None]
"""(rounds done, rounds in all, training loss)"""


def publisher(
    community: Community, store: RoundStore, on_round: OnRound, quantity: Quantity = "load"
) -> Callable[[int, Weights, RoundReport], None]:
    """Adds to each saved round its integer model (`model.npz`) and the commitment's digest (`digest`)."""

    def publish(number: int, weights: Weights, done: RoundReport) -> None:
        began = time.time_ns()
        integer = quantise(weights, model_shape(community))
        integer.save(store.path(number) / "model.npz")
        digest = commit_weights(integer.weights).digest()
        write_bytes(store.path(number) / "digest", digest.hex().encode())
        _trace(TrainingRound(community.config.community.identifier, quantity, number), done, began)
        on_round(number, community.config.federation.rounds, done.train_loss)

    return publish


def _trace(of: TrainingRound, done: RoundReport, commit_began_ns: int) -> None:
    """The round as it was, and committing to its model. Its trace begins with it: homes' steps are below."""
    began, ended = commit_began_ns - int(done.seconds * 1e9), time.time_ns()
    homes, left_out = len(done.participants), len(done.left_out)
    tracer().past("training round", of, began, commit_began_ns, first=True, homes=homes, left_out=left_out)
    tracer().past("commit to model", of, commit_began_ns, ended)


def coordinator_app(community: Community, *, stay: bool = False) -> ServerApp:
    """The ServerApp of a deployed federation; `stay`: see `make_server_app`.

    Raises FederationError where rounds ask for gradients that nothing hides, which no agent answers.
    """
    settings = community.config.federation
    if settings.gradient_rounds > 0 and not settings.hides_gradients:
        local = settings.strategy.local_rounds
        raise FederationError(
            f"federation.rounds: {settings.rounds} asks the homes for gradients after round {local}, and without "
            "secure aggregation their readings can be computed from these: set secure_aggregation.enabled: true on "
            "the coordinator and every gateway, and give the gateways a roster (`wattproof roster`), or "
            f"federation.rounds: {local} on the coordinator. Rounds that are saved stay"
        )
    initial = initial_weights(model_shape(community), community.config.forecasting.seed)
    return make_server_app(_rounds(community), initial, stay=stay, following=_following(community))


def _following(community: Community) -> Following:
    """What is trained after the first training of load: once, export, where it is; then load again when it is due."""
    export = [_export_rounds(community)] if community.config.federation.export else []

    def following(metrics: CoordinatorMetrics, wait: Wait) -> Rounds | None:
        return export.pop() if export else _when_due(community, metrics, wait)

    return following


class _ExportRounds(Rounds):
    """The training of a model of export. Where it fails (too few homes can, the privacy budget is spent), the
    community goes on with its model of load."""

    def run(
        self, grid: Grid, initial: Weights, observe: Callable[[RoundReport], None] = lambda report: None
    ) -> Weights:
        try:
            return super().run(grid, initial, observe)
        except FederationError as why:
            self.hand_out = False  # to homes that come late: what there may be is of a round in the middle
            _log.error("no model of export", extra={"reason": str(why)})
            return initial


def _export_rounds(community: Community) -> Rounds:
    settings, store = community.config.federation.of("export"), rounds_of(community, "export")
    return _ExportRounds(
        settings, store, identify=identify_by_key(settings.deployment), project=projection(model_shape(community)),
        on_round=publisher(community, store, _say_nothing, "export"), roster=agents_roster(settings), hand_out=True,
        quantity="export", ledger=ledger_of(community, "export"),
    )  # fmt: skip


def _rounds(community: Community) -> Rounds:
    """The training to do now: the first one, or the last that was written down since."""
    store = rounds_of(community)
    settings = settings_of_training(store.directory, community.config.federation)
    return Rounds(
        settings, store, identify=identify_by_key(settings.deployment), project=projection(model_shape(community)),
        on_round=publisher(community, store, _say_nothing), roster=agents_roster(settings), hand_out=True,
        hand_out_also=partial(newest_peak_head, store),
        earlier_rounds=earlier_rounds(store.directory, community.config.federation),
    )  # fmt: skip


def _when_due(community: Community, metrics: CoordinatorMetrics, wait: Wait) -> Rounds | None:
    """Wait until the model no longer fits (`api.operator.retraining`); the training that follows. None where the
    community is not to train again by itself."""
    policy = community.config.federation.retraining
    if not policy.enabled:
        return None
    while True:
        since = drift_began(past_days(community, LAST_DAY + 1))
        metrics.drifting_since.set(since or 0)
        if (training := due(community)) is not None:
            write_down(community, training)
        metrics.retrainings.set(len(retrainings(community.folder / "rounds")))
        if training is not None:
            return _rounds(community)
        wait(policy.look_every_s)


def one_shot_app(
    community: Community, change: Change, leaving: Sequence[str] = (), *, stay: bool = False
) -> ServerApp:
    """The ServerApp of a one-shot training over agents; `change`, `leaving`: see `fl.one_shot.membership`.

    Raises FederationError where the settings have no secure aggregation, without which no agent answers.
    """
    from fl.one_shot.rounds import one_shot_rounds

    settings, shape, store = community.config.federation, model_shape(community), rounds_of(community)
    if not settings.secure_aggregation.enabled:
        raise FederationError(
            "a one-shot training over agents uses masked sums: set federation.secure_aggregation.enabled: true on "
            "the coordinator and every gateway, and give the gateways a roster (`wattproof roster`)"
        )
    rounds = one_shot_rounds(
        settings, store, shape, identify=identify_by_key(settings.deployment), roster=agents_roster(settings),
        on_round=publisher(community, store, _say_nothing), hand_out=True, change=change, leaving=leaving,
    )  # fmt: skip
    return make_server_app(rounds, initial_weights(shape, community.config.forecasting.seed), once=True, stay=stay)


def _say_nothing(done: int, total: int, loss: float) -> None:
    """Reports progress in the log."""
