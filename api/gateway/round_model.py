"""The community's model of a round as it is proven: integers and the commitment to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fl.deployment.kept_model import load_kept_model
from forecasting.integer import IntegerModel
from zkp.lstm.weights import WeightsCommitment, commit_weights


@dataclass(frozen=True)
class RoundModel:
    """A round's integer model with its commitment; `digest` stands in the model registry."""

    round: int
    integer: IntegerModel
    commitment: WeightsCommitment

    @classmethod
    def kept(cls, folder: Path) -> RoundModel:
        """The model a gateway keeps. Raises NoModelYet or QuantisationError."""
        number, integer = load_kept_model(folder)
        return cls(number, integer, commit_weights(integer.weights))
