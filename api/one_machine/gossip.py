"""Training without a server with all homes on this machine: every peer's part, and the round that comes out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from api.one_machine.community import LocalCommunity
from api.operator.trained_model import model_shape
from api.operator.training import OnRound, publisher
from fl.client_app import Learner
from fl.errors import FederationError
from fl.gossip.clusters import assigned, find_centres, profile_of, sum_under_masks
from fl.gossip.draws import derive
from fl.gossip.fixed_point import Fixed
from fl.gossip.simulation import Fit, plain_fit, simulate
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.store import RoundReport, RoundStore
from fl.task import HomeFolder, HomeLearner, initial_weights, projection
from fl.weights import Weights


def train_without_server(
    community: LocalCommunity,
    settings: FederationSettings,
    files: HomeFolder,
    homes: Sequence[str],
    on_round: OnRound,
    store: RoundStore,
) -> None:
    """Simulate the peers (`fl.gossip.simulation`) and save the model in `store` as the round after the last epoch;
    done once.

    Raises FederationError for fewer homes than `federation.min_homes`.
    """
    shape = model_shape(community)
    last = settings.rounds + settings.gossip.settle_epochs
    chosen = list(homes)[: settings.num_clients]
    if len(chosen) < settings.min_homes:
        raise FederationError(f"{len(chosen)} homes, but federation.min_homes asks for {settings.min_homes}")
    with store.locked():
        store.bind(settings)
        saved = store.latest()
        publish = publisher(community, store, on_round)
        if saved is not None and saved.round >= last:
            store.publish(saved.round, publish)
            return
        learners, begun = [files(home) for home in chosen], time.monotonic()

        def observe(epoch: int, models: Fixed) -> None:
            on_round(min(epoch, settings.rounds), settings.rounds, math.nan)

        start = initial_weights(shape, community.config.forecasting.seed)
        done = simulate(learners, settings, start, _clusters(learners, settings), fit=_fit(settings), observe=observe)
        weights = projection(shape)(done.model)
        report = RoundReport(
            round=last, asked=tuple(chosen), participants=tuple(chosen), left_out={}, train_loss=math.nan,
            validation_loss=None, homes={}, bytes_down=done.bytes_per_peer_epoch * last * len(chosen), bytes_up=0,
            seconds=time.monotonic() - begun, extra={"disagreement": done.disagreement},
        )  # fmt: skip
        store.save(report, weights, {})
        store.publish(last, publish)


def _clusters(learners: Sequence[HomeLearner], settings: FederationSettings) -> list[int]:
    gossip = settings.gossip
    if gossip.clusters == 1:
        return [0] * len(learners)
    profiles = {learner.home: profile_of(learner.train) for learner in learners}
    seed = derive(settings.seed.to_bytes(8, "big"), b"clusters")
    centres = find_centres(profiles, gossip.clusters, 3, seed, sum_under_masks)
    found = assigned(profiles, centres, gossip.fewest_in_cluster)
    return [found[learner.home] for learner in learners]


def _fit(settings: FederationSettings) -> Fit:
    if settings.gossip.sampled_privacy == "off":
        return plain_fit
    from fl.gossip.private_training import fit_private

    def fit(learner: Learner, weights: Weights, plan: LocalPlan) -> Weights:
        assert isinstance(learner, HomeLearner)
        return fit_private(learner, weights, plan, settings.gossip)

    return fit
