"""`forecasting.model` and its training as a home's model: PyTorch, for a machine that simulates many homes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from data.windows import Windows
from forecasting.local_model import Outputs
from forecasting.model import LoadForecaster
from forecasting.parameters import Parameters
from forecasting.shape import ModelShape
from forecasting.training import evaluate_loss, forecast, step_down, train_epochs


class TorchForecaster:
    """A `forecasting.local_model.LocalModel`."""

    def __init__(self, shape: ModelShape, weights: Mapping[str, NDArray[Any]]) -> None:
        torch.set_num_threads(1)  # one home, one core; and sums keep their order
        self.model = LoadForecaster(shape)
        self.model.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})

    def weights(self) -> Parameters:
        return {name: tensor.numpy().copy() for name, tensor in self.model.state_dict().items()}

    def train(
        self,
        windows: Windows,
        *,
        epochs: int,
        learning_rate: float,
        batch: int,
        huber: float,
        seed: int,
        proximal_mu: float = 0.0,
    ) -> float:
        return train_epochs(
            self.model, windows, epochs=epochs, learning_rate=learning_rate, batch=batch, huber=huber, seed=seed,
            proximal_mu=proximal_mu,
        )  # fmt: skip

    def step_down(self, windows: Windows, huber: float) -> float:
        return step_down(self.model, windows, huber)

    def loss(self, windows: Windows, huber: float) -> float:
        return evaluate_loss(self.model, windows, huber)

    def forecast(self, windows: Windows) -> NDArray[Any]:
        return forecast(self.model, windows)

    def outputs(self, windows: Windows) -> Outputs:
        return self.model.outputs(windows)
