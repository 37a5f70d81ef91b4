"""The model of a saved round, as used to forecast and prove days. Loads neither PyTorch nor Flower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.operator.community import Community
from data.quantity import Quantity
from fl.errors import NoModelYet
from fl.protection_settings import LEDGER
from fl.store import RoundStore, SavedRound
from fl.weights import Weights
from forecasting.integer import IntegerModel, quantise
from forecasting.shape import ModelShape
from zkp.lstm.weights import WeightsCommitment, commit_weights


class OlderRound(ValueError):
    """The last round's registered digest is of an older format."""


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


def rounds_of(community: Community, quantity: Quantity = "load") -> RoundStore:
    return RoundStore(community.config.api.folder_of(quantity) / "rounds")


def ledger_of(community: Community, quantity: Quantity = "load") -> Path:
    """The community's ledger of the privacy spent by a training.

    Both quantities are of the same homes, and spend from one; a training of export that was begun with a ledger of
    its own goes on with it.
    """
    own = rounds_of(community, quantity).directory / LEDGER
    return own if own.exists() else rounds_of(community).directory / LEDGER


def digest_of(community: Community, weights: Weights) -> bytes:
    """The digest of the integer model quantised from these weights."""
    return commit_weights(quantise(weights, model_shape(community)).weights).digest()


def kept_digest(store: RoundStore, number: int) -> bytes | None:
    """The digest that a saved round was published with, or None."""
    path = store.path(number) / "digest"
    return bytes.fromhex(path.read_text(encoding="ascii")) if path.exists() else None


def latest_model(community: Community, quantity: Quantity = "load") -> TrainedModel:
    """The last saved round. Raises NoModelYet when nothing was trained yet, RoundDamaged when none can be read,
    OlderRound."""
    store = rounds_of(community, quantity)
    saved = store.latest()
    if saved is None:
        if numbers := store.rounds():
            store.load(numbers[-1])
        of = "" if quantity == "load" else f" --quantity {quantity}"
        raise NoModelYet(f"no round is saved in {store.directory.parent}; run `wattproof train{of}` first")
    return _as_trained(community, saved, store)


def model_of(community: Community, number: int, quantity: Quantity = "load") -> TrainedModel:
    """A saved round. Raises FileNotFoundError if it is not here, RoundDamaged if it cannot be read, OlderRound."""
    store = rounds_of(community, quantity)
    return _as_trained(community, store.load(number), store)


def _as_trained(community: Community, saved: SavedRound, store: RoundStore) -> TrainedModel:
    integer = quantise(saved.weights, model_shape(community))
    trained = TrainedModel(saved.round, saved.weights, integer, commit_weights(integer.weights))
    if kept_digest(store, saved.round) not in (None, trained.digest):
        raise OlderRound(
            f"round {saved.round} in {store.directory} was published by a release of another proof format, or with "
            "another forecasting.model in the settings. Set that back, or run `wattproof migrate`, which publishes "
            "the model as the next round"
        )
    return trained
