"""The model of the first round of a community that has not trained."""

from __future__ import annotations

from api.one_machine.community import LocalCommunity
from api.operator.trained_model import TrainedModel, model_shape
from fl.task import initial_weights
from forecasting.integer import quantise
from zkp.lstm.weights import commit_weights


def untrained_model(community: LocalCommunity) -> TrainedModel:
    shape = model_shape(community)
    weights = initial_weights(shape, 7)
    integer = quantise(weights, shape)
    return TrainedModel(1, weights, integer, commit_weights(integer.weights))
