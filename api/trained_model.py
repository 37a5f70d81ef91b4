"""The model of a saved round, as days are forecast and proven by it. Loads neither PyTorch nor Flower."""

from __future__ import annotations

from dataclasses import dataclass

from api.community import Community
from fl.errors import NoModelYet
from fl.store import RoundStore, SavedRound
from fl.weights import Weights
from forecasting.integer import IntegerModel, quantise
from forecasting.read_outs import merged
from forecasting.shape import ModelShape
from zkp.lstm.weights import WeightsCommitment, commit_weights


@dataclass(frozen=True)
class TrainedModel:
    """A round's model: float weights, integers, commitment."""

    round: int
    weights: Weights
    integer: IntegerModel
    commitment: WeightsCommitment

    @property
    def digest(self) -> bytes:
        return self.commitment.digest()


def model_shape(community: Community) -> ModelShape:
    return ModelShape.of(community.config.forecasting.model)


def rounds_of(community: Community) -> RoundStore:
    return RoundStore(community.folder / "rounds")


def latest_model(community: Community) -> TrainedModel:
    """The last saved round. Raises NoModelYet when nothing was trained yet, RoundDamaged when none can be read."""
    store = rounds_of(community)
    saved = store.latest()
    if saved is None:
        if numbers := store.rounds():
            store.load(numbers[-1])
        raise NoModelYet(f"no round is saved in {community.folder}; run `wattproof train` first")
    return _as_trained(community, saved)


def model_of(community: Community, number: int) -> TrainedModel:
    """A saved round. Raises FileNotFoundError where it is not here, RoundDamaged where it can't be read."""
    return _as_trained(community, rounds_of(community).load(number))


def _as_trained(community: Community, saved: SavedRound) -> TrainedModel:
    integer = quantise(merged(saved.weights), model_shape(community))
    return TrainedModel(saved.round, saved.weights, integer, commit_weights(integer.weights))
